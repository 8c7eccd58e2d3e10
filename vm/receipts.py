"""Receipts, logs and bloom filters (yellow paper, 4.3.1; EIP-2718)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vm import rlp
from vm.crypto import keccak
from vm.rlp import RlpItem

BLOOM_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One event: the emitting contract's address, up to four 32-byte topics, and data."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a transaction left behind.

    The first five fields are the consensus encoding. The rest is derived by execution and stored
    beside it: ``gas_used`` in gas, ``contract_address`` of a creation or None,
    ``effective_gas_price`` in wei per gas, ``author_fee_gas`` the units of gas credited to
    model authors, which are not part of ``gas_used``.
    """

    type: int
    status: int
    cumulative_gas_used: int
    bloom: bytes
    logs: tuple[Log, ...]
    gas_used: int
    contract_address: bytes | None
    effective_gas_price: int
    author_fee_gas: int = 0

    def encode(self) -> bytes:
        """Return the consensus encoding: type byte unless legacy, then RLP."""
        payload = rlp.encode(
            (
                rlp.integer(self.status),
                rlp.integer(self.cumulative_gas_used),
                self.bloom,
                tuple((log.address, log.topics, log.data) for log in self.logs),
            )
        )
        return bytes((self.type,)) + payload if self.type else payload


def encode_stored_receipts(receipts: Iterable[Receipt]) -> bytes:
    """Encode a block's receipts with their derived fields, for storage."""
    return rlp.encode(
        tuple(
            (
                rlp.integer(receipt.type),
                rlp.integer(receipt.status),
                rlp.integer(receipt.cumulative_gas_used),
                tuple((log.address, log.topics, log.data) for log in receipt.logs),
                rlp.integer(receipt.gas_used),
                receipt.contract_address or b"",
                rlp.integer(receipt.effective_gas_price),
                rlp.integer(receipt.author_fee_gas),
            )
            for receipt in receipts
        )
    )


def decode_stored_receipts(data: bytes) -> tuple[Receipt, ...]:
    """Decode what `encode_stored_receipts` wrote; raises `vm.rlp.RlpError`."""
    return tuple(_stored_receipt(item) for item in rlp.as_list(rlp.decode(data)))


def _stored_receipt(item: RlpItem) -> Receipt:
    kind, status, cumulative, raw_logs, used, contract, price, fee = rlp.as_list(item, 8)
    logs = tuple(_log(log) for log in rlp.as_list(raw_logs))
    return Receipt(
        type=rlp.as_int(kind, 8),
        status=rlp.as_int(status, 1),
        cumulative_gas_used=rlp.as_int(cumulative, 64),
        bloom=logs_bloom(logs),
        logs=logs,
        gas_used=rlp.as_int(used, 64),
        contract_address=rlp.as_bytes(contract) or None,
        effective_gas_price=rlp.as_int(price, 256),
        author_fee_gas=rlp.as_int(fee, 64),
    )


def _log(item: RlpItem) -> Log:
    address, topics, data = rlp.as_list(item, 3)
    return Log(
        address=rlp.as_bytes(address, 20),
        topics=tuple(rlp.as_bytes(topic, 32) for topic in rlp.as_list(topics)),
        data=rlp.as_bytes(data),
    )


def logs_bloom(logs: Iterable[Log]) -> bytes:
    """Return the 2048-bit filter of the addresses and topics of ``logs``."""
    bits = 0
    for log in logs:
        for value in (log.address, *log.topics):
            bits |= bloom_bits(value)
    return bits.to_bytes(BLOOM_BYTES, "big")


def bloom_bits(value: bytes) -> int:
    """Return the three bits of one address or topic, as an integer."""
    digest = keccak(value)
    bits = 0
    for offset in (0, 2, 4):
        bits |= 1 << (int.from_bytes(digest[offset : offset + 2], "big") & 2047)
    return bits


def merge_blooms(blooms: Iterable[bytes]) -> bytes:
    """Return the union of filters: a block's from its receipts'."""
    bits = 0
    for bloom in blooms:
        bits |= int.from_bytes(bloom, "big")
    return bits.to_bytes(BLOOM_BYTES, "big")
