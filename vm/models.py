"""Models ready to run: read from state, checked, packed by a backend, kept in a bounded cache.

Nothing here is visible to a contract: gas is charged before and without it, and a cache that is
empty or full gives the same bytes. What goes wrong here is this machine's fault, never a verdict.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from contextlib import suppress
from functools import lru_cache
from typing import Generic, TypeVar

from ai_ops.backends import OPTIONAL_BACKENDS, select_backend
from ai_ops.backends.base import Backend
from ai_ops.backends.footprint import HEAD_FACTOR
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.errors import BackendFault, InvalidModel
from ai_ops.executor import Cancellation, Inference, LoadedModel, load
from ai_ops.graph import Manifest
from ai_ops.manifest_encoding import decode_manifest
from ai_ops.model import decode_model, head_of
from ai_ops.validate import Limits, validate
from vm.errors import LocalFault
from vm.registry import chunks, facts
from vm.registry.facts import Registry

CACHE_BYTES = 512 * 2**20
MANIFEST_CACHE_BYTES = 32 * 2**20

T = TypeVar("T")
_log = logging.getLogger(__name__)


class ByteCache(Generic[T]):
    """Keeps the most recently used values while the sizes they were put with fit a bound.

    The last one stays whatever its size: it is in memory anyway while it is used, and a model above
    the bound would be made ready for each of a thousand calls that paid for one load.

    Several threads may use it: every step is one dictionary operation, and losing an entry to
    another thread only costs a second load.
    """

    __slots__ = ("_bound", "_entries")

    def __init__(self, bound: int) -> None:
        self._bound = bound
        self._entries: OrderedDict[bytes, tuple[T, int]] = OrderedDict()

    def get(self, key: bytes) -> T | None:
        """Return a value and mark it as used, or None."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return None
        self._entries[key] = entry
        return entry[0]

    def put(self, key: bytes, value: T, size: int) -> None:
        """Keep a value of `size` bytes; the least recently used ones make room."""
        self._entries[key] = (value, size)
        while len(self._entries) > 1 and self.size > self._bound:
            with suppress(KeyError):  # another thread emptied it
                self._entries.popitem(last=False)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    @property
    def bound(self) -> int:
        """The most bytes that several values take."""
        return self._bound

    @property
    def size(self) -> int:
        """Bytes that the values kept now take."""
        return sum(entry[1] for entry in tuple(self._entries.values()))


class ModelStore:
    """Runs the models of a state on a backend, and on the reference when that fails.

    A card that fails is followed by the `cpu` backend first.

    Parameters
    ----------
    backend : Backend, optional
        The fast path; it has passed its self test. Without it the fastest that works here is
        chosen when the first model runs: compiling one takes longer than starting a node.
    limits : Limits
        The chain's limits, against which the models were accepted.
    cache_bytes : int
        Bound of the cache, in bytes that prepared models hold (`LoadedModel.held_bytes`).
    """

    def __init__(
        self, backend: Backend | None, limits: Limits, cache_bytes: int = CACHE_BYTES
    ) -> None:
        self._backend = backend
        self._limits = limits
        self._processor: Backend | None = None
        self._loaded: ByteCache[LoadedModel] = ByteCache(cache_bytes)
        self._manifests: ByteCache[Manifest] = ByteCache(MANIFEST_CACHE_BYTES)

    @property
    def backend(self) -> Backend:
        """What runs the models now."""
        if self._backend is None:
            self._backend = select_backend()
        return self._backend

    @backend.setter
    def backend(self, backend: Backend) -> None:
        self._backend = backend

    @property
    def started(self) -> Backend | None:
        """What runs the models, if one was chosen already."""
        return self._backend

    @property
    def cache(self) -> ByteCache[LoadedModel]:
        """Models kept ready, by model id."""
        return self._loaded

    def disable_fast_backend(self) -> None:
        """Run everything on the reference from now on: the fast path gave a wrong byte."""
        self.backend = ReferenceBackend()
        self._loaded.clear()

    def manifest(self, registry: Registry, model: bytes) -> Manifest:
        """Return the manifest of an accepted model."""
        model_id = facts.model_id(registry, model)
        manifest = self._manifests.get(model_id)
        if manifest is None:
            # A manifest is at most as long as a chunk.
            first = chunks.load_chunk(registry, chunks.load_digest(registry, model, 0))
            manifest, size = decode_manifest(first)
            self._manifests.put(model_id, manifest, HEAD_FACTOR * size)
        return manifest

    def run(
        self,
        registry: Registry,
        model: bytes,
        content: bytes,
        n: int,
        cancellation: Cancellation | None = None,
    ) -> Inference:
        """Run an accepted model on an input that was checked.

        Raises
        ------
        LocalFault
            When neither the backend nor the reference could run it.
        Cancelled
            When it was stopped; no other backend tries again then.
        """
        try:
            return self._load(registry, model).run(content, n, cancellation)
        except (BackendFault, MemoryError) as error:
            _log.warning("an inference is run again on a slower backend: %r", error)
            if self.backend.name in OPTIONAL_BACKENDS:
                # What needs a card takes minutes on the reference.
                with suppress(BackendFault, MemoryError):
                    if self._processor is None:
                        self._processor = select_backend("cpu")
                    again = self._prepare(registry, model, self._processor)
                    return again.run(content, n, cancellation)
            return self.run_on_reference(registry, model, content, n, cancellation)

    def run_on_reference(
        self,
        registry: Registry,
        model: bytes,
        content: bytes,
        n: int,
        cancellation: Cancellation | None = None,
    ) -> Inference:
        """Run an accepted model on the reference, from its bytes in state.

        Raises
        ------
        LocalFault
            When this machine cannot run it.
        Cancelled
            When it was stopped.
        """
        try:
            loaded = self._prepare(registry, model, ReferenceBackend())
            return loaded.run(content, n, cancellation)
        except (BackendFault, MemoryError) as error:
            raise LocalFault(f"the model {model.hex()} cannot be run here: {error}") from error

    def loaded(self, registry: Registry, model: bytes) -> LoadedModel:
        """Return an accepted model on the current backend, for tracing its steps."""
        try:
            return self._load(registry, model)
        except (BackendFault, MemoryError) as error:
            raise LocalFault(f"the model {model.hex()} cannot be loaded: {error}") from error

    def _load(self, registry: Registry, model: bytes) -> LoadedModel:
        model_id = facts.model_id(registry, model)
        backend = self.backend
        loaded = self._loaded.get(model_id)
        # Another thread may have put one of a backend that was switched off while it loaded.
        if loaded is None or loaded.backend is not backend:
            loaded = self._prepare(registry, model, backend)
            self._loaded.put(model_id, loaded, loaded.held_bytes)
        return loaded

    def _prepare(self, registry: Registry, model: bytes, backend: Backend) -> LoadedModel:
        identity = facts.identity(registry, model)
        assert identity is not None
        size = identity.size
        data = chunks.load_range(registry, chunks.load_digests(registry, model), size)
        try:
            decoded = decode_model(data)
            report = validate(head_of(decoded), size, self._limits)
        except InvalidModel as error:
            raise LocalFault(f"the accepted model {model.hex()} does not validate") from error
        return load(decoded, report, backend)


@lru_cache(maxsize=4)
def shared_store(limits: Limits) -> ModelStore:
    """Return this process's store for a chain's limits, on the fastest backend that works here."""
    return ModelStore(None, limits)
