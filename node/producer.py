"""Block production: pick from the pool, build, seal, append; the same path on every chain."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from consensus.certificate import address_of, make_certificate
from consensus.header_rules import certificate_root, next_prev_randao
from consensus.params import quorum, validators_hash
from node.chain import Chain
from node.mempool import Mempool
from vm import transition
from vm.blobs import blob_base_fee
from vm.blocks import Header
from vm.fees import next_base_fee
from vm.transition import BlockContext, BuildResult, Rejection

Clock = Callable[[], float]


class CannotSeal(Exception):
    """The producer's key alone is no quorum of the chain's validators."""


class Producer:
    """Seals blocks on a chain whose only validator is ours.

    Parameters
    ----------
    chain : Chain
    mempool : Mempool
    key : bytes (32,)
        The validator's private key; unused on a chain without consensus.
    coinbase : bytes (20,)
    clock : callable
        Returns Unix time in seconds; a block takes the whole part.

    Raises
    ------
    CannotSeal
        When one seal of this key does not certify a block of this chain.
    """

    def __init__(
        self, chain: Chain, mempool: Mempool, key: bytes, coinbase: bytes, clock: Clock
    ) -> None:
        params = chain.spec.consensus
        if params.sealed and (
            quorum(len(params.validators)) != 1 or address_of(key) not in params.validators
        ):
            raise CannotSeal(
                f"the key of 0x{address_of(key).hex()} alone cannot seal on the chain "
                f"{chain.spec.name!r}"
            )
        self._chain: Final = chain
        self._mempool: Final = mempool
        self._key: Final = key
        self._clock: Final = clock
        self._lock = threading.Lock()
        self.coinbase = coinbase
        self.gas_limit: int | None = None
        self.rejections: tuple[Rejection, ...] = ()

    def seal(self, timestamp: int | None = None) -> Header:
        """Build, seal and store one block of everything in the pool that fits.

        Parameters
        ----------
        timestamp : int, optional
            Unix time in seconds; raised to the least legal one. The clock's when left out.

        Returns
        -------
        Header
            The new head. `rejections` then names the transactions thrown out meanwhile.

        Raises
        ------
        Cancelled
            The chain is stopping; what was in the pool still is.
        """
        with self._lock:
            parent = self._chain.head
            context = self._context(parent, timestamp)
            base_fee = self.next_base_fee(parent)
            build = transition.build_block(
                self._chain.spec.vm_config,
                self._chain.state_store,
                parent,
                context,
                self._mempool.candidates(base_fee),
                block_hash_of=self._chain.hash_by_number,
                cancellation=self._chain.stopping,
            )
            header = build.result.block.header
            certificate = None
            if self._chain.spec.consensus.sealed:
                certificate = make_certificate(header.number, 0, header.hash, (self._key,))
            self._chain.append(build.result, certificate)
            self._settle(build)
            return header

    def next_base_fee(self, parent: Header) -> int:
        """Return the base fee, in wei per gas, of the block after ``parent``."""
        return next_base_fee(self._chain.spec.vm_config, parent)

    def blob_fee(self, header: Header) -> int:
        """Return the wei per blob gas in the block of ``header``."""
        return blob_base_fee(self._chain.spec.vm_config.blobs, header.excess_blob_gas)

    def _context(self, parent: Header, timestamp: int | None) -> BlockContext:
        wanted = int(self._clock()) if timestamp is None else timestamp
        params = self._chain.spec.consensus
        least = parent.timestamp + max(1, params.period_seconds)
        if not params.sealed:
            return BlockContext(
                timestamp=max(least, wanted),
                coinbase=self.coinbase,
                gas_limit=self.gas_limit or parent.gas_limit,
                prev_randao=parent.prev_randao,
                extra_data=b"",
                parent_beacon_block_root=bytes(32),
            )
        return BlockContext(
            timestamp=max(least, wanted),
            coinbase=self.coinbase,
            gas_limit=self.gas_limit or parent.gas_limit,
            prev_randao=next_prev_randao(parent.prev_randao, parent.hash),
            extra_data=validators_hash(params.validators),
            parent_beacon_block_root=certificate_root(parent, self._chain.certificate(parent.hash)),
        )

    def _settle(self, build: BuildResult) -> None:
        """Tell the pool what the builder did with its transactions."""
        for transaction in build.deferred:
            self._mempool.defer(transaction.hash)
        thrown_out = []
        for rejection in build.rejected:
            if rejection.permanent:
                self._mempool.drop(rejection.transaction.hash, rejection.reason)
                thrown_out.append(rejection)
        self.rejections = tuple(thrown_out)
        self._mempool.remove_included(build.result.block)
