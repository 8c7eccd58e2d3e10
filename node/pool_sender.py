"""One sender's transactions in the pool: the run that can be mined, and what waits behind a gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vm.transactions import Transaction

SLOT_BYTES: Final = 32_768


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledTransaction:
    """A transaction and what the pool knows of it.

    Parameters
    ----------
    cost : int
        Most wei that it can take from its sender.
    order : int
        Counts arrivals; identifies the entry.
    added : float
        Unix time of arrival, in seconds.
    """

    transaction: Transaction
    cost: int
    order: int
    added: float

    @property
    def slots(self) -> int:
        """Units of 32 KiB that it takes in the pool."""
        return -(-len(self.transaction.raw) // SLOT_BYTES)


class SenderQueue:
    """The pool's entries of one sender, by nonce.

    The *run* is the longest sequence of nonces from the account's on, without a gap, whose
    summed cost the balance covers. Everything else is queued.
    """

    def __init__(self, nonce: int, balance: int) -> None:
        self.nonce = nonce
        self.balance = balance
        self.entries: dict[int, PooledTransaction] = {}
        self.run_end = nonce
        self.run_cost = 0

    def in_run(self, nonce: int) -> bool:
        """Return whether the entry with this nonce can be mined."""
        return self.nonce <= nonce < self.run_end

    def run(self) -> list[PooledTransaction]:
        """Return the entries of the run in order of nonce."""
        return [self.entries[nonce] for nonce in range(self.nonce, self.run_end)]

    def queued(self) -> list[PooledTransaction]:
        """Return the entries behind the run in order of nonce."""
        if len(self.entries) == self.run_end - self.nonce:
            return []
        return [self.entries[nonce] for nonce in sorted(self.entries) if not self.in_run(nonce)]

    def tail(self) -> PooledTransaction | None:
        """Return the entry with the highest nonce."""
        if not self.entries:
            return None
        if len(self.entries) == self.run_end - self.nonce:
            return self.entries[self.run_end - 1]
        return self.entries[max(self.entries)]

    def cost_with(self, nonce: int, cost: int) -> int:
        """Return what the run would cost with an entry of this cost at its place or end."""
        old = self.entries[nonce].cost if self.in_run(nonce) else 0
        return self.run_cost - old + cost

    def put(self, entry: PooledTransaction) -> None:
        """Add or replace the entry at its nonce."""
        nonce = entry.transaction.nonce
        inside = self.in_run(nonce)
        self.entries[nonce] = entry
        if inside:
            self._recount()
        elif nonce == self.run_end:
            self._extend()

    def remove(self, nonce: int) -> PooledTransaction:
        """Take the entry out; what follows it in the run becomes queued."""
        entry = self.entries.pop(nonce)
        if self.in_run(nonce):
            self._recount()
        return entry

    def set_account(self, nonce: int, balance: int) -> list[PooledTransaction]:
        """Follow the account's state; return the entries whose nonce is used up."""
        if (nonce, balance) == (self.nonce, self.balance):
            return []
        self.nonce, self.balance = nonce, balance
        stale = [self.entries.pop(used) for used in sorted(self.entries) if used < nonce]
        self._recount()
        return stale

    def _recount(self) -> None:
        self.run_end, self.run_cost = self.nonce, 0
        self._extend()

    def _extend(self) -> None:
        while (entry := self.entries.get(self.run_end)) is not None:
            if self.run_cost + entry.cost > self.balance:
                break
            self.run_cost += entry.cost
            self.run_end += 1
