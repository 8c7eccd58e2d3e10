"""Blocks, receipts, certificates and sidecars in a store: one batch to write, methods to read."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from consensus.certificate import Certificate, decode_certificate
from consensus.errors import InvalidCertificate
from node.storage import keys
from node.storage.commit import seal_batch
from node.storage.errors import StoreCorrupted
from node.storage.store import Store
from vm.blocks import Block, Header
from vm.errors import InvalidBlock
from vm.receipts import Receipt, decode_stored_receipts, encode_stored_receipts
from vm.records import Sidecar, decode_sidecar, encode_sidecar
from vm.rlp import RlpError
from vm.transition import BlockResult

CACHED_HEADERS: Final = 2_048
CACHED_BLOCKS: Final = 64

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """A bounded map of decoded values by hash; shared between reader threads."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[bytes, Value] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: bytes) -> Value | None:
        """Return the value and make it the youngest."""
        with self._lock:
            value = self._values.get(key)
            if value is not None:
                self._values.move_to_end(key)
            return value

    def put(self, key: bytes, value: Value) -> Value:
        """Keep the value, forgetting the oldest when full."""
        with self._lock:
            self._values[key] = value
            if len(self._values) > self._size:
                self._values.popitem(last=False)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """Everything that one block adds to the store.

    Parameters
    ----------
    result : BlockResult
        Block, receipts, sidecar and state writes.
    certificate : Certificate or None
        Over this block; None for genesis and on chains without consensus.
    parent_certificate : Certificate or None
        The one the header commits to; replaces the parent's own.
    """

    result: BlockResult
    certificate: Certificate | None
    parent_certificate: Certificate | None


def commit_batch(
    commit: Commit, extra: Mapping[bytes, bytes] | None = None
) -> dict[bytes, bytes | None]:
    """Return the one batch that stores a block and makes it the head.

    Parameters
    ----------
    extra : mapping, optional
        Further entries of the batch (genesis: the chain spec).
    """
    block = commit.result.block
    header = block.header
    block_hash = header.hash
    batch: dict[bytes, bytes | None] = dict(commit.result.writes)
    batch.update(extra or {})
    # Under its own hash, so that ancestors are found like any content-addressed value.
    batch[block_hash] = header.encode()
    batch[keys.number_key(header.number)] = block_hash
    batch[keys.block_key(block_hash)] = block.encode()
    batch[keys.receipts_key(block_hash)] = encode_stored_receipts(commit.result.receipts)
    if commit.result.sidecar.records:
        batch[keys.sidecar_key(block_hash)] = encode_sidecar(commit.result.sidecar)
    if commit.certificate is not None:
        batch[keys.certificate_key(block_hash)] = commit.certificate.encode()
    if commit.parent_certificate is not None:
        batch[keys.certificate_key(header.parent_hash)] = commit.parent_certificate.encode()
    for index, transaction in enumerate(block.transactions):
        batch[keys.transaction_key(transaction.hash)] = block_hash + index.to_bytes(4, "big")
    batch[keys.HEAD] = header.number.to_bytes(8, "big") + block_hash
    return seal_batch(batch, header.number, block_hash, header.parent_hash)


class ChainStore:
    """Reads what `commit_batch` wrote; safe in any number of threads beside the writer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._headers: Cache[Header] = Cache(CACHED_HEADERS)
        self._blocks: Cache[Block] = Cache(CACHED_BLOCKS)
        self._receipts: Cache[tuple[Receipt, ...]] = Cache(CACHED_BLOCKS)

    @property
    def store(self) -> Store:
        """The key-value store below."""
        return self._store

    def head(self) -> Header | None:
        """Return the canonical head, or None in an empty store."""
        value = self._store.get(keys.HEAD)
        return None if value is None else self.header(value[8:])

    def spec_text(self) -> str | None:
        """Return the text of the chain spec that genesis was built from."""
        value = self._store.get(keys.SPEC)
        return None if value is None else value.decode("utf-8")

    def canonical_hash(self, number: int) -> bytes | None:
        """Return the hash of the canonical block at a height."""
        if not 0 <= number < keys.LAST_NUMBER:
            return None
        return self._store.get(keys.number_key(number))

    def header(self, block_hash: bytes) -> Header | None:
        """Return the header with this hash, or None."""
        cached = self._headers.get(block_hash)
        if cached is not None:
            return cached
        value = self._store.get(block_hash) if len(block_hash) == 32 else None
        if value is None:
            return None
        try:
            header = Header.decode(value)
        except InvalidBlock:
            return None  # a trie node or code: their hashes share the namespace
        return self._headers.put(block_hash, header)

    def block(self, block_hash: bytes) -> Block | None:
        """Return the block with this hash, or None."""
        return self._cached(self._blocks, keys.block_key, block_hash, Block.decode)

    def receipts(self, block_hash: bytes) -> tuple[Receipt, ...] | None:
        """Return the receipts of a block, or None when it is unknown."""
        return self._cached(self._receipts, keys.receipts_key, block_hash, decode_stored_receipts)

    def certificate(self, block_hash: bytes) -> Certificate | None:
        """Return the certificate over a block; the one its child commits to once there is one."""
        value = self._store.get(keys.certificate_key(block_hash))
        if value is None:
            return None
        try:
            return decode_certificate(value)
        except InvalidCertificate as error:
            raise _damaged(block_hash, error) from error

    def sidecar(self, block_hash: bytes) -> Sidecar | None:
        """Return a block's sidecar, empty when it ran no inference, None for an unknown block."""
        value = self._store.get(keys.sidecar_key(block_hash))
        if value is not None:
            try:
                return decode_sidecar(value)
            except RlpError as error:
                raise _damaged(block_hash, error) from error
        return None if self.header(block_hash) is None else Sidecar()

    def transaction_place(self, transaction_hash: bytes) -> tuple[bytes, int] | None:
        """Return block hash and index of a canonical transaction, or None."""
        value = self._store.get(keys.transaction_key(transaction_hash))
        if value is None:
            return None
        block_hash, index = value[:32], int.from_bytes(value[32:], "big")
        header = self.header(block_hash)
        # An entry that a rollback left behind names a block that is canonical no more.
        if header is None or self.canonical_hash(header.number) != block_hash:
            return None
        return block_hash, index

    def _cached(
        self,
        cache: Cache[Value],
        key: Callable[[bytes], bytes],
        block_hash: bytes,
        decode: Callable[[bytes], Value],
    ) -> Value | None:
        cached = cache.get(block_hash)
        if cached is not None:
            return cached
        value = self._store.get(key(block_hash))
        if value is None:
            return None
        try:
            return cache.put(block_hash, decode(value))
        except (InvalidBlock, RlpError) as error:
            raise _damaged(block_hash, error) from error


def _damaged(block_hash: bytes, error: Exception) -> StoreCorrupted:
    return StoreCorrupted(
        f"the stored block 0x{block_hash.hex()} is damaged ({error}); set the data directory "
        "aside and import an export into a new one"
    )
