"""The order in which a block builder tries the pool's transactions."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heapify, heappop, heappush

from node.pool_sender import PooledTransaction
from vm.transactions import Transaction


def merge_runs(
    runs: list[list[PooledTransaction]], first: list[bytes], base_fee: int
) -> Iterator[Transaction]:
    """Yield the transactions of all runs, best tip first, each run's in order.

    Parameters
    ----------
    runs : list of list of PooledTransaction
        One sender's each, in order of nonce.
    first : list of bytes (32,)
        Hashes that go before all others.
    base_fee : int
        Wei per gas; a run ends at the first transaction that cannot pay it.
    """
    urgent = set(first)
    heap: list[tuple[bool, int, int, int, int]] = []

    def push(sender: int, position: int) -> None:
        if position >= len(runs[sender]):
            return
        entry = runs[sender][position]
        transaction = entry.transaction
        if transaction.max_fee < base_fee:
            return
        tip = min(transaction.max_priority_fee, transaction.max_fee - base_fee)
        heap.append((transaction.hash not in urgent, -tip, entry.order, sender, position))

    for sender in range(len(runs)):
        push(sender, 0)
    heapify(heap)
    while heap:
        _, _, _, sender, position = heappop(heap)
        yield runs[sender][position].transaction
        before = len(heap)
        push(sender, position + 1)
        if len(heap) > before:
            heappush(heap, heap.pop())
