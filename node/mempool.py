"""The pool of transactions that wait for a block: admission, order, replacement, caps.

Validation never runs a transaction, so admitting one costs the same whatever it calls.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from node.chain import Chain
from node.pool_errors import PoolError
from node.pool_order import merge_runs
from node.pool_room import Room
from node.pool_sender import PooledTransaction, SenderQueue
from vm import world
from vm.blocks import Block, Header
from vm.errors import InvalidTransaction
from vm.transaction_rules import Sender, check_static, is_delegation, most_wei
from vm.transactions import BLOB_TYPE, Transaction

MAXIMUM_TRANSACTION_BYTES: Final = 131_072
PRICE_BUMP_PERCENT: Final = 10
DROPPED_REMEMBERED: Final = 1_024

PendingSubscriber = Callable[[Transaction], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """Caps of a pool; a slot is 32 KiB of transaction bytes.

    ``lifetime_seconds`` is how long a transaction may wait behind a gap.
    """

    total_slots: int = 8_192
    queued_slots: int = 1_024
    account_transactions: int = 4_096
    account_queued: int = 64
    lifetime_seconds: int = 3 * 3_600


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolContent:
    """A picture of the pool: per sender, in order of nonce."""

    pending: dict[bytes, tuple[Transaction, ...]]
    queued: dict[bytes, tuple[Transaction, ...]]


class Mempool:
    """Transactions that may be in a later block; safe in any number of threads.

    Parameters
    ----------
    chain : Chain
        Whose head's state decides nonces and balances.
    limits : PoolLimits, optional
    """

    def __init__(self, chain: Chain, limits: PoolLimits | None = None) -> None:
        self._chain = chain
        self._limits = limits or PoolLimits()
        self._config = chain.spec.vm_config
        self._lock = threading.RLock()
        self._by_hash: dict[bytes, PooledTransaction] = {}
        self._queues: dict[bytes, SenderQueue] = {}
        self._room = Room(self._queues, self._limits.total_slots, self._limits.queued_slots)
        self._deferred: dict[bytes, None] = {}
        self._dropped: OrderedDict[bytes, str] = OrderedDict()
        self._subscribers: list[PendingSubscriber] = []
        self._arrivals = 0

    # ------------------------------------------------------------------ admission

    def add(self, transaction: Transaction, now: float) -> bytes:
        """Admit a transaction.

        Parameters
        ----------
        transaction : Transaction
        now : float
            Unix time in seconds.

        Returns
        -------
        bytes (32,)
            Its hash.

        Raises
        ------
        PoolError
            With geth's wording; the pool is unchanged.
        """
        with self._lock:
            if transaction.hash in self._by_hash:
                raise PoolError("already known")
            head = self._chain.head
            self._check_static(transaction, head)
            queue = self._queue(transaction.sender, head)
            entry = PooledTransaction(
                transaction=transaction,
                cost=most_wei(transaction),
                order=self._arrivals,
                added=now,
            )
            self._check_state(entry, queue, head)
            replaced = queue.entries.get(transaction.nonce)
            self._check_place(entry, queue, replaced)
            self._make_room(entry, queue, replaced, head)
            self._arrivals += 1
            if replaced is not None:
                self._forget(replaced, "replaced by a transaction with the same nonce")
            queue = self._queues.setdefault(transaction.sender, queue)
            before = queue.run_end
            queue.put(entry)
            self._by_hash[transaction.hash] = entry
            self._room.added(entry, replaced, queue)
            self._dropped.pop(transaction.hash, None)
            announced = [queue.entries[nonce].transaction for nonce in range(before, queue.run_end)]
            if replaced is not None and queue.in_run(transaction.nonce):
                announced.append(transaction)
            subscribers = tuple(self._subscribers)
        for subscriber in subscribers:
            for pending in announced:
                subscriber(pending)
        return transaction.hash

    def _check_static(self, transaction: Transaction, head: Header) -> None:
        size = len(transaction.raw)
        if size > MAXIMUM_TRANSACTION_BYTES:
            raise PoolError(
                f"oversized data: transaction size {size}, limit {MAXIMUM_TRANSACTION_BYTES}"
            )
        if transaction.type == BLOB_TYPE and not self._config.blobs.max_blobs:
            raise PoolError("transaction type not supported")
        try:
            check_static(self._config, transaction)
        except InvalidTransaction as error:
            raise PoolError(error.reason) from None
        if transaction.gas_limit > head.gas_limit:
            raise PoolError("exceeds block gas limit")

    def _check_state(self, entry: PooledTransaction, queue: SenderQueue, head: Header) -> None:
        transaction = entry.transaction
        if transaction.nonce < queue.nonce:
            raise PoolError(
                f"nonce too low: next nonce {queue.nonce}, tx nonce {transaction.nonce}"
            )
        sender_code = self._state(transaction.sender, head).code
        if sender_code and not is_delegation(sender_code):
            raise PoolError(f"sender not an eoa: address 0x{transaction.sender.hex()}")
        if entry.cost > queue.balance:
            raise PoolError(
                f"insufficient funds for gas * price + value: balance {queue.balance}, "
                f"tx cost {entry.cost}, overshot {entry.cost - queue.balance}"
            )
        if transaction.nonce <= queue.run_end:
            total = queue.cost_with(transaction.nonce, entry.cost)
            if total > queue.balance:
                raise PoolError(
                    f"insufficient funds for gas * price + value: balance {queue.balance}, "
                    f"queued cost {total - entry.cost}, tx cost {entry.cost}, "
                    f"overshot {total - queue.balance}"
                )

    def _check_place(
        self, entry: PooledTransaction, queue: SenderQueue, replaced: PooledTransaction | None
    ) -> None:
        if replaced is not None:
            if not _bumped(replaced.transaction, entry.transaction):
                raise PoolError("replacement transaction underpriced")
            return
        waiting = len(queue.entries) - (queue.run_end - queue.nonce)
        behind_gap = entry.transaction.nonce > queue.run_end
        if len(queue.entries) >= self._limits.account_transactions or (
            behind_gap and waiting >= self._limits.account_queued
        ):
            raise PoolError("account limit exceeded")

    def _make_room(
        self,
        entry: PooledTransaction,
        queue: SenderQueue,
        replaced: PooledTransaction | None,
        head: Header,
    ) -> None:
        victims = self._room.victims_for(entry, queue, replaced, head.base_fee)
        for victim in victims:
            self._remove(victim, "evicted: the pool is full of better paid transactions")

    # ------------------------------------------------------------------ reads

    def get(self, transaction_hash: bytes) -> Transaction | None:
        """Return a pooled transaction, or None."""
        entry = self._by_hash.get(transaction_hash)
        return None if entry is None else entry.transaction

    def dropped_reason(self, transaction_hash: bytes) -> str | None:
        """Return why a transaction that was admitted left without being mined, if remembered."""
        with self._lock:
            return self._dropped.get(transaction_hash)

    def pending(self, sender: bytes) -> tuple[Transaction, ...]:
        """Return the sender's transactions that can be mined, in order of nonce."""
        with self._lock:
            queue = self._queues.get(sender)
            return () if queue is None else tuple(entry.transaction for entry in queue.run())

    def next_nonce(self, address: bytes) -> int:
        """Return the nonce after the account's pending transactions."""
        with self._lock:
            queue = self._queues.get(address)
            if queue is not None:
                return queue.run_end
        return self._state(address, self._chain.head).nonce

    def counts(self) -> tuple[int, int]:
        """Return how many transactions can be mined, and how many wait behind a gap."""
        with self._lock:
            pending = sum(queue.run_end - queue.nonce for queue in self._queues.values())
            return pending, len(self._by_hash) - pending

    def content(self) -> PoolContent:
        """Return all transactions by sender."""
        with self._lock:
            pending = {sender: queue.run() for sender, queue in self._queues.items()}
            queued = {sender: queue.queued() for sender, queue in self._queues.items()}
        return PoolContent(pending=_transactions(pending), queued=_transactions(queued))

    def candidates(self, base_fee: int) -> Iterator[Transaction]:
        """Yield transactions for a block, as they stand now: best tip first, nonces in order.

        Those that an inference limit put off come before all others. A sender's run ends at the
        first transaction that cannot pay ``base_fee`` (wei per gas).
        """
        with self._lock:
            runs = [queue.run() for queue in self._queues.values()]
            first = list(self._deferred)
        yield from merge_runs(runs, first, base_fee)

    def has_candidates(self, base_fee: int) -> bool:
        """Return whether a block with ``base_fee`` (wei per gas) could hold anything."""
        return next(self.candidates(base_fee), None) is not None

    # ------------------------------------------------------------------ changes

    def remove_included(self, block: Block) -> None:
        """Follow a new head: forget what it contains, and what it made impossible."""
        head = self._chain.head
        with self._lock:
            senders: dict[bytes, None] = {}
            for transaction in block.transactions:
                senders[transaction.sender] = None
                for authorization in transaction.authorization_list:
                    authority = authorization.authority()
                    if authority is not None:
                        senders[authority] = None
                entry = self._by_hash.get(transaction.hash)
                if entry is not None:
                    self._take_out(entry)
            for sender in senders:
                self._refresh(sender, head)
            self._deferred = {key: None for key in self._deferred if key in self._by_hash}

    def drop(self, transaction_hash: bytes, reason: str) -> None:
        """Remove a transaction that can never be mined, remembering why."""
        with self._lock:
            entry = self._by_hash.get(transaction_hash)
            if entry is not None:
                self._remove(entry, reason)

    def defer(self, transaction_hash: bytes) -> None:
        """Have a transaction tried first in the next block."""
        with self._lock:
            if transaction_hash in self._by_hash:
                self._deferred[transaction_hash] = None

    def expire(self, now: float) -> int:
        """Drop what waited behind a gap for too long; return how many."""
        oldest = now - self._limits.lifetime_seconds
        with self._lock:
            stale = [
                entry
                for queue in self._queues.values()
                for entry in queue.queued()
                if entry.added < oldest
            ]
            for entry in stale:
                self._remove(entry, "expired behind a nonce gap or a missing balance")
        return len(stale)

    def clear(self) -> None:
        """Drop every transaction."""
        with self._lock:
            for entry in tuple(self._by_hash.values()):
                self._remove(entry, "dropped with the whole pool")

    def subscribe_pending(self, callback: PendingSubscriber) -> Callable[[], None]:
        """Call ``callback`` with each transaction that can now be mined; returns the undoing."""
        with self._lock:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    # ------------------------------------------------------------------ inside

    def _state(self, address: bytes, head: Header) -> Sender:
        return world.sender(self._chain.state_store, head.state_root, address)

    def _queue(self, sender: bytes, head: Header) -> SenderQueue:
        self._refresh(sender, head)
        queue = self._queues.get(sender)
        if queue is None:
            state = self._state(sender, head)
            queue = SenderQueue(state.nonce, state.balance)
        return queue

    def _refresh(self, sender: bytes, head: Header) -> None:
        queue = self._queues.get(sender)
        if queue is None:
            return
        state = self._state(sender, head)
        for entry in queue.set_account(state.nonce, state.balance):
            self._forget(entry, "its nonce was used by another transaction")
            self._room.removed(entry, queue)
        self._room.changed(sender, queue)
        if not queue.entries:
            del self._queues[sender]

    def _remove(self, entry: PooledTransaction, reason: str) -> None:
        self._take_out(entry)
        self._note_drop(entry, reason)

    def _take_out(self, entry: PooledTransaction) -> None:
        transaction = entry.transaction
        queue = self._queues[transaction.sender]
        queue.remove(transaction.nonce)
        del self._by_hash[transaction.hash]
        self._room.removed(entry, queue)
        if not queue.entries:
            del self._queues[transaction.sender]

    def _forget(self, entry: PooledTransaction, reason: str) -> None:
        del self._by_hash[entry.transaction.hash]
        self._note_drop(entry, reason)

    def _note_drop(self, entry: PooledTransaction, reason: str) -> None:
        self._deferred.pop(entry.transaction.hash, None)
        self._dropped[entry.transaction.hash] = reason
        if len(self._dropped) > DROPPED_REMEMBERED:
            self._dropped.popitem(last=False)


def _bumped(old: Transaction, new: Transaction) -> bool:
    """Return whether both fees rise by the bump, as geth counts it (rounded down, but growing)."""
    return all(
        after > before and after >= before * (100 + PRICE_BUMP_PERCENT) // 100
        for before, after in (
            (old.max_fee, new.max_fee),
            (old.max_priority_fee, new.max_priority_fee),
        )
    )


def _transactions(
    entries: dict[bytes, list[PooledTransaction]],
) -> dict[bytes, tuple[Transaction, ...]]:
    return {
        sender: tuple(entry.transaction for entry in run) for sender, run in entries.items() if run
    }
