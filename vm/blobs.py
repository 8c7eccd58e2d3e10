"""Blob gas (EIP-4844, EIP-7691): its price and its running excess."""

from __future__ import annotations

from vm.config import GAS_PER_BLOB, BlobSchedule


def blob_base_fee(schedule: BlobSchedule, excess_blob_gas: int) -> int:
    """Return wei per blob gas: the Taylor series of minimum · e^(excess / fraction)."""
    numerator, denominator = excess_blob_gas, schedule.base_fee_update_fraction
    output, term, index = 0, schedule.minimum_base_fee_wei * denominator, 1
    while term:
        output += term
        term = term * numerator // (denominator * index)
        index += 1
    return output // denominator


def next_excess_blob_gas(schedule: BlobSchedule, parent_excess: int, parent_used: int) -> int:
    """Return the excess of a block from its parent's excess and blob gas used."""
    return max(0, parent_excess + parent_used - schedule.target_gas)


def total_blob_gas(blob_count: int) -> int:
    """Return the blob gas of a transaction with this many blobs."""
    return GAS_PER_BLOB * blob_count
