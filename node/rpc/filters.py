"""Filters that clients poll: logs, blocks, pending transactions."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from node.rpc.errors import SERVER_ERROR, RpcError
from node.rpc.parse import LogFilter

IDLE_SECONDS: Final = 300.0
MAX_FILTERS: Final = 1_000
MAX_PENDING: Final = 4_096


@dataclass(slots=True, kw_only=True)
class Filter:
    """One installed filter.

    Attributes
    ----------
    criteria : LogFilter or None
        What logs to report; None for a filter of blocks or of pending transactions.
    pending : list of bytes or None
        Transaction hashes not yet polled; None for other filters.
    next_block : int
        First block number not yet reported.
    polled : float
        When the client last asked, in seconds of the store's clock.
    """

    criteria: LogFilter | None = None
    pending: list[bytes] | None = None
    next_block: int = 0
    polled: float = 0.0


@dataclass(slots=True, kw_only=True)
class FilterStore:
    """Filters by id; those that nobody polls for five minutes are dropped.

    Attributes
    ----------
    clock : callable
        Monotonic seconds.
    """

    clock: Callable[[], float]
    _filters: dict[int, Filter] = field(default_factory=dict)

    def install(self, new: Filter) -> int:
        """Keep a filter and return its id."""
        self._expire()
        if len(self._filters) >= MAX_FILTERS:
            raise RpcError(SERVER_ERROR, f"too many filters, at most {MAX_FILTERS}")
        # Unguessable, so that clients do not read each other's filters by counting.
        identifier = secrets.randbits(127) + 1
        new.polled = self.clock()
        self._filters[identifier] = new
        return identifier

    def get(self, identifier: int) -> Filter:
        """Return a filter and count it as polled.

        Raises
        ------
        RpcError
            When there is none of this id, or no longer.
        """
        self._expire()
        found = self._filters.get(identifier)
        if found is None:
            raise RpcError(SERVER_ERROR, "filter not found")
        found.polled = self.clock()
        return found

    def uninstall(self, identifier: int) -> bool:
        """Drop a filter; tell whether there was one."""
        return self._filters.pop(identifier, None) is not None

    def on_pending(self, transaction_hash: bytes) -> None:
        """Note a transaction that entered the pool; called from the writing thread."""
        for each in tuple(self._filters.values()):
            # A client that falls this far behind loses the newest hashes, not our memory.
            if each.pending is not None and len(each.pending) < MAX_PENDING:
                each.pending.append(transaction_hash)

    def _expire(self) -> None:
        oldest = self.clock() - IDLE_SECONDS
        for identifier in [key for key, each in self._filters.items() if each.polled < oldest]:
            del self._filters[identifier]
