"""Requests: queued by contracts, dequeued by the block, committed to in the header."""

from __future__ import annotations

from hashlib import sha256

import pytest

from tests.support.chain import ADDRESSES, Chain
from vm.errors import InvalidBlock
from vm.receipts import Log, Receipt, logs_bloom
from vm.requests import deposits, requests_hash
from vm.results import Account
from vm.system_contracts import (
    BEACON_ROOTS_ADDRESS,
    CONSOLIDATION_REQUESTS_ADDRESS,
    WITHDRAWAL_REQUESTS_ADDRESS,
)

DEPOSIT_CONTRACT = Chain(ai=False).config.deposit_contract
TOPIC = bytes.fromhex("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")
FIELDS = (b"\x01" * 48, b"\x02" * 32, b"\x03" * 8, b"\x04" * 96, b"\x05" * 8)


def deposit_data(fields: tuple[bytes, ...] = FIELDS) -> bytes:
    head, tail, offset = b"", b"", 160
    for field in fields:
        head += offset.to_bytes(32, "big")
        padded = field + bytes(-len(field) % 32)
        tail += len(field).to_bytes(32, "big") + padded
        offset += 32 + len(padded)
    return head + tail


def receipt_of(*logs: Log) -> Receipt:
    return Receipt(
        type=2, status=1, cumulative_gas_used=0, bloom=logs_bloom(logs), logs=logs, gas_used=0,
        contract_address=None, effective_gas_price=0,
    )  # fmt: skip


def log(data: bytes, address: bytes = DEPOSIT_CONTRACT, topic: bytes = TOPIC) -> Log:
    return Log(address=address, topics=(topic,), data=data)


def test_deposits_are_the_concatenated_fields() -> None:
    data = deposit_data()
    assert len(data) == 576
    other = log(data, address=b"\x01" * 20), log(data, topic=bytes(32))
    receipts = [receipt_of(log(data), *other), receipt_of(), receipt_of(log(data))]
    assert deposits(DEPOSIT_CONTRACT, receipts) == b"".join(FIELDS) * 2


@pytest.mark.parametrize("position", [31, 63, 95, 127, 159, 191, 287, 351, 415, 543])
def test_a_misplaced_deposit_field_makes_the_block_invalid(position: int) -> None:
    data = bytearray(deposit_data())
    data[position] ^= 0x20
    with pytest.raises(InvalidBlock, match="misplaced field"):
        deposits(DEPOSIT_CONTRACT, [receipt_of(log(bytes(data)))])
    with pytest.raises(InvalidBlock, match="deposit event of"):
        deposits(DEPOSIT_CONTRACT, [receipt_of(log(bytes(data[:-1])))])


def test_requests_of_both_queues_reach_the_header() -> None:
    chain = Chain(ai=False)
    withdrawal, consolidation = b"\x07" * 56, b"\x08" * 96
    sent = (
        chain.transaction(0, to=WITHDRAWAL_REQUESTS_ADDRESS, data=withdrawal, value=1, gas=200_000),
        chain.transaction(
            1, to=CONSOLIDATION_REQUESTS_ADDRESS, data=consolidation, value=1, gas=300_000
        ),
    )
    header = chain.must_mine(*sent).block.header
    amount = int.from_bytes(withdrawal[48:], "big").to_bytes(8, "little")
    expected = (
        b"\x01" + ADDRESSES[0] + withdrawal[:48] + amount,
        b"\x02" + ADDRESSES[1] + consolidation,
    )
    assert header.requests_hash == requests_hash(expected)
    assert chain.must_mine().block.header.requests_hash == sha256().digest()


@pytest.mark.parametrize("address", [WITHDRAWAL_REQUESTS_ADDRESS, CONSOLIDATION_REQUESTS_ADDRESS])
def test_a_failing_system_call_makes_the_block_invalid(address: bytes) -> None:
    chain = Chain({address: Account(nonce=1, code=b"\xfe")}, ai=False)
    with pytest.raises(InvalidBlock, match="system call to"):
        chain.build([])


def test_a_failing_beacon_root_contract_changes_nothing() -> None:
    code = bytes.fromhex("60015f55fe")
    chain = Chain({BEACON_ROOTS_ADDRESS: Account(nonce=1, code=code)}, ai=False)
    chain.must_mine()
    assert chain.slot(BEACON_ROOTS_ADDRESS, 0) == 0
