"""Runs docs/spec/vectors/09-genesis and 10-export."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest

from genesis.alloc import INFERENCE_STUBS, SYSTEM_CONTRACTS
from genesis.build import build_genesis, complete_alloc
from genesis.errors import InvalidSpec
from genesis.spec import ChainSpec, template
from node.chain import Chain
from node.chain_errors import ChainMismatch
from node.chain_transfer import BlockRefused, import_export, spec_of_export
from node.export_file import ExportReader, MalformedExport
from node.storage.memory import MemoryStore

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors"
Case = dict[str, Any]


def cases(page: str) -> list[Any]:
    found = json.loads((VECTORS / page / "cases.json").read_text(encoding="utf-8"))["cases"]
    return [pytest.param(case, id=f"{n}-{case['rule']}") for n, case in enumerate(found)]


@pytest.mark.parametrize("case", cases("09-genesis"))
def test_genesis(case: Case) -> None:
    if case["rule"] == "N-1":
        if case["refused"]:
            with pytest.raises(InvalidSpec):
                ChainSpec.from_text(case["text"])
        else:
            ChainSpec.from_text(case["text"])
    elif case["rule"] == "N-2":
        assert ChainSpec.from_text(case["text"]).to_json() == case["canonical"]
        assert ChainSpec.from_text(case["canonical"]).to_json() == case["canonical"]
    elif "address" in case:
        account = {**SYSTEM_CONTRACTS, **INFERENCE_STUBS}[bytes.fromhex(case["address"][2:])]
        assert (account.nonce, "0x" + account.code.hex()) == (case["nonce"], case["code"])
        assert complete_alloc(template("devnet"))[bytes.fromhex(case["address"][2:])] == account
    elif "template" in case:
        assert "0x" + build_genesis(template(case["template"])).block.hash.hex() == case["hash"]
    elif "header" in case:
        header = build_genesis(ChainSpec.from_text(case["text"])).block.header
        assert "0x" + header.encode().hex() == case["header"]
    elif case["refused"]:
        spec = ChainSpec.from_text(case["text"])
        with pytest.raises(InvalidSpec):
            build_genesis(spec)
    else:
        build_genesis(ChainSpec.from_text(case["text"]))


@pytest.mark.parametrize("case", cases("10-export"))
def test_export(case: Case) -> None:
    chain: Chain | None = None
    try:
        reader = ExportReader(io.BytesIO(bytes.fromhex(case["file"][2:])))
        chain = Chain.create(spec_of_export(reader.start), MemoryStore())
        import_export(reader, chain, lambda _: None)
        accepted = True
    except (MalformedExport, BlockRefused, ChainMismatch):
        accepted = False
    assert accepted == case["accepted"]
    assert (None if chain is None else chain.head.number) == case["head"]
