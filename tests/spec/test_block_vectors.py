"""Run the vectors of page 05."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.ai_ops.models import mlp
from tests.spec.block_chain import MODEL_CALLER, chain_vector, start
from tests.support.chain import Chain
from tests.support.chain_models import deploy
from tests.support.inference_models import ROW
from vm import rlp
from vm.blobs import blob_base_fee, next_excess_blob_gas
from vm.blocks import Block, Header
from vm.config import VmConfig
from vm.crypto import keccak
from vm.errors import InvalidBlock, InvalidTransaction, SidecarMismatch
from vm.fees import gas_limit_bounds, next_base_fee
from vm.receipts import Log, Receipt, logs_bloom
from vm.records import inference_request
from vm.requests import deposits, requests_hash
from vm.results import Account
from vm.settlement import settle
from vm.transaction_rules import Sender, validate_transaction
from vm.transactions import decode_transaction
from vm.transition import genesis_block, import_block

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors" / "05-blocks"
CONFIG = VmConfig(chain_id=1)
Case = dict[str, Any]


def cases() -> list[Any]:
    found = []
    for path in sorted(FOLDER.glob("*.json")):
        for index, case in enumerate(json.loads(path.read_text(encoding="utf-8"))["cases"]):
            found.append(pytest.param(case, id=f"{path.stem}-{index}-{case['rule']}"))
    return found


def check_header(case: Case) -> None:
    data = bytes.fromhex(case["header"])
    if case.get("refused"):
        with pytest.raises(InvalidBlock):
            Header.decode(data)
        return
    header = Header.decode(data)
    assert header.encode() == data
    assert header.hash.hex() == case["hash"]


def check_block(case: Case) -> None:
    data = bytes.fromhex(case["block"])
    if case.get("refused"):
        with pytest.raises(InvalidBlock):
            Block.decode(data)
        return
    block = Block.decode(data)
    assert block.encode() == data
    assert len(block.transactions) == case["transactions"]


def check_transaction(case: Case) -> None:
    raw = bytes.fromhex(case["raw"])
    if case.get("refused"):
        with pytest.raises(InvalidTransaction):
            decode_transaction(raw)
        return
    transaction = decode_transaction(raw)
    assert transaction.hash.hex() == case["hash"]
    assert transaction.sender.hex() == case["sender"]


def check_receipt(case: Case) -> None:
    logs = tuple(
        Log(
            address=bytes.fromhex(log["address"]),
            topics=tuple(map(bytes.fromhex, log["topics"])),
            data=bytes.fromhex(log["data"]),
        )
        for log in case["logs"]
    )
    receipt = Receipt(
        type=case["type"],
        status=case["status"],
        cumulative_gas_used=case["cumulative_gas_used"],
        bloom=logs_bloom(logs),
        logs=logs,
        gas_used=0,
        contract_address=None,
        effective_gas_price=0,
        author_fee_gas=99,
    )
    assert receipt.encode().hex() == case["encoded"]


def check_validity(case: Case) -> None:
    account = case["account"]
    sender = Sender(
        nonce=int(account["nonce"]),
        balance=int(account["balance"]),
        code=bytes.fromhex(account["code"]),
    )
    transaction = decode_transaction(bytes.fromhex(case["raw"]))
    refused = contextlib.nullcontext() if case["valid"] else pytest.raises(InvalidTransaction)
    with refused:
        validate_transaction(CONFIG, sender, transaction, base_fee=case["base_fee"])


def check_fees(case: Case) -> None:
    if "excess_blob_gas" in case:
        excess = next_excess_blob_gas(CONFIG.blobs, case["excess_blob_gas"], case["blob_gas_used"])
        assert excess == case["next_excess"]
        assert blob_base_fee(CONFIG.blobs, excess) == int(case["blob_base_fee"])
        return
    parent = replace(
        start().head,
        gas_limit=case["gas_limit"],
        gas_used=case.get("gas_used", 0),
        base_fee=int(case.get("base_fee", 0)),
    )
    if "bounds" in case:
        assert list(gas_limit_bounds(CONFIG, parent)) == case["bounds"]
    else:
        assert next_base_fee(CONFIG, parent) == int(case["next_base_fee"])


def check_system_calls(case: Case) -> None:
    chain = Chain(alloc_of(case["alloc"]), ai=False)
    if case["block"] == "valid":
        chain.must_mine()
    else:
        with pytest.raises(InvalidBlock):
            chain.build([])


def check_requests(case: Case) -> None:
    if "event" not in case:
        assert requests_hash(map(bytes.fromhex, case["requests"])).hex() == case["hash"]
        return
    topic = bytes.fromhex("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")
    contract = CONFIG.deposit_contract
    log = Log(address=contract, topics=(topic,), data=bytes.fromhex(case["event"]))
    receipt = Receipt(
        type=0, status=1, cumulative_gas_used=0, bloom=b"", logs=(log,), gas_used=0,
        contract_address=None, effective_gas_price=0,
    )  # fmt: skip
    if case.get("refused"):
        with pytest.raises(InvalidBlock):
            deposits(contract, [receipt])
    else:
        assert deposits(contract, [receipt]).hex() == case["deposit"]


def check_settlement(case: Case) -> None:
    names = ("limit", "left", "drawn", "credited", "refund_counter", "floor", "price", "base_fee")
    settlement = settle(**{name: case[name] for name in names})
    assert settlement.gas_used == case["gas_used"]
    assert settlement.returned_wei == int(case["returned"])
    assert settlement.authors_wei == int(case["authors"])
    assert settlement.coinbase_wei == int(case["coinbase"])
    assert settlement.burned_wei == int(case["burned"])


def model_chain(**changes: Any) -> Chain:
    genesis = start()
    chain = Chain({MODEL_CALLER: genesis.alloc[MODEL_CALLER]}, **changes)
    deploy(chain, mlp())
    return chain


def check_limit(case: Case) -> None:
    one_call = model_chain().call(to=MODEL_CALLER, data=bytes(ROW)).inferences[0].gas
    chain = model_chain(inference_gas_limit=one_call * case["limit_in_calls"])
    sent = [
        chain.transaction(sender + 1, to=MODEL_CALLER, data=bytes(ROW), gas=500_000)
        for sender in range(case["calls"])
    ]
    built = chain.mine(*sent)

    def places(transactions: Any) -> list[int]:
        return [sent.index(transaction) for transaction in transactions]

    assert places(built.result.block.transactions) == case["included"]
    assert places(built.deferred) == case.get("deferred", [])
    assert places(item.transaction for item in built.rejected) == case.get("rejected", [])


def check_judgement(case: Case) -> None:
    chain = model_chain()
    sent = [
        chain.transaction(sender, to=MODEL_CALLER, data=bytes(ROW), gas=500_000)
        for sender in (1, 2)
    ]
    result = chain.build(sent).result
    block, sidecar = result.block, result.sidecar
    if case["field"] is None:
        assert chain.import_block(block, sidecar) == result
        return
    value = getattr(sidecar.records[1], case["field"])
    changed: Any = value + 1 if isinstance(value, int) else bytes(len(value))
    record = replace(sidecar.records[1], **{case["field"]: changed})
    altered = replace(sidecar, records=(sidecar.records[0], record))
    expected: Any = SidecarMismatch
    if case["header_recomputed"]:
        request = inference_request(altered.records)
        block = replace(block, header=replace(block.header, requests_hash=requests_hash([request])))
        expected = InvalidBlock
    with pytest.raises(expected) as error:
        chain.import_block(block, altered)
    # A steps root that its digests do not hash to makes the sidecar useless as a witness.
    if case["header_recomputed"] and case["field"] == "steps_root":
        assert error.value.transaction is None
    else:
        assert (error.value.transaction, error.value.call) == (case["transaction"], case["call"])


def check_evm(case: Case) -> None:
    alloc = alloc_of(case.get("alloc", {}))
    to = bytes.fromhex(case["to"])
    if case.get("storage_at_created"):
        created = keccak(b"\xff" + to + (7).to_bytes(32, "big") + keccak(b"\x00"))[12:]
        fresh = Chain(alloc).call(to=to)
        assert int.from_bytes(fresh.output, "big") == int.from_bytes(created, "big")
        alloc[created] = Account(balance=1, storage={0: 1})
    result = Chain(alloc).call(to=to, data=bytes.fromhex(case.get("data", "")))
    assert result.success
    assert result.output.hex() == case["output"]


def check_chain(case: Case) -> None:
    genesis = Header.decode(bytes.fromhex(case["genesis"]["header"]))
    state = genesis_block(genesis, alloc_of(case["genesis"]["alloc"]))
    assert state.block.header == genesis
    config, store, parent = VmConfig(chain_id=case["chain_id"]), dict(state.writes), genesis
    for entry in case["blocks"]:
        block = Block.decode(bytes.fromhex(entry["rlp"]))
        result = import_block(config, store, parent, block)
        assert block.hash.hex() == entry["hash"]
        assert result.block.header.state_root.hex() == entry["state_root"]
        assert result.block.header.requests_hash.hex() == entry["requests_hash"]
        assert len(result.sidecar.records) == entry["inferences"]
        store.update(result.writes)
        parent = block.header


def alloc_of(accounts: dict[str, Any]) -> dict[bytes, Account]:
    return {
        bytes.fromhex(address): Account(
            balance=int(account.get("balance", 0)),
            nonce=account["nonce"],
            code=bytes.fromhex(account["code"]),
            storage={
                int(slot, 16): int(word, 16) for slot, word in account.get("storage", {}).items()
            },
        )
        for address, account in accounts.items()
    }


CHECKS: dict[str, Callable[[Case], None]] = {
    "B-1": check_header,
    "B-2": check_block,
    "B-3": check_transaction,
    "B-4": check_receipt,
    "B-5": check_validity,
    "B-6": check_fees,
    "B-7": check_system_calls,
    "B-8": check_requests,
    "B-9": check_settlement,
    "B-10": check_settlement,
    "B-11": check_limit,
    "B-12": check_judgement,
    "B-13": check_chain,
    "B-14": check_evm,
}


@pytest.mark.parametrize("case", cases())
def test_vector(case: Case) -> None:
    CHECKS[case["rule"]](case)


def test_vectors_are_what_the_generator_writes() -> None:
    """The chain is deterministic: building it again gives the same bytes."""
    written = json.loads((FOLDER / "chain.json").read_text(encoding="utf-8"))["cases"][0]
    assert chain_vector() == written
    assert rlp.decode(bytes.fromhex(written["genesis"]["header"]))
