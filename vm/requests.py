"""Execution requests (EIP-7685): deposits, withdrawal and consolidation requests, inferences."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

from vm.errors import InvalidBlock
from vm.fork import EngramState
from vm.receipts import Receipt
from vm.system_call import checked_system_call
from vm.system_contracts import CONSOLIDATION_REQUESTS_ADDRESS, WITHDRAWAL_REQUESTS_ADDRESS

DEPOSIT_TYPE = b"\x00"
WITHDRAWAL_TYPE = b"\x01"
CONSOLIDATION_TYPE = b"\x02"

_DEPOSIT_TOPIC = bytes.fromhex("649bbc62d0e31342afea4e5cd82d4049e7e1ee912fc0889aa790803be39038c5")
_DEPOSIT_BYTES = 576
# ABI encoding of five dynamic values: where each offset word must point, and each length.
_DEPOSIT_LAYOUT: tuple[tuple[int, int], ...] = (
    (160, 48),  # public key
    (256, 32),  # withdrawal credentials
    (320, 8),  # amount
    (384, 96),  # signature
    (512, 8),  # index
)


def block_requests(state: EngramState, receipts: Sequence[Receipt]) -> tuple[bytes, ...]:
    """Return the block's non-empty requests in order of type.

    Runs the system calls that end a block, so it changes the state.

    Raises
    ------
    InvalidBlock
        When a system contract is missing or fails, or a deposit event is malformed.
    """
    withdrawals = checked_system_call(state, WITHDRAWAL_REQUESTS_ADDRESS)
    consolidations = checked_system_call(state, CONSOLIDATION_REQUESTS_ADDRESS)
    candidates = (
        DEPOSIT_TYPE + deposits(state.vm_config.deposit_contract, receipts),
        WITHDRAWAL_TYPE + withdrawals,
        CONSOLIDATION_TYPE + consolidations,
        state.inference.request(),
    )
    return tuple(request for request in candidates if len(request) > 1)


def requests_hash(requests: Iterable[bytes]) -> bytes:
    """Return the header's commitment: sha256 over the sha256 of every request."""
    return sha256(b"".join(sha256(request).digest() for request in requests)).digest()


def deposits(contract: bytes, receipts: Iterable[Receipt]) -> bytes:
    """Return the concatenated deposits that the deposit contract logged (EIP-6110).

    Raises
    ------
    InvalidBlock
        When an event's data is not laid out as the deposit contract lays it out.
    """
    return b"".join(
        _deposit(log.data)
        for receipt in receipts
        for log in receipt.logs
        if log.address == contract and log.topics[:1] == (_DEPOSIT_TOPIC,)
    )


def _deposit(data: bytes) -> bytes:
    if len(data) != _DEPOSIT_BYTES:
        raise InvalidBlock(f"deposit event of {len(data)} bytes, expected {_DEPOSIT_BYTES}")
    parts = []
    for index, (offset, length) in enumerate(_DEPOSIT_LAYOUT):
        if _word(data, 32 * index) != offset or _word(data, offset) != length:
            raise InvalidBlock(f"deposit event with a misplaced field {index}")
        parts.append(data[offset + 32 : offset + 32 + length])
    return b"".join(parts)


def _word(data: bytes, start: int) -> int:
    return int.from_bytes(data[start : start + 32], "big")
