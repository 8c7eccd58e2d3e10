"""Composition of a node: chain, pool, producer and keys, as the RPC methods see them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from node.accounts import Keyring
from node.chain import Chain
from node.mempool import Mempool
from node.pool_errors import PoolError
from node.producer import Producer
from node.rpc.filters import FilterStore
from node.storage.errors import StoreError
from vm.blobs import blob_base_fee
from vm.blocks import Block, Header
from vm.fees import next_base_fee
from vm.receipts import Receipt
from vm.transactions import Transaction

BODIES_KEPT: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A stored block and the receipts of its transactions, in order."""

    block: Block
    receipts: tuple[Receipt, ...]


@dataclass(slots=True, kw_only=True)
class Node:
    """A node that produces its own blocks. Its methods may be called from any thread.

    Attributes
    ----------
    coinbase : bytes
        Who receives the tips, 20 bytes.
    mine_on_demand : bool
        Seal a block for each transaction, before its sender gets an answer.
    call_gas_cap : int
        Gas of eth_call and of an estimate.
    report : callable
        Told sentences for the person who watches the node.
    fault : str or None
        Why no more blocks can be stored, once the disk refused one.
    """

    chain: Chain
    mempool: Mempool
    producer: Producer
    keyring: Keyring
    coinbase: bytes
    mine_on_demand: bool
    call_gas_cap: int
    report: Callable[[str], None] = lambda _sentence: None
    fault: str | None = None
    filters: FilterStore = field(default_factory=lambda: FilterStore(clock=time.monotonic))
    _bodies: Callable[[bytes], Body] = field(init=False)
    _gate: threading.Lock = field(default_factory=threading.Lock)
    _signing: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # Decoding recovers every sender, and tools ask for the receipts of one block one by one.
        self._bodies = lru_cache(maxsize=BODIES_KEPT)(self._read_body)

    def body(self, block_hash: bytes) -> Body:
        """Return a stored block with its receipts.

        Raises
        ------
        KeyError
            When the chain has no such block.
        """
        return self._bodies(block_hash)

    def _read_body(self, block_hash: bytes) -> Body:
        block, receipts = self.chain.block_by_hash(block_hash), self.chain.receipts(block_hash)
        if block is None or receipts is None:
            raise KeyError(block_hash.hex())
        return Body(block=block, receipts=receipts)

    def submit(self, transaction: Transaction) -> bytes:
        """Put a signed transaction in the pool; mine it when mining on demand.

        Raises
        ------
        PoolError
            When the pool refuses it, or when no block can ever hold it.
        """
        self.mempool.add(transaction, int(time.time()))
        return self._settle(transaction.hash)

    def submit_own(self, sign: Callable[[], Transaction]) -> bytes:
        """Sign and submit for an account of this node.

        Parameters
        ----------
        sign : callable
            Chooses the nonce and signs. Two callers at once must not choose the same nonce, so
            nobody else signs between the choice and the pool.
        """
        with self._signing:
            transaction = sign()
            self.mempool.add(transaction, int(time.time()))
        return self._settle(transaction.hash)

    def seal(self, timestamp: int | None = None) -> Header:
        """Seal one block of what is pending, at a Unix time or now."""
        with self._gate:
            return self._produce(timestamp)

    def halt(self, timeout: float) -> bool:
        """Seal nothing more; tell whether the last block was done within `timeout` seconds."""
        return self._gate.acquire(timeout=timeout)

    def next_base_fee(self, parent: Header | None = None) -> int:
        """Return the base fee, in wei per gas, of the block after `parent` (the head)."""
        return next_base_fee(self.chain.spec.vm_config, parent or self.chain.head)

    def blob_fee(self, header: Header) -> int:
        """Return the wei per blob gas in the block of `header`."""
        return blob_base_fee(self.chain.spec.vm_config.blobs, header.excess_blob_gas)

    def _settle(self, transaction_hash: bytes) -> bytes:
        if self.mine_on_demand:
            with self._gate:
                # While this thread waited, a block may have taken the transaction along.
                if self.mempool.get(transaction_hash) is not None and self._minable():
                    self._produce(None)
        if self.chain.transaction(transaction_hash) is None:
            reason = self.mempool.dropped_reason(transaction_hash)
            if reason is not None:
                raise PoolError(reason)
            self._report_gap(transaction_hash)
        return transaction_hash

    def _report_gap(self, transaction_hash: bytes) -> None:
        waiting = self.mempool.get(transaction_hash)
        if waiting is None:
            return
        expected = self.mempool.next_nonce(waiting.sender)
        if waiting.nonce > expected:
            self.report(
                f"Transaction 0x{transaction_hash.hex()} waits: its nonce is {waiting.nonce}, "
                f"and {expected} comes first."
            )

    def _produce(self, timestamp: int | None) -> Header:
        try:
            return self.producer.seal(timestamp)
        except StoreError as error:
            # The store writes no more; what is stored can still be read and served.
            self.fault = str(error)
            raise

    def _minable(self) -> bool:
        candidates = self.mempool.candidates(self.next_base_fee())
        return next(candidates, None) is not None
