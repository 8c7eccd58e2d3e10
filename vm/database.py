"""The key-value store as the state transition sees it: read only, with an overlay for writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class KeyValueStore(Protocol):
    """A flat, read-only map: trie nodes and code by hash, chunks under ``b"chunk:" + digest``."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or None when the store has none."""
        ...


class Overlay:
    """Writes kept in memory above a store that is never written.

    Parameters
    ----------
    store : KeyValueStore
        What is read when the overlay has no value.
    """

    __slots__ = ("_store", "_writes")

    def __init__(self, store: KeyValueStore) -> None:
        self._store = store
        self._writes: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the newest value of ``key``, or None."""
        value = self._writes.get(key)
        return self._store.get(key) if value is None else value

    def put(self, key: bytes, value: bytes) -> None:
        """Remember ``value`` for ``key``."""
        self._writes[key] = value

    def mark(self) -> int:
        """Return a point to which `roll_back` can return."""
        return len(self._writes)

    def roll_back(self, mark: int) -> None:
        """Forget the keys put for the first time since ``mark``."""
        while len(self._writes) > mark:
            self._writes.popitem()

    @property
    def writes(self) -> Mapping[bytes, bytes]:
        """Everything put so far, in the order of the first write."""
        return self._writes
