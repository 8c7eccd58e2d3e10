from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest
from eth.vm.forks.prague.blocks import PragueBlockHeader
from eth_account import Account

from vm import rlp
from vm.blocks import Block, Header, Withdrawal
from vm.errors import InvalidBlock
from vm.receipts import (
    Log,
    Receipt,
    bloom_bits,
    decode_stored_receipts,
    encode_stored_receipts,
    logs_bloom,
    merge_blooms,
)
from vm.transactions import decode_transaction

HEADER = Header(
    parent_hash=b"\x01" * 32,
    coinbase=b"\x02" * 20,
    state_root=b"\x03" * 32,
    transactions_root=b"\x04" * 32,
    receipts_root=b"\x05" * 32,
    logs_bloom=b"\x06" * 256,
    number=7,
    gas_limit=30_000_000,
    gas_used=21_000,
    timestamp=1_700_000_000,
    extra_data=b"\x08" * 32,
    prev_randao=b"\x09" * 32,
    base_fee=10**9,
    withdrawals_root=b"\x0a" * 32,
    blob_gas_used=131_072,
    excess_blob_gas=3,
    parent_beacon_block_root=b"\x0b" * 32,
    requests_hash=b"\x0c" * 32,
)


def sample_block() -> Block:
    signed = [
        Account.sign_transaction(
            {"nonce": 0, "gas": 21_000, "to": "0x" + "11" * 20, "value": 1, "chainId": 1, **price},
            b"\x01" * 32,
        )
        for price in ({"gasPrice": 7}, {"maxFeePerGas": 7, "maxPriorityFeePerGas": 1, "type": 2})
    ]
    return Block(
        header=HEADER,
        transactions=tuple(decode_transaction(bytes(item.raw_transaction)) for item in signed),
        withdrawals=(Withdrawal(index=0, validator_index=1, address=b"\x0d" * 20, amount=2),),
    )


def test_hash_is_the_one_that_py_evm_computes() -> None:
    fields_of_py_evm: dict[str, Any] = {
        "parent_hash": HEADER.parent_hash,
        "coinbase": HEADER.coinbase,
        "state_root": HEADER.state_root,
        "transaction_root": HEADER.transactions_root,
        "receipt_root": HEADER.receipts_root,
        "bloom": int.from_bytes(HEADER.logs_bloom, "big"),
        "difficulty": 0,
        "block_number": HEADER.number,
        "gas_limit": HEADER.gas_limit,
        "gas_used": HEADER.gas_used,
        "timestamp": HEADER.timestamp,
        "extra_data": HEADER.extra_data,
        "mix_hash": HEADER.prev_randao,
        "nonce": bytes(8),
        "base_fee_per_gas": HEADER.base_fee,
        "withdrawals_root": HEADER.withdrawals_root,
        "blob_gas_used": HEADER.blob_gas_used,
        "excess_blob_gas": HEADER.excess_blob_gas,
        "parent_beacon_block_root": HEADER.parent_beacon_block_root,
        "requests_hash": HEADER.requests_hash,
    }
    assert HEADER.hash == PragueBlockHeader(**fields_of_py_evm).hash


def test_round_trips() -> None:
    assert Header.decode(HEADER.encode()) == HEADER
    block = sample_block()
    assert Block.decode(block.encode()) == block
    assert (block.hash, block.number) == (HEADER.hash, 7)


def test_every_field_reaches_the_hash() -> None:
    for field in fields(Header):
        value = getattr(HEADER, field.name)
        changed: Any = value + 1 if isinstance(value, int) else bytes(len(value) - 1) + b"\x5a"
        assert replace(HEADER, **{field.name: changed}).hash != HEADER.hash, field.name


@pytest.mark.parametrize("index", range(21))
def test_header_fields_are_strict(index: int) -> None:
    items: list[rlp.RlpItem] = list(HEADER.as_rlp())
    old = items[index]
    assert isinstance(old, bytes)
    malformed: list[rlp.RlpItem] = [()]
    if index != 12:  # extra_data may have any length here; consensus fixes it
        malformed.append(b"\x00" + old)
        malformed.append(b"\x01" * 33 if len(old) < 32 else old + b"\x01")
    for value in malformed:
        items[index] = value
        with pytest.raises(InvalidBlock, match="malformed header"):
            Header.decode(rlp.encode(items))


def test_block_decoding_is_strict() -> None:
    block = sample_block()
    data = block.encode()
    parts = list(rlp.as_list(rlp.decode(data)))
    for cut in range(0, len(data), 7):
        with pytest.raises(InvalidBlock):
            Block.decode(data[:cut])
    ommer = [*parts[:2], (HEADER.as_rlp(),), parts[3]]
    with pytest.raises(InvalidBlock, match="expected 0 elements"):
        Block.decode(rlp.encode(ommer))
    legacy_as_bytes = [parts[0], (block.transactions[0].raw,), (), ()]
    with pytest.raises(InvalidBlock, match="malformed block"):
        Block.decode(rlp.encode(legacy_as_bytes))


def receipt(logs: tuple[Log, ...], kind: int = 2) -> Receipt:
    return Receipt(
        type=kind,
        status=1,
        cumulative_gas_used=60_000,
        bloom=logs_bloom(logs),
        logs=logs,
        gas_used=30_000,
        contract_address=b"\x0e" * 20,
        effective_gas_price=5,
        author_fee_gas=77,
    )


def test_receipts_round_trip_and_filter_their_logs() -> None:
    logs = (Log(address=b"\x01" * 20, topics=(b"\x02" * 32, b"\x03" * 32), data=b"\x04" * 70),)
    receipts = (receipt(logs), receipt((), kind=0))
    assert decode_stored_receipts(encode_stored_receipts(receipts)) == receipts
    bloom = int.from_bytes(merge_blooms(item.bloom for item in receipts), "big")
    for value in (b"\x01" * 20, b"\x02" * 32, b"\x03" * 32):
        assert bloom & bloom_bits(value) == bloom_bits(value)
    assert bloom & bloom_bits(b"\x55" * 20) != bloom_bits(b"\x55" * 20)
    assert receipts[0].encode()[0] == 2
    assert receipts[1].encode()[0] >= 0xC0
