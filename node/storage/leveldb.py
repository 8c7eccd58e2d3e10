"""LevelDB behind the store protocol, opened so that damage is refused and never hidden."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import plyvel

from node.storage.errors import StoreClosed, StoreCorrupted, StoreFailed, StoreRefused

# The log to replay after a kill is at most twice this: 0.2 s a piece on the slowest disk measured.
WRITE_BUFFER_BYTES: Final = 16 << 20
BLOCK_CACHE_BYTES: Final = 32 << 20
OPEN_FILES: Final = 256


class LevelDbStore:
    """A LevelDB database in its own folder.

    The caller holds the data directory's lock: LevelDB's own is released by a *refused* second
    open in the same process.
    """

    def __init__(self, database: Any, path: Path) -> None:
        self._database = database
        self._path = path
        self._write_lock = threading.Lock()
        self._failure: str | None = None
        self._closed = False

    @classmethod
    def create(cls, path: Path) -> LevelDbStore:
        """Make a new database in ``path``, which must not exist or be empty.

        Raises
        ------
        StoreRefused
            When the folder has content: creating over a damaged database would erase it.
        StoreFailed
            When the disk refuses.
        """
        if path.exists() and any(path.iterdir()):
            raise StoreRefused(f"{path} is not empty, so no database is created in it")
        path.mkdir(parents=True, exist_ok=True)
        return cls(_open(path, paranoid=True, create=True), path)

    @classmethod
    def open(cls, path: Path, *, paranoid: bool = True) -> LevelDbStore:
        """Open the database in ``path``; never creates one.

        Parameters
        ----------
        paranoid : bool
            Refuse a damaged log or table. False only when salvaging a copy that was set aside.

        Raises
        ------
        StoreRefused
            When there is no database.
        StoreCorrupted
            When it is damaged.
        StoreFailed
            When the disk refuses.
        """
        if not path.is_dir() or not any(path.iterdir()):
            raise StoreRefused(f"there is no database in {path}")
        if not (path / "CURRENT").is_file():
            raise StoreCorrupted(
                f"{path} holds files but not CURRENT, which names the live ones; "
                "restore the folder from a copy, or import an export into a new data directory"
            )
        return cls(_open(path, paranoid=paranoid, create=False), path)

    @property
    def path(self) -> Path:
        """The database's folder."""
        return self._path

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or None; checksums are verified."""
        self._check_open()
        try:
            value = self._database.get(key, verify_checksums=True, fill_cache=True)
        except plyvel.CorruptionError as error:
            raise self._corrupted(error) from error
        except plyvel.IOError as error:
            # A damaged table shows up as an I/O error when its footer or a block is out of range.
            raise self._corrupted(error) from error
        return None if value is None else bytes(value)

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool = True) -> None:
        """Apply the batch atomically; after one failure every later write is refused."""
        self._check_open()
        with self._write_lock:
            if self._failure is not None:
                raise StoreFailed(self._failure)
            try:
                with self._database.write_batch(sync=sync) as writer:
                    for key, value in batch.items():
                        if value is None:
                            writer.delete(key)
                        else:
                            writer.put(key, value)
            except plyvel.Error as error:
                # Measured: this handle never writes again, even after space returns.
                self._failure = (
                    f"the disk refused to store a block in {self._path} ({error}); "
                    "nothing acknowledged is lost: free space or mend the disk, then start again"
                )
                raise StoreFailed(self._failure) from error

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries with ``start <= key < stop`` in ascending order of keys."""
        self._check_open()
        try:
            with self._database.iterator(
                start=start, stop=stop, verify_checksums=True, fill_cache=False
            ) as entries:
                for key, value in entries:
                    yield bytes(key), bytes(value)
        except (plyvel.CorruptionError, plyvel.IOError) as error:
            raise self._corrupted(error) from error

    def close(self) -> None:
        """Close the database. Readers in other threads must have ended."""
        if not self._closed:
            self._closed = True
            self._database.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreClosed(f"the database in {self._path} is closed")

    def _corrupted(self, error: Exception) -> StoreCorrupted:
        return StoreCorrupted(
            f"a stored value in {self._path} is damaged ({error}); stop the node, set the folder "
            "aside, and import an export into a new data directory"
        )


def _open(path: Path, *, paranoid: bool, create: bool) -> Any:
    factory: Callable[..., Any] = plyvel.DB
    try:
        return factory(
            str(path),
            create_if_missing=create,
            error_if_exists=create,
            paranoid_checks=paranoid,
            write_buffer_size=WRITE_BUFFER_BYTES,
            lru_cache_size=BLOCK_CACHE_BYTES,
            max_open_files=OPEN_FILES,
            bloom_filter_bits=10,
        )
    except plyvel.CorruptionError as error:
        raise StoreCorrupted(f"the database in {path} is damaged ({error})") from error
    except plyvel.IOError as error:
        text = str(error)
        if "lock" in text.lower():
            raise StoreRefused(
                f"the database in {path} is in use by another process", "E-STORE-006"
            ) from error
        if "No such file" in text or ".ldb" in text or "MANIFEST" in text:
            raise StoreCorrupted(f"the database in {path} misses a file ({error})") from error
        raise StoreFailed(f"the database in {path} cannot be opened ({error})") from error
    except plyvel.Error as error:
        raise StoreCorrupted(f"the database in {path} cannot be opened ({error})") from error
