"""Runs docs/spec/vectors/08-consensus; each rule's function is named in RUNNERS."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consensus.certificate import (
    address_of,
    commit_digest,
    decode_certificate,
    seal,
    sealer,
    verify_certificate,
)
from consensus.errors import CertificateMissing, ConsensusError, InvalidCertificate
from consensus.header_rules import next_prev_randao, verify_header
from consensus.params import ConsensusParams, quorum, tolerated_faults, validators_hash
from vm.blocks import Header

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors" / "08-consensus"
Case = dict[str, Any]
CASES = [
    pytest.param(case, id=f"{path.stem}-{index}-{case['rule']}")
    for path in sorted(VECTORS.glob("*.json"))
    for index, case in enumerate(json.loads(path.read_text(encoding="utf-8"))["cases"])
]


def raw(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def run_quorum(case: Case) -> None:
    assert tolerated_faults(case["validators"]) == case["faults"]
    assert quorum(case["validators"]) == case["quorum"]


def run_set(case: Case) -> None:
    assert validators_hash([raw(item) for item in case["addresses"]]) == raw(case["extra_data"])


def run_encoding(case: Case) -> None:
    if case.get("malformed"):
        with pytest.raises(InvalidCertificate):
            decode_certificate(raw(case["bytes"]))
        return
    certificate = decode_certificate(raw(case["bytes"]))
    assert certificate.encode() == raw(case["bytes"])
    assert certificate.hash == raw(case["hash"])


def run_seal(case: Case) -> None:
    place = (case["height"], case["round"], raw(case["block_hash"]))
    if case.get("refused"):
        with pytest.raises(InvalidCertificate):
            sealer(*place, raw(case["seal"]))
        return
    assert commit_digest(*place) == raw(case["digest"])
    assert seal(raw(case["key"]), *place) == raw(case["seal"])
    assert sealer(*place, raw(case["seal"])) == raw(case["address"])
    assert address_of(raw(case["key"])) == raw(case["address"])


def run_verification(case: Case) -> None:
    certificate = decode_certificate(raw(case["certificate"]))
    validators = [raw(item) for item in case["validators"]]
    try:
        verify_certificate(certificate, case["height"], raw(case["block_hash"]), validators)
        final = True
    except InvalidCertificate:
        final = False
    assert final == case["final"]


def run_randao(case: Case) -> None:
    given = (raw(case["parent_prev_randao"]), raw(case["parent_hash"]))
    assert next_prev_randao(*given) == raw(case["prev_randao"])


def run_header(case: Case) -> None:
    validators = tuple(raw(item) for item in case["validators"])
    carried = case["parent_certificate"]
    try:
        verify_header(
            Header.decode(raw(case["parent"])),
            Header.decode(raw(case["header"])),
            None if carried is None else decode_certificate(raw(carried)),
            ConsensusParams(engine="qbft", validators=validators),
        )
        outcome = "valid"
    except CertificateMissing:
        outcome = "incomplete"
    except ConsensusError:
        outcome = "invalid"
    assert outcome == case["outcome"]


RUNNERS: dict[str, Callable[[Case], None]] = {
    "C-1": run_quorum,
    "C-2": run_set,
    "C-3": run_encoding,
    "C-4": run_seal,
    "C-5": run_verification,
    "C-6": run_randao,
    "C-7": run_header,
    "C-8": run_header,
    "C-9": run_header,
}


@pytest.mark.parametrize("case", CASES)
def test_vector(case: Case) -> None:
    (run_header if "outcome" in case else RUNNERS[case["rule"]])(case)
