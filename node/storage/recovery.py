"""The check at start: the newest block is whole, and no block before it is missing.

A kill never tears a LevelDB batch, but a lost or damaged log or manifest can drop batches. The
commit records show it, and the chain then goes back to the newest complete block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.storage import keys
from node.storage.commit import CommitRecord, batch_fault, decode_record
from node.storage.errors import StoreCorrupted
from node.storage.store import Store
from vm.crypto import keccak

# More blocks than two write buffers can hold: older ones are in synced, immutable tables.
WINDOW_BLOCKS: Final = 16_384
# At a clean start the newest batches are re-hashed until this many entries were read.
ENTRY_BUDGET: Final = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """A rollback that a start made, in words.

    Parameters
    ----------
    number : int
        The head after it.
    block_hash : bytes (32,)
    previous : int
        The newest height that was known before.
    reason : str
    """

    number: int
    block_hash: bytes
    previous: int
    reason: str

    def __str__(self) -> str:
        if self.previous == self.number:
            return f"the database was mended, nothing is lost at block {self.number}: {self.reason}"
        return f"rolled back from block {self.previous} to block {self.number}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    last_good: CommitRecord | None
    fault: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A rollback that is needed, not made yet.

    Parameters
    ----------
    recovery : Recovery
    newest : int
        The newest height that the database names.
    """

    recovery: Recovery
    newest: int

    @property
    def removes_blocks(self) -> bool:
        """Whether blocks that the database names are cut off."""
        return self.newest > self.recovery.number

    def apply(self, store: Store) -> Recovery:
        """Point the head at the newest complete block and drop what indexes name above it.

        State, bodies and chunks above stay: they are keyed by hash and nothing names them.
        """
        number = self.recovery.number
        batch: dict[bytes, bytes | None] = {
            keys.HEAD: number.to_bytes(8, "big") + self.recovery.block_hash
        }
        for above in range(number + 1, self.newest + 1):
            batch[keys.number_key(above)] = None
            batch[keys.commit_key(above)] = None
            batch[keys.batch_keys_key(above)] = None
        store.write(batch, sync=True)
        return self.recovery


def recover(
    store: Store, *, expected_head: tuple[int, bytes] | None = None, damage: str | None = None
) -> Recovery | None:
    """Check the newest blocks and roll back to the newest complete one when needed.

    Parameters, returns and raises as `examine`, whose plan it carries out.
    """
    plan = examine(store, expected_head=expected_head, damage=damage)
    return None if plan is None else plan.apply(store)


def examine(
    store: Store, *, expected_head: tuple[int, bytes] | None = None, damage: str | None = None
) -> Plan | None:
    """Check the newest blocks; change nothing.

    Parameters
    ----------
    store : Store
    expected_head : tuple of int and bytes (32,), optional
        The newest block acknowledged, as noted outside the database.
    damage : str, optional
        What opening the database complained about; every kept batch is then re-hashed.

    Returns
    -------
    Plan or None
        None when the database is as it was left.

    Raises
    ------
    StoreCorrupted
        When not even the genesis block is complete.
    """
    records = _read_records(store)
    head = _read_head(store)
    if not records:
        raise StoreCorrupted(
            "the database holds no complete block; import an export into a new data directory"
        )
    newest = max(records[-1].number, head[0] if head else 0)
    known = max(newest, expected_head[0] if expected_head else 0)
    suspect = damage is not None or newest < known
    finding = _find_last_good(store, records, thorough=suspect)
    last = finding.last_good
    if last is None:
        raise StoreCorrupted(
            f"no complete block is left in the database ({finding.fault}); "
            "import an export into a new data directory"
        )
    if finding.fault is None and head == (last.number, last.block_hash) and not suspect:
        return None
    if not _header_present(store, last):
        raise StoreCorrupted(f"the header of block {last.number} is missing from the database")
    reason = damage or finding.fault or _shortened(known, last, head)
    recovery = Recovery(
        number=last.number, block_hash=last.block_hash, previous=known, reason=reason
    )
    return Plan(recovery=recovery, newest=newest)


def _shortened(known: int, last: CommitRecord, head: tuple[int, bytes] | None) -> str:
    if known > last.number:
        return f"block {known} was stored once, and the database now ends at {last.number}"
    return f"the head pointer named block {head[0] if head else 'none'}"


def _read_head(store: Store) -> tuple[int, bytes] | None:
    value = store.get(keys.HEAD)
    if value is None or len(value) != 40:
        return None
    return int.from_bytes(value[:8], "big"), value[8:]


def _read_records(store: Store) -> list[CommitRecord]:
    """Return the newest records in ascending order; holes between them are the caller's."""
    head = _read_head(store)
    start = max(0, head[0] - WINDOW_BLOCKS) if head else 0
    records = _records_from(store, start)
    if records and records[0].number != start:
        # The hole reaches below the window: look for the run that starts with genesis.
        records = _records_from(store, 0)
        if records[0].number != 0:
            return []
    return records


def _records_from(store: Store, start: int) -> list[CommitRecord]:
    entries = store.scan(keys.commit_key(start), keys.commit_key(keys.LAST_NUMBER))
    found = (decode_record(value) for _, value in entries)
    return [record for record in found if record is not None]


def _find_last_good(store: Store, records: list[CommitRecord], *, thorough: bool) -> _Finding:
    """Cut the run at its first hole, then re-hash batches from the end backwards."""
    fault: str | None = None
    run = records
    for index in range(1, len(records)):
        before, record = records[index - 1], records[index]
        if record.number != before.number + 1:
            fault = f"block {before.number + 1} is missing"
        elif record.parent_hash != before.block_hash:
            fault = f"block {record.number} does not follow block {before.number}"
        else:
            continue
        run = records[:index]
        break
    budget = ENTRY_BUDGET
    good = len(run)
    for index in range(len(run) - 1, -1, -1):
        record = run[index]
        if store.get(keys.batch_keys_key(record.number)) is None and index < len(run) - 1:
            break  # older than the lists that are kept
        problem = batch_fault(store.get, record)
        if problem is not None:
            fault = f"block {record.number} is incomplete: {problem}"
            good = index
        budget -= record.entries
        if budget <= 0 and not thorough and good == len(run):
            break
    last = run[good - 1] if good else None
    return _Finding(last_good=last, fault=fault)


def _header_present(store: Store, record: CommitRecord) -> bool:
    header = store.get(record.block_hash)
    return header is not None and keccak(header) == record.block_hash
