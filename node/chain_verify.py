"""Verifying a data directory: every block executed again, every stored byte compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from consensus.errors import ConsensusError
from node.chain import Chain, write_genesis
from node.storage import keys
from node.storage.errors import StoreCorrupted
from node.storage.store import Store
from vm.errors import InvalidBlock, SidecarMismatch

Report = Callable[[int], None]


class NotVerified(Exception):
    """A stored block or value is not what executing the chain again gives.

    Parameters
    ----------
    sentence : str
        Names the block, and the entry or the transaction, call and step.
    """

    code = "E-CHAIN-006"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was executed and compared."""

    blocks: int
    transactions: int
    inferences: int
    entries: int
    chunks: int


class Scratch:
    """A store that is thrown away afterwards: nothing synced, the last batch remembered."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.last_batch: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or None."""
        return self._store.get(key)

    def write(self, batch: Mapping[bytes, bytes | None], *, sync: bool = True) -> None:  # noqa: ARG002 -- see the class
        """Apply the batch and remember it."""
        self.last_batch = dict(batch)
        self._store.write(batch, sync=False)

    def scan(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the entries with ``start <= key < stop``."""
        return self._store.scan(start, stop)

    def close(self) -> None:
        """Close the store below."""
        self._store.close()


def verify_chain(chain: Chain, scratch_store: Store, report: Report) -> Verified:
    """Execute the whole chain from genesis into an empty store and compare what was stored.

    Every entry of every batch is compared byte for byte: headers, bodies, receipts, records,
    certificates, trie nodes, code, weight chunks, indexes and commit records.

    Raises
    ------
    NotVerified
        At the first difference.
    Cancelled
        The chain is stopping.
    """
    scratch = Scratch(scratch_store)
    write_genesis(chain.spec, scratch)
    again = Chain.open(scratch, chain.spec, stopping=chain.stopping)
    stored = chain.reader.store
    entries = chunks = transactions = inferences = 0
    for number in range(chain.head.number + 1):
        if number:
            transactions += _execute(chain, again, number)
            sidecar = again.sidecar(again.head.hash)
            inferences += 0 if sidecar is None else len(sidecar.records)
        _compare(stored, scratch.last_batch, number)
        entries += len(scratch.last_batch)
        chunks += sum(key.startswith(keys.CHUNK_PREFIX) for key in scratch.last_batch)
        report(number)
    return Verified(
        blocks=chain.head.number + 1,
        transactions=transactions,
        inferences=inferences,
        entries=entries,
        chunks=chunks,
    )


def _execute(chain: Chain, again: Chain, number: int) -> int:
    try:
        block = chain.block_by_number(number)
        if block is None:
            raise NotVerified(f"block {number} is missing")
        again.import_block(
            block,
            chain.certificate(block.header.parent_hash),
            chain.certificate(block.hash),
            chain.sidecar(block.hash),
        )
    except (InvalidBlock, SidecarMismatch, ConsensusError, StoreCorrupted) as error:
        raise NotVerified(f"block {number} does not verify: {error}") from error
    return len(block.transactions)


def _compare(stored: Store, batch: Mapping[bytes, bytes | None], number: int) -> None:
    for key, value in batch.items():
        # The head has moved on, and key lists of old batches are dropped.
        if value is None or key == keys.HEAD or key.startswith(b"keys:"):
            continue
        try:
            found = stored.get(key)
        except StoreCorrupted as error:
            raise NotVerified(f"{_named(key)} of block {number} is damaged: {error}") from error
        if found != value:
            what = "is missing" if found is None else "is not what executing the block gives"
            raise NotVerified(f"{_named(key)} of block {number} {what}")


def _named(key: bytes) -> str:
    if len(key) == 32:
        return f"the state entry 0x{key.hex()}"
    if key == keys.SPEC:
        return "the chain spec"
    prefix, _, rest = key.partition(b":")
    return f"the {prefix.decode('ascii', 'replace')} entry 0x{rest.hex()}"
