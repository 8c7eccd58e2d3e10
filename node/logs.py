"""Log queries: a scan of the canonical chain that reads only blocks whose filter may match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from node.storage.chain_store import ChainStore
from vm.blocks import Header
from vm.receipts import Log, bloom_bits


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Which logs to return.

    Parameters
    ----------
    addresses : tuple of bytes (20,)
        Any of these; empty for every address.
    topics : tuple
        By position: None for anything, or a tuple of bytes (32,) of which any matches. A log
        with fewer topics than positions does not match.
    """

    addresses: tuple[bytes, ...] = ()
    topics: tuple[tuple[bytes, ...] | None, ...] = ()

    def may_match(self, bloom: bytes) -> bool:
        """Return False when no log under this 256-byte filter can match."""
        bits = int.from_bytes(bloom, "big")
        choices = [self.addresses, *(choice or () for choice in self.topics)]
        return all(
            not choice or any((mask := bloom_bits(item)) & bits == mask for item in choice)
            for choice in choices
        )

    def matches(self, log: Log) -> bool:
        """Return whether the log is wanted."""
        if self.addresses and log.address not in self.addresses:
            return False
        if len(log.topics) < len(self.topics):
            return False
        return all(
            choice is None or not choice or topic in choice
            for choice, topic in zip(self.topics, log.topics, strict=False)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLog:
    """A log and where it stands; ``log_index`` counts within the block."""

    log: Log
    header: Header
    block_hash: bytes
    transaction_hash: bytes
    transaction_index: int
    log_index: int


def block_logs(chain: ChainStore, block_hash: bytes, wanted: LogFilter) -> Iterator[PlacedLog]:
    """Yield the wanted logs of one block, in order; nothing for an unknown block."""
    header = chain.header(block_hash)
    if header is None or not wanted.may_match(header.logs_bloom):
        return
    block, receipts = chain.block(block_hash), chain.receipts(block_hash)
    if block is None or receipts is None:
        return
    log_index = 0
    for index, (transaction, receipt) in enumerate(zip(block.transactions, receipts, strict=True)):
        for log in receipt.logs:
            if wanted.matches(log):
                yield PlacedLog(
                    log=log,
                    header=header,
                    block_hash=block_hash,
                    transaction_hash=transaction.hash,
                    transaction_index=index,
                    log_index=log_index,
                )
            log_index += 1


def range_logs(chain: ChainStore, first: int, last: int, wanted: LogFilter) -> Iterator[PlacedLog]:
    """Yield the wanted logs of canonical blocks ``first`` to ``last`` inclusive, in order."""
    for number in range(first, last + 1):
        block_hash = chain.canonical_hash(number)
        if block_hash is None:
            return
        yield from block_logs(chain, block_hash, wanted)
