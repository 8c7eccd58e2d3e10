"""Certificates: canonical bytes, exactly quorum seals, each by another validator of the set."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_keys.datatypes import Signature
from hypothesis import given
from hypothesis import strategies as st

from consensus.certificate import (
    Certificate,
    address_of,
    commit_digest,
    decode_certificate,
    make_certificate,
    seal,
    sealer,
    verify_certificate,
)
from consensus.errors import InvalidCertificate
from consensus.params import quorum, tolerated_faults
from vm import rlp
from vm.crypto import SECP256K1_ORDER

KEYS = tuple(sorted((bytes([7] * 31 + [index]) for index in range(1, 8)), key=address_of))
ADDRESSES = tuple(address_of(key) for key in KEYS)
BLOCK = bytes(range(32))


@pytest.mark.parametrize(
    ("validators", "faults", "needed"),
    [(1, 0, 1), (2, 0, 2), (3, 0, 2), (4, 1, 3), (5, 1, 4), (6, 1, 4), (7, 2, 5), (10, 3, 7)],
)
def test_quorum_table(validators: int, faults: int, needed: int) -> None:
    assert tolerated_faults(validators) == faults
    assert quorum(validators) == needed


@pytest.mark.parametrize("validators", range(1, 300))
def test_two_quorums_share_an_honest_validator(validators: int) -> None:
    assert 2 * quorum(validators) - validators > tolerated_faults(validators)
    assert quorum(validators) <= validators - tolerated_faults(validators)


@pytest.mark.parametrize("validators", [1, 2, 3, 4, 7])
def test_a_quorum_certifies(validators: int) -> None:
    certificate = make_certificate(9, 2, BLOCK, KEYS[: quorum(validators)])
    verify_certificate(certificate, 9, BLOCK, ADDRESSES[:validators])
    assert decode_certificate(certificate.encode()) == certificate


def test_any_quorum_of_the_set_certifies() -> None:
    for left_out in range(4):
        chosen = [key for index, key in enumerate(KEYS[:4]) if index != left_out]
        verify_certificate(make_certificate(9, 0, BLOCK, chosen), 9, BLOCK, ADDRESSES[:4])


def test_seals_agree_with_a_second_implementation() -> None:
    for key in KEYS:
        signature = seal(key, 5, 1, BLOCK)
        recovered = Signature(signature).recover_public_key_from_msg_hash(
            commit_digest(5, 1, BLOCK)
        )
        assert recovered.to_canonical_address() == address_of(key) == sealer(5, 1, BLOCK, signature)


def high_s(signature: bytes) -> bytes:
    s = SECP256K1_ORDER - int.from_bytes(signature[32:64], "big")
    return signature[:32] + s.to_bytes(32, "big") + bytes([signature[64] ^ 1])


GOOD = make_certificate(9, 2, BLOCK, KEYS[:3])
MUTANTS: list[tuple[str, Certificate]] = [
    ("height", replace(GOOD, height=10)),
    ("not 0x00", replace(GOOD, block_hash=bytes(32))),
    ("no validator", replace(GOOD, round=3)),
    ("the quorum of 4 validators is 3", make_certificate(9, 2, BLOCK, KEYS[:2])),
    ("the quorum of 4 validators is 3", make_certificate(9, 2, BLOCK, KEYS[:4])),
    ("ascending", replace(GOOD, seals=(GOOD.seals[0], GOOD.seals[0], GOOD.seals[1]))),
    ("ascending", replace(GOOD, seals=GOOD.seals[::-1])),
    ("s is high", replace(GOOD, seals=(high_s(GOOD.seals[0]), *GOOD.seals[1:]))),
    ("parity", replace(GOOD, seals=(GOOD.seals[0][:64] + b"\x1b", *GOOD.seals[1:]))),
    ("no key", replace(GOOD, seals=(bytes(65), *GOOD.seals[1:]))),
    ("no validator", make_certificate(9, 2, BLOCK, (*KEYS[:2], KEYS[6]))),
]


@pytest.mark.parametrize(("sentence", "mutant"), MUTANTS)
def test_every_other_certificate_is_refused(sentence: str, mutant: Certificate) -> None:
    with pytest.raises(InvalidCertificate, match=sentence):
        verify_certificate(mutant, 9, BLOCK, ADDRESSES[:4])


@given(st.binary(max_size=120))
def test_random_bytes_are_refused_or_round_trip(data: bytes) -> None:
    try:
        certificate = decode_certificate(data)
    except InvalidCertificate:
        return
    assert certificate.encode() == data


@pytest.mark.parametrize(
    "items",
    [
        [b"\x09", b"\x02", BLOCK],
        [b"\x00\x09", b"\x02", BLOCK, [GOOD.seals[0]]],
        [b"\x09", b"\x01" * 9, BLOCK, [GOOD.seals[0]]],
        [b"\x09", b"\x02", BLOCK[1:], [GOOD.seals[0]]],
        [b"\x09", b"\x02", BLOCK, [GOOD.seals[0][1:]]],
        [b"\x09", b"\x02", BLOCK, GOOD.seals[0]],
        [b"\x09", [b"\x02"], BLOCK, [GOOD.seals[0]]],
    ],
)
def test_malformed_certificates_are_refused(items: rlp.RlpItem) -> None:
    with pytest.raises(InvalidCertificate, match="malformed"):
        decode_certificate(rlp.encode(items))


def test_trailing_bytes_are_refused() -> None:
    with pytest.raises(InvalidCertificate):
        decode_certificate(GOOD.encode() + b"\x00")
