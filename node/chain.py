"""The chain: the single writer of the store, and the reader of everything in it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Final

from ai_ops.executor import Cancellation
from consensus.certificate import Certificate, verify_certificate
from consensus.errors import CertificateMissing
from consensus.header_rules import verify_header
from genesis.build import build_genesis
from genesis.spec import ChainSpec
from node.chain_errors import ChainMismatch, UnknownParent
from node.logs import LogFilter, PlacedLog, block_logs, range_logs
from node.storage import keys
from node.storage.chain_store import ChainStore, Commit, commit_batch
from node.storage.errors import StoreCorrupted
from node.storage.store import Store
from vm import transition
from vm.blocks import Block, Header
from vm.database import KeyValueStore
from vm.receipts import Receipt
from vm.records import Sidecar
from vm.transition import BlockResult

LOGGER: Final = logging.getLogger("engram.chain")

Subscriber = Callable[[Header], None]
HeadMark = Callable[[int, bytes], None]


class Chain:
    """A chain in a store. Made by `Chain.create` or `Chain.open`.

    Every method may be called from any thread; writes wait for each other. A reader sees the
    head move only after the block's batch is on the disk.

    Attributes
    ----------
    stopping : Cancellation
        Set when the process ends, from any thread: a block that is being executed is abandoned,
        as if it had never come.
    """

    def __init__(
        self,
        spec: ChainSpec,
        store: Store,
        head: Header,
        mark: HeadMark | None = None,
        run_ahead: transition.Runner | None = None,
        stopping: Cancellation | None = None,
    ) -> None:
        self._spec: Final = spec
        self._reader: Final = ChainStore(store)
        self.stopping: Final = stopping or Cancellation()
        self._head = head
        self._mark = mark
        self._run_ahead = run_ahead
        self._lock = threading.RLock()
        self._subscribers: list[Subscriber] = []

    @classmethod
    def create(cls, spec: ChainSpec, store: Store, *, mark: HeadMark | None = None) -> Chain:
        """Write the genesis block into an empty store.

        Raises
        ------
        ChainMismatch
            When the store already holds a chain.
        """
        if store.get(keys.HEAD) is not None:
            raise ChainMismatch("the store already holds a chain; open it instead")
        write_genesis(spec, store)
        return cls.open(store, spec, mark=mark)

    @classmethod
    def open(
        cls,
        store: Store,
        spec: ChainSpec | None = None,
        *,
        mark: HeadMark | None = None,
        run_ahead: transition.Runner | None = None,
        stopping: Cancellation | None = None,
    ) -> Chain:
        """Open the chain in a store.

        Parameters
        ----------
        store : Store
            Already checked by `node.storage.recovery` when it lies on a disk.
        spec : ChainSpec, optional
            The chain that it must hold.
        mark : callable, optional
            Told number and hash of each block after its batch is on the disk.
        run_ahead : Runner, optional
            Runs an imported block's inferences before its transactions (`vm.ahead`).
        stopping : Cancellation, optional
            The flag of another chain, to stop with it.

        Raises
        ------
        ChainMismatch
            When it holds another chain.
        StoreCorrupted
            When it holds none.
        """
        reader = ChainStore(store)
        head, text = reader.head(), reader.spec_text()
        if head is None or text is None:
            raise StoreCorrupted("the store holds no chain")
        stored = ChainSpec.from_text(text)
        if spec is not None and spec.to_json() != text:
            raise _mismatch(reader, stored, spec)
        return cls(stored, store, head, mark, run_ahead, stopping)

    @property
    def spec(self) -> ChainSpec:
        """The chain spec that genesis was built from."""
        return self._spec

    @property
    def head(self) -> Header:
        """The newest block's header."""
        return self._head

    @property
    def finalized(self) -> Header:
        """The newest final block: the head, since a certificate is final at once."""
        return self._head

    @property
    def genesis_hash(self) -> bytes:
        """Hash of block 0."""
        found = self._reader.canonical_hash(0)
        assert found is not None
        return found

    @property
    def state_store(self) -> KeyValueStore:
        """What `vm` reads state, code, chunks and ancestors from."""
        return self._reader.store

    @property
    def reader(self) -> ChainStore:
        """The stored blocks by hash."""
        return self._reader

    # ------------------------------------------------------------------ reads

    def hash_by_number(self, number: int) -> bytes | None:
        """Return the hash of the canonical block at a height, or None above the head."""
        return self._reader.canonical_hash(number) if number <= self._head.number else None

    def header_by_number(self, number: int) -> Header | None:
        """Return the canonical header at a height, or None."""
        block_hash = self.hash_by_number(number)
        return None if block_hash is None else self._reader.header(block_hash)

    def header_by_hash(self, block_hash: bytes) -> Header | None:
        """Return the header with this hash, or None."""
        return self._reader.header(block_hash)

    def block_by_number(self, number: int) -> Block | None:
        """Return the canonical block at a height, or None."""
        block_hash = self.hash_by_number(number)
        return None if block_hash is None else self._reader.block(block_hash)

    def block_by_hash(self, block_hash: bytes) -> Block | None:
        """Return the block with this hash, or None."""
        return self._reader.block(block_hash)

    def receipts(self, block_hash: bytes) -> tuple[Receipt, ...] | None:
        """Return a block's receipts in the order of its transactions, or None."""
        return self._reader.receipts(block_hash)

    def transaction(self, transaction_hash: bytes) -> tuple[bytes, int] | None:
        """Return hash of the canonical block and index of a transaction, or None."""
        return self._reader.transaction_place(transaction_hash)

    def certificate(self, block_hash: bytes) -> Certificate | None:
        """Return the certificate over a block, or None."""
        return self._reader.certificate(block_hash)

    def sidecar(self, block_hash: bytes) -> Sidecar | None:
        """Return a block's inference records and step digests; empty when it ran none."""
        return self._reader.sidecar(block_hash)

    def logs(self, first: int, last: int, wanted: LogFilter) -> Iterator[PlacedLog]:
        """Yield the wanted logs of blocks ``first`` to ``last`` inclusive, in order, lazily."""
        return range_logs(self._reader, first, min(last, self._head.number), wanted)

    def block_logs(self, block_hash: bytes, wanted: LogFilter) -> Iterator[PlacedLog]:
        """Yield the wanted logs of one block."""
        return block_logs(self._reader, block_hash, wanted)

    # ------------------------------------------------------------------ writes

    def append(self, result: BlockResult, certificate: Certificate | None) -> Header:
        """Store a block that this process built and sealed, as one synced batch.

        Its state is taken as the builder left it; its header and certificate are checked as for
        any other block, so that a mistake of ours is never stored.

        Raises
        ------
        UnknownParent
            When the head moved since it was built.
        InvalidHeader, InvalidCertificate, CertificateMissing
            A bug in the caller.
        StoreFailed
            When the disk refuses; the head stays.
        """
        with self._lock:
            block = result.block
            self._check_follows(block)
            parent_certificate = self._reader.certificate(self._head.hash)
            verify_header(self._head, block.header, parent_certificate, self._spec.consensus)
            self._check_certificate(block, certificate)
            return self._commit(result, parent_certificate, certificate)

    def import_block(
        self,
        block: Block,
        parent_certificate: Certificate | None,
        certificate: Certificate | None,
        sidecar: Sidecar | None,
    ) -> Header:
        """Verify, execute and store the block that follows the head.

        Parameters
        ----------
        parent_certificate : Certificate or None
            The parent's, which the header commits to; None for block 1.
        certificate : Certificate or None
            Over the block itself; None on chains without consensus.
        sidecar : Sidecar or None
            As carried; advice and evidence, never needed.

        Raises
        ------
        UnknownParent
            When it does not follow the head.
        InvalidHeader, InvalidCertificate, InvalidBlock
            Verdicts.
        CertificateMissing, SidecarMismatch
            The carrier's fault; nothing is stored.
        Cancelled
            The chain is `stopping`; nothing is stored.
        """
        with self._lock:
            self._check_follows(block)
            verify_header(self._head, block.header, parent_certificate, self._spec.consensus)
            self._check_certificate(block, certificate)
            result = transition.import_block(
                self._spec.vm_config,
                self.state_store,
                self._head,
                block,
                sidecar,
                block_hash_of=self.hash_by_number,
                run_ahead=self._run_ahead,
                cancellation=self.stopping,
            )
            return self._commit(result, parent_certificate, certificate)

    def subscribe(self, callback: Subscriber) -> Callable[[], None]:
        """Call ``callback`` with each new head, in the writer's thread, in order.

        It must be quick and must not write. Returns a function that ends the subscription.
        """
        with self._lock:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    def _check_follows(self, block: Block) -> None:
        if block.header.parent_hash != self._head.hash:
            raise UnknownParent(
                f"block {block.number} (0x{block.hash.hex()}) does not follow the head "
                f"{self._head.number} (0x{self._head.hash.hex()})"
            )

    def _check_certificate(self, block: Block, certificate: Certificate | None) -> None:
        params = self._spec.consensus
        if not params.sealed:
            return
        if certificate is None:
            raise CertificateMissing(f"block {block.number} came without its certificate")
        verify_certificate(certificate, block.number, block.hash, params.validators)

    def _commit(
        self,
        result: BlockResult,
        parent_certificate: Certificate | None,
        certificate: Certificate | None,
    ) -> Header:
        header = result.block.header
        commit = Commit(
            result=result,
            certificate=certificate,
            parent_certificate=parent_certificate if self._head.number else None,
        )
        self._reader.store.write(commit_batch(commit), sync=True)
        self._head = header
        if self._mark is not None:
            self._mark(header.number, header.hash)
        for subscriber in tuple(self._subscribers):
            try:
                subscriber(header)
            except Exception:
                # The block is stored: an observer's bug must not look like a failed write.
                LOGGER.exception("a subscriber failed at block %d", header.number)
        return header


def write_genesis(spec: ChainSpec, store: Store) -> None:
    """Write block 0, its state and the spec's text as one batch into an empty store."""
    commit = Commit(result=build_genesis(spec), certificate=None, parent_certificate=None)
    store.write(commit_batch(commit, {keys.SPEC: spec.to_json().encode()}), sync=True)


def _mismatch(reader: ChainStore, stored: ChainSpec, spec: ChainSpec) -> ChainMismatch:
    have = reader.canonical_hash(0) or b""
    want = build_genesis(spec).block.hash
    if have != want:
        return ChainMismatch(
            f"the data directory holds the chain {stored.name!r} with genesis 0x{have.hex()}, "
            f"not {spec.name!r} with genesis 0x{want.hex()}; name another folder"
        )
    return ChainMismatch(
        f"the data directory holds the chain {stored.name!r} with other rules than the spec "
        "given, though with the same genesis block; leave the spec out or name another folder"
    )
