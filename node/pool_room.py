"""Room in the pool: how full it is, and which transactions a better paid one may push out.

Only the last nonce of a sender is ever pushed out, so no run gets a gap, and what waits behind a
gap goes before anything that can be mined: a flood of gapped transactions moves nobody's run.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from node.pool_errors import PoolError
from node.pool_sender import PooledTransaction, SenderQueue

# Whether it can be mined, tip in wei per gas, minus arrival: the smallest is pushed out first.
Rank = tuple[bool, int, int]


class Room:
    """Slots in use, and a heap of the senders' last transactions, worst first.

    Entries of the heap may be out of date; each is checked when it comes up.
    """

    def __init__(
        self, queues: dict[bytes, SenderQueue], total_slots: int, queued_slots: int
    ) -> None:
        self._queues = queues
        self._total_slots = total_slots
        self._queued_slots = queued_slots
        self._used = 0
        self._queued: dict[bytes, int] = {}
        self._queued_used = 0
        self._heap: list[tuple[Rank, bytes]] = []
        self._base_fee = 0

    @property
    def used_slots(self) -> int:
        """Slots in use."""
        return self._used

    def added(
        self, entry: PooledTransaction, replaced: PooledTransaction | None, queue: SenderQueue
    ) -> None:
        """Count an entry that was put into its queue."""
        self._used += entry.slots - (replaced.slots if replaced else 0)
        self.changed(entry.transaction.sender, queue)

    def removed(self, entry: PooledTransaction, queue: SenderQueue) -> None:
        """Count an entry that left its queue."""
        self._used -= entry.slots
        self.changed(entry.transaction.sender, queue)

    def changed(self, sender: bytes, queue: SenderQueue) -> None:
        """Follow a queue whose run or last transaction may have changed."""
        tail = queue.tail()
        if tail is not None:
            heappush(self._heap, (self._rank(tail, queue), sender))
            if len(self._heap) > 64 + 4 * len(self._queues):
                self._rebuild()  # most of it is out of date
        waiting = sum(entry.slots for entry in queue.queued())
        self._queued_used += waiting - self._queued.pop(sender, 0)
        if waiting:
            self._queued[sender] = waiting

    def victims_for(
        self,
        entry: PooledTransaction,
        queue: SenderQueue,
        replaced: PooledTransaction | None,
        base_fee: int,
    ) -> list[PooledTransaction]:
        """Return what must leave so that ``entry`` fits; nothing is changed.

        Raises
        ------
        PoolError
            When everything in the pool is at least as well paid.
        """
        more = entry.slots - (replaced.slots if replaced else 0)
        behind_gap = entry.transaction.nonce > queue.run_end
        excess = self._used + more - self._total_slots
        queued_excess = self._queued_used + more - self._queued_slots if behind_gap else 0
        if excess <= 0 and queued_excess <= 0:
            return []
        if base_fee != self._base_fee:
            self._base_fee = base_fee
            self._rebuild()
        rank: Rank = (not behind_gap, _tip(entry, base_fee), -entry.order)
        return self._collect(entry, rank, max(excess, queued_excess))

    def _collect(
        self, entry: PooledTransaction, rank: Rank, excess: int
    ) -> list[PooledTransaction]:
        victims: list[PooledTransaction] = []
        taken: dict[bytes, int] = {}
        kept: list[tuple[Rank, bytes]] = []
        freed = 0
        while freed < excess:
            if not self._heap:
                self._restore(kept)
                raise PoolError("txpool is full")
            item = heappop(self._heap)
            victim = self._current(item, taken)
            if victim is None:
                continue
            kept.append(item)
            own = victim.transaction.sender == entry.transaction.sender
            if item[0] >= rank or own:
                self._restore(kept)
                raise PoolError("transaction underpriced" if not own else "txpool is full")
            victims.append(victim)
            freed += victim.slots
            self._push_previous(victim, taken)
        self._restore(kept)
        return victims

    def _push_previous(self, victim: PooledTransaction, taken: dict[bytes, int]) -> None:
        sender, nonce = victim.transaction.sender, victim.transaction.nonce
        taken[sender] = nonce
        queue = self._queues[sender]
        below = [other for other in queue.entries if other < nonce]
        if below:
            previous = queue.entries[max(below)]
            heappush(self._heap, (self._rank(previous, queue), sender))

    def _current(
        self, item: tuple[Rank, bytes], taken: dict[bytes, int]
    ) -> PooledTransaction | None:
        """Return the entry that a heap item stands for, unless it is out of date."""
        rank, sender = item
        queue = self._queues.get(sender)
        if queue is None:
            return None
        limit = taken.get(sender)
        nonces = [nonce for nonce in queue.entries if limit is None or nonce < limit]
        if not nonces:
            return None
        tail = queue.entries[max(nonces)]
        return tail if self._rank(tail, queue) == rank else None

    def _restore(self, kept: list[tuple[Rank, bytes]]) -> None:
        for item in kept:
            heappush(self._heap, item)

    def _rebuild(self) -> None:
        self._heap = [
            (self._rank(tail, queue), sender)
            for sender, queue in self._queues.items()
            if (tail := queue.tail()) is not None
        ]
        heapify(self._heap)

    def _rank(self, entry: PooledTransaction, queue: SenderQueue) -> Rank:
        return (
            queue.in_run(entry.transaction.nonce),
            _tip(entry, self._base_fee),
            -entry.order,
        )


def _tip(entry: PooledTransaction, base_fee: int) -> int:
    transaction = entry.transaction
    return min(transaction.max_priority_fee, transaction.max_fee - base_fee)
