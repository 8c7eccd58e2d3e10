"""Commit records: what makes a hole in the database visible at start.

Every block's batch carries one record and the list of the batch's keys, so that a start can
check that the newest batches are whole and that no height is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from blake3 import blake3

from node.storage import keys
from vm import rlp

RECORD_BYTES: Final = 108
# Key lists of older batches are dropped: a kill or power loss touches only the newest.
KEY_LISTS_KEPT: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitRecord:
    """One block's batch, summarized.

    Parameters
    ----------
    number : int
    block_hash, parent_hash : bytes (32,)
    entries : int
        How many keys the checksum covers.
    checksum : bytes (32,)
        BLAKE3 over the batch's write-once entries in ascending order of keys.
    """

    number: int
    block_hash: bytes
    parent_hash: bytes
    entries: int
    checksum: bytes

    def encode(self) -> bytes:
        """Return number (8) ‖ hash (32) ‖ parent (32) ‖ entries (4) ‖ checksum (32)."""
        return (
            self.number.to_bytes(8, "big")
            + self.block_hash
            + self.parent_hash
            + self.entries.to_bytes(4, "big")
            + self.checksum
        )


def decode_record(value: bytes) -> CommitRecord | None:
    """Return the record, or None when ``value`` cannot be one."""
    if len(value) != RECORD_BYTES:
        return None
    return CommitRecord(
        number=int.from_bytes(value[:8], "big"),
        block_hash=value[8:40],
        parent_hash=value[40:72],
        entries=int.from_bytes(value[72:76], "big"),
        checksum=value[76:],
    )


def checksum(entries: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Return BLAKE3 over (key length ‖ key ‖ value length ‖ value) of each entry, in order."""
    state = blake3()
    for key, value in entries:
        state.update(len(key).to_bytes(4, "big") + key + len(value).to_bytes(4, "big"))
        state.update(value)
    return state.digest()


def seal_batch(
    batch: Mapping[bytes, bytes | None], number: int, block_hash: bytes, parent_hash: bytes
) -> dict[bytes, bytes | None]:
    """Return ``batch`` with its commit record, key list and the pruning of an old key list.

    Parameters
    ----------
    batch : mapping
        The block's entries. Deletions, the head pointer and certificates are not covered by
        the checksum, because later batches replace them.
    """
    covered = sorted(
        (key, value)
        for key, value in batch.items()
        if value is not None and key != keys.HEAD and not key.startswith(b"certificate:")
    )
    record = CommitRecord(
        number=number,
        block_hash=block_hash,
        parent_hash=parent_hash,
        entries=len(covered),
        checksum=checksum(covered),
    )
    sealed = dict(batch)
    sealed[keys.commit_key(number)] = record.encode()
    sealed[keys.batch_keys_key(number)] = rlp.encode([key for key, _ in covered])
    if number > KEY_LISTS_KEPT:
        sealed[keys.batch_keys_key(number - KEY_LISTS_KEPT)] = None
    return sealed


def batch_fault(get: Callable[[bytes], bytes | None], record: CommitRecord) -> str | None:
    """Return what is wrong with the stored batch of ``record``, or None when it is whole."""
    listed = get(keys.batch_keys_key(record.number))
    if listed is None:
        return "the list of its entries is missing"
    try:
        names = [rlp.as_bytes(name) for name in rlp.as_list(rlp.decode(listed))]
    except rlp.RlpError:
        return "the list of its entries is damaged"
    if len(names) != record.entries:
        return "the list of its entries has the wrong length"
    entries = []
    for name in names:
        value = get(name)
        if value is None:
            return f"the entry {name[:40]!r} is missing"
        entries.append((name, value))
    if checksum(entries) != record.checksum:
        return "its checksum does not fit its entries"
    return None
