"""What the chain asks of a key-value store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol


class Store(Protocol):
    """A key-value store with atomic batches.

    One thread writes; any number may read meanwhile. A reader sees each batch wholly or not
    at all per key, and the chain publishes its new head only after the batch is down.
    """

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or None.

        Raises
        ------
        StoreCorrupted
            When the stored bytes fail their checksum.
        """

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool = True) -> None:
        """Apply every entry of ``batch`` or none; None deletes.

        Parameters
        ----------
        sync : bool
            Return only when the batch survives a power loss.

        Raises
        ------
        StoreFailed
            When the disk refuses. The store then refuses every later write.
        """

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries with ``start <= key < stop`` in ascending order of keys."""

    def close(self) -> None:
        """Give back what the store holds; using it afterwards is a bug."""
