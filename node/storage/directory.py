"""The data directory: its lock, its format, its head mark, and opening what lies in it.

```
DATADIR/
├── LOCK        flock for the process's life (LevelDB's own lock is not enough)
├── FORMAT      "engram-data 1": refuses foreign folders and other versions
├── head        the newest height acknowledged: makes a shortened database visible
├── chain/      LevelDB
└── chain.damaged-N/   a copy set aside before salvaging
```
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from node.storage.errors import StoreCorrupted, StoreFailed, StoreRefused
from node.storage.leveldb import LevelDbStore
from node.storage.recovery import Plan, Recovery, examine
from node.storage.store import Store

FORMAT_NAME: Final = "FORMAT"
FORMAT_TEXT: Final = "engram-data 1\n"
LOCK_NAME: Final = "LOCK"
MARK_NAME: Final = "head"
CHAIN_NAME: Final = "chain"
UNFINISHED_NAME: Final = "chain.new"
UNFINISHED_FORMAT_NAME: Final = "FORMAT.new"
DAMAGED_PREFIX: Final = "chain.damaged-"


@dataclass(slots=True)
class DataDirectory:
    """An open, locked data directory. Made by `create_directory` and `open_directory`.

    Parameters
    ----------
    path : Path
    store : LevelDbStore
    recovery : Recovery or None
        What was rolled back at start, in words; None after a clean start.
    """

    path: Path
    store: LevelDbStore
    recovery: Recovery | None
    lock: int
    mark: int

    def mark_head(self, number: int, block_hash: bytes) -> None:
        """Note the newest acknowledged block outside the database.

        Not synced: a kill keeps it, and after a power loss it may only be older, never newer,
        than the synced database.
        """
        content = number.to_bytes(8, "big") + block_hash
        # The mark is a witness, not a promise: a full disk here must not stop a stored block.
        with contextlib.suppress(OSError):
            os.pwrite(self.mark, content + zlib.crc32(content).to_bytes(4, "big"), 0)

    def close(self) -> None:
        """Close the database and release the lock."""
        self.store.close()
        os.close(self.mark)
        os.close(self.lock)


def is_data_directory(path: Path) -> bool:
    """Return whether ``path`` holds, or once held, a chain of ours.

    A creation that was interrupted has the format file alone and may be started over; a head
    mark says that there was a chain.
    """
    try:
        began = (path / FORMAT_NAME).is_file()
        return began and ((path / CHAIN_NAME).exists() or (path / MARK_NAME).exists())
    except OSError as error:
        raise _unreadable(path, error) from error


def create_directory(path: Path, write_genesis: Callable[[Store], None]) -> DataDirectory:
    """Make a data directory whose database holds what ``write_genesis`` writes.

    Parameters
    ----------
    path : Path
        Absent, empty, or a creation that was interrupted.

    Raises
    ------
    StoreRefused
        When the folder holds something else or is in use; nothing is changed then.
    StoreFailed
        When the disk refuses.
    """
    _refuse_foreign(path)
    if is_data_directory(path):
        raise StoreRefused(f"the folder {path} already holds a chain", "E-STORE-007")
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = _lock(path)
    except OSError as error:
        raise _unmade(path, error) from error
    try:
        # By renaming: whoever finds the name finds all of the text.
        _write_synced(path / UNFINISHED_FORMAT_NAME, FORMAT_TEXT.encode())
        (path / UNFINISHED_FORMAT_NAME).rename(path / FORMAT_NAME)
        unfinished = path / UNFINISHED_NAME
        if unfinished.exists():
            shutil.rmtree(unfinished)
        store = LevelDbStore.create(unfinished)
        try:
            write_genesis(store)
        finally:
            store.close()
        unfinished.rename(path / CHAIN_NAME)
        _sync_folder(path)
        return _open_locked(path, lock)
    except OSError as error:
        os.close(lock)
        raise _unmade(path, error) from error
    except BaseException:
        os.close(lock)
        raise


def open_directory(path: Path, *, repair: bool = True) -> DataDirectory:
    """Lock, open and check the data directory; roll back to the newest complete block.

    Parameters
    ----------
    repair : bool
        False to refuse a database that would have to be rolled back, and leave it as it is.

    Raises
    ------
    StoreRefused
        When it is not ours, of another version, or in use; nothing is changed then.
    StoreCorrupted
        When no complete block can be reached.
    StoreFailed
        When the disk refuses.
    """
    if not path.is_dir():
        raise StoreRefused(f"there is no data directory at {path}", "E-STORE-008")
    _refuse_foreign(path)
    if not is_data_directory(path):
        raise StoreRefused(f"there is no chain in {path}", "E-STORE-008")
    if not (path / CHAIN_NAME).is_dir():
        raise StoreCorrupted(
            f"the folder {CHAIN_NAME} is missing from {path}, which once held a chain; put it "
            "back, or import an export into a new data directory"
        )
    try:
        lock = _lock(path)
    except OSError as error:
        raise StoreFailed(
            f"the folder {path} cannot be locked ({error.strerror}); it must be yours to write to"
        ) from error
    try:
        return _open_locked(path, lock, repair=repair)
    except OSError as error:
        os.close(lock)
        why = error.strerror or error
        raise StoreFailed(
            f"the database in {path} cannot be opened ({why}); it must be yours to write to"
        ) from error
    except BaseException:
        os.close(lock)
        raise


def _open_locked(path: Path, lock: int, *, repair: bool = True) -> DataDirectory:
    chain = path / CHAIN_NAME
    damage: str | None = None
    aside: Path | None = None
    try:
        store = LevelDbStore.open(chain)
    except StoreCorrupted as error:
        if not repair or not (chain / "CURRENT").is_file():
            raise
        aside = _set_aside(chain)
        damage = f"{error}; a copy is in {aside}"
        store = _salvage(chain, aside)
    try:
        plan = examine(store, expected_head=_read_mark(path), damage=damage)
        _allow(plan, repair=repair)
        if plan is not None and plan.removes_blocks and aside is None:
            store.close()
            plan = _with_copy(plan, _set_aside(chain))
            store = LevelDbStore.open(chain)
        recovery = None if plan is None else plan.apply(store)
        mark = os.open(path / MARK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except BaseException:
        store.close()
        raise
    directory = DataDirectory(path=path, store=store, recovery=recovery, lock=lock, mark=mark)
    if recovery is not None:
        directory.mark_head(recovery.number, recovery.block_hash)
    return directory


def _allow(plan: Plan | None, *, repair: bool) -> None:
    if plan is not None and not repair:
        raise StoreCorrupted(f"a start would mend the database: {plan.recovery}")


def _with_copy(plan: Plan, aside: Path) -> Plan:
    reason = f"{plan.recovery.reason}; a copy of what was there is in {aside}"
    return replace(plan, recovery=replace(plan.recovery, reason=reason))


def _salvage(chain: Path, aside: Path) -> LevelDbStore:
    try:
        return LevelDbStore.open(chain, paranoid=False)
    except StoreCorrupted as error:
        raise StoreCorrupted(
            f"the database in {chain} is damaged beyond rolling back ({error}); an untouched copy "
            f"is in {aside}; import an export into a new data directory"
        ) from error


def _set_aside(chain: Path) -> Path:
    number = 1
    while (aside := chain.with_name(f"{DAMAGED_PREFIX}{number}")).exists():
        number += 1
    shutil.copytree(chain, aside)
    return aside


def _unreadable(path: Path, error: OSError) -> StoreFailed:
    return StoreFailed(
        f"the folder {path} cannot be read ({error.strerror}); it must be yours to read"
    )


def _unmade(path: Path, error: OSError) -> StoreFailed:
    return StoreFailed(
        f"the data directory {path} cannot be made ({error.strerror}); name a folder that you may "
        "write to"
    )


def _refuse_foreign(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise StoreRefused(
            f"the path {path} is a file, not a data directory; name a folder", "E-STORE-009"
        )
    try:
        names = {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise _unreadable(path, error) from error
    if FORMAT_NAME not in names:
        if names - {LOCK_NAME, UNFINISHED_FORMAT_NAME}:
            raise StoreRefused(
                f"the folder {path} is not empty and not a data directory of Engram; name another",
                "E-STORE-009",
            )
        return
    text = (path / FORMAT_NAME).read_bytes()
    if text != FORMAT_TEXT.encode():
        found = text[:40].decode("ascii", "replace").strip()
        raise StoreRefused(
            f"the folder {path} has the data format {found!r}, this version reads "
            f"{FORMAT_TEXT.strip()!r}; export it with the version that wrote it",
            "E-STORE-010",
        )


def _lock(path: Path) -> int:
    descriptor = os.open(path / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise StoreRefused(
            f"the data directory {path} is in use by another process; stop that one first",
            "E-STORE-006",
        ) from error
    return descriptor


def _read_mark(path: Path) -> tuple[int, bytes] | None:
    try:
        content = (path / MARK_NAME).read_bytes()
    except OSError:
        return None
    if len(content) != 44 or zlib.crc32(content[:40]).to_bytes(4, "big") != content[40:]:
        return None
    return int.from_bytes(content[:8], "big"), content[8:40]


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
