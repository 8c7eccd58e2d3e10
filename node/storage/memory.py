"""A store in memory: for tests, scratch chains, and a devnet without a data directory."""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator, Mapping

from node.storage.errors import StoreClosed


class MemoryStore:
    """A dictionary behind the store protocol; keeps nothing after the process ends."""

    def __init__(self) -> None:
        self._entries: dict[bytes, bytes] = {}
        self._lock = threading.Lock()
        self._closed = False

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or None."""
        if self._closed:
            raise StoreClosed("the store is closed")
        return self._entries.get(key)

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool = True) -> None:  # noqa: ARG002 -- memory has nothing to sync
        """Apply the batch; scans that run meanwhile see all of it or nothing."""
        if self._closed:
            raise StoreClosed("the store is closed")
        with self._lock:
            for key, value in batch.items():
                if value is None:
                    self._entries.pop(key, None)
                else:
                    self._entries[key] = value

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries with ``start <= key < stop``, as they stood at the call."""
        if self._closed:
            raise StoreClosed("the store is closed")
        with self._lock:
            keys = sorted(self._entries)
            keys = keys[bisect.bisect_left(keys, start) : bisect.bisect_left(keys, stop)]
            entries = [(key, self._entries[key]) for key in keys]
        return iter(entries)

    def close(self) -> None:
        """Forget everything."""
        self._closed = True
        self._entries.clear()
