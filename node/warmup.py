"""Starts the tensor backend in the background once the chain has a model.

The first use compiles kernels (some seconds after an installation, less than one later), which
neither the start of a node nor the first caller should wait for.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

from ai_ops.errors import BackendFault
from node.chain import Chain
from vm.blocks import Header
from vm.models import shared_store
from vm.receipts import bloom_bits
from vm.registry.layout import MODELS_WORD, REGISTRY_ADDRESS
from vm.world import storage

LOGGER: Final = logging.getLogger("engram.warmup")
REGISTRY_BITS: Final = bloom_bits(REGISTRY_ADDRESS)


class Warmup:
    """Subscriber of a chain: on the first event of the registry it starts the backend.

    Parameters
    ----------
    chain : Chain
    report : callable
        Told once, in a sentence, which backend runs.
    """

    def __init__(self, chain: Chain, report: Callable[[str], None]) -> None:
        self._report = report
        self._limits = chain.spec.vm_config.limits
        self._started = False
        root = chain.head.state_root
        if chain.spec.vm_config.ai and storage(
            chain.state_store, root, REGISTRY_ADDRESS, MODELS_WORD
        ):
            self._start()

    def __call__(self, header: Header) -> None:
        """Look at a new block's filter; a false alarm only starts the backend early."""
        if int.from_bytes(header.logs_bloom, "big") & REGISTRY_BITS == REGISTRY_BITS:
            self._start()

    def _start(self) -> None:
        if not self._started:
            self._started = True
            threading.Thread(target=self._warm, name="warmup", daemon=True).start()

    def _warm(self) -> None:
        try:
            backend = shared_store(self._limits).backend
        except BackendFault as fault:
            # Nothing is lost: the first inference tries again and says so to its caller.
            LOGGER.warning("no tensor backend starts: %s", fault)
        else:
            self._report(f"Models run on {backend.name}.")


def running_backend(chain: Chain) -> str:
    """Return the name of what runs the chain's models."""
    backend = shared_store(chain.spec.vm_config.limits).started
    return "the fastest backend, once there is one" if backend is None else backend.name
