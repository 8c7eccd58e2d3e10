"""Header rules: each field that a sealed header derives from its parent, and who is to blame."""

from __future__ import annotations

from dataclasses import replace

import pytest

from consensus.certificate import address_of, make_certificate
from consensus.errors import (
    CertificateMissing,
    InvalidCertificate,
    InvalidHeader,
    InvalidParameters,
)
from consensus.header_rules import certificate_root, next_prev_randao, verify_header
from consensus.params import ConsensusParams, validators_hash
from vm.blocks import ZERO_HASH, Header

KEYS = tuple(sorted((bytes([9] * 31 + [index]) for index in range(1, 5)), key=address_of))
VALIDATORS = tuple(address_of(key) for key in KEYS)
PARAMS = ConsensusParams(engine="qbft", validators=VALIDATORS)
GENESIS = Header(
    parent_hash=ZERO_HASH,
    coinbase=bytes(20),
    state_root=bytes(32),
    number=0,
    gas_limit=30_000_000,
    timestamp=0,
    base_fee=10**9,
    extra_data=validators_hash(VALIDATORS),
)


def child(parent: Header, certificate_hash: bytes) -> Header:
    return replace(
        GENESIS,
        parent_hash=parent.hash,
        number=parent.number + 1,
        timestamp=parent.timestamp + 1,
        prev_randao=next_prev_randao(parent.prev_randao, parent.hash),
        parent_beacon_block_root=certificate_hash,
    )


FIRST = child(GENESIS, ZERO_HASH)
FIRST_CERTIFICATE = make_certificate(1, 0, FIRST.hash, KEYS[:3])
SECOND = child(FIRST, FIRST_CERTIFICATE.hash)


def test_a_chain_of_three_is_accepted() -> None:
    verify_header(GENESIS, FIRST, None, PARAMS)
    verify_header(FIRST, SECOND, FIRST_CERTIFICATE, PARAMS)
    assert certificate_root(GENESIS, None) == ZERO_HASH
    assert certificate_root(FIRST, FIRST_CERTIFICATE) == SECOND.parent_beacon_block_root


def test_any_quorum_of_the_parent_may_be_committed_to() -> None:
    other = make_certificate(1, 5, FIRST.hash, KEYS[1:])
    verify_header(FIRST, child(FIRST, other.hash), other, PARAMS)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"parent_hash": bytes(32)}, "parent hash"),
        ({"number": 3}, "number is 3"),
        ({"timestamp": 1}, "timestamp 1 is not after"),
        ({"prev_randao": bytes(32)}, "prev_randao"),
        ({"extra_data": b""}, "extra_data"),
        ({"extra_data": bytes(32)}, "extra_data"),
    ],
)
def test_each_broken_rule_is_a_verdict(change: dict[str, bytes | int], sentence: str) -> None:
    with pytest.raises(InvalidHeader, match=sentence):
        verify_header(FIRST, replace(SECOND, **change), FIRST_CERTIFICATE, PARAMS)  # type: ignore[arg-type]


def test_block_one_commits_to_nothing() -> None:
    with pytest.raises(InvalidHeader, match="block 1"):
        verify_header(GENESIS, child(GENESIS, bytes([1]) * 32), None, PARAMS)


def test_a_missing_or_foreign_certificate_is_the_carriers_fault() -> None:
    foreign = make_certificate(1, 1, FIRST.hash, KEYS[:3])
    for carried in (None, foreign):
        with pytest.raises(CertificateMissing):
            verify_header(FIRST, SECOND, carried, PARAMS)


def test_a_committed_certificate_that_fails_its_checks_is_a_verdict() -> None:
    short = make_certificate(1, 0, FIRST.hash, KEYS[:2])
    with pytest.raises(InvalidCertificate, match="quorum"):
        verify_header(FIRST, child(FIRST, short.hash), short, PARAMS)


def test_without_consensus_only_the_ethereum_links_are_checked() -> None:
    plain = ConsensusParams(engine="none")
    header = replace(SECOND, extra_data=b"hi", prev_randao=bytes(32))
    verify_header(FIRST, header, None, plain)
    with pytest.raises(InvalidHeader):
        verify_header(FIRST, replace(header, timestamp=0), None, plain)


@pytest.mark.parametrize(
    ("engine", "validators", "period"),
    [
        ("pow", (), 0),
        ("none", VALIDATORS[:1], 0),
        ("qbft", (), 0),
        ("qbft", VALIDATORS[::-1], 0),
        ("qbft", (VALIDATORS[0], VALIDATORS[0]), 0),
        ("qbft", (b"short",), 0),
        ("qbft", VALIDATORS, -1),
    ],
)
def test_contradicting_parameters_are_refused(
    engine: str, validators: tuple[bytes, ...], period: int
) -> None:
    with pytest.raises(InvalidParameters):
        ConsensusParams(engine=engine, validators=validators, period_seconds=period)
