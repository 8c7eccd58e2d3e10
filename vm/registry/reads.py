"""The registry as tools read it: over any state root, without running the EVM.

Everything starts from one reader of storage words (`vm.world.storage` of the registry's address
at a root, or words taken from eth_getProof) and one reader of the chunk store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ai_ops.graph import Manifest
from ai_ops.manifest_encoding import decode_manifest
from vm import gas
from vm.prices import InferencePrices
from vm.registry import chunks, facts, layout
from vm.registry.facts import Registry, Status, Terms
from vm.registry.layout import ReadSlot


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """What a person or a tool wants to know of a model.

    Attributes
    ----------
    address, author, payee : bytes
        20 bytes each.
    model_id : bytes
        Merkle root of the model's bytes.
    status : Status
    code : int
        Why it was rejected; 0 otherwise.
    size, chunks : int
        Length in bytes, and number of chunks.
    fee : int
        Author fee in gas, in effect now.
    macs : int
        Multiply-accumulates for n = 1; 0 before activation.
    manifest : Manifest or None
        Name, inputs and outputs of a callable model.
    """

    address: bytes
    author: bytes
    payee: bytes
    model_id: bytes
    status: Status
    code: int
    size: int
    chunks: int
    fee: int
    macs: int
    manifest: Manifest | None


def reader(
    read_slot: ReadSlot, read_chunk: Callable[[bytes], bytes | None], block: int
) -> Registry:
    """Return a registry that can only be read.

    Parameters
    ----------
    read_slot : callable
        Storage word of the registry's account by slot.
    read_chunk : callable
        Value of the key-value store by key.
    block : int
        Block number at which fees and payees are asked for.
    """
    return Registry(
        read=read_slot,
        write=_refuse_write,
        read_chunk=read_chunk,
        write_chunk=_refuse_write,
        block=block,
    )


def model_count(registry: Registry) -> int:
    """Return the number of models ever created."""
    return registry.read(layout.MODELS_WORD)


def model_addresses(registry: Registry) -> Iterator[bytes]:
    """Yield the addresses of all models in order of creation."""
    for index in range(model_count(registry)):
        word = registry.read(layout.array_slot(layout.MODELS_WORD, index))
        yield word.to_bytes(20, "big")


def data_ids(registry: Registry) -> Iterator[bytes]:
    """Yield the ids of all listed data objects in the order of their listing."""
    for index in range(registry.read(layout.DATA_IDS_WORD)):
        word = registry.read(layout.array_slot(layout.DATA_IDS_WORD, index))
        yield word.to_bytes(32, "big")


def list_models(registry: Registry) -> tuple[ModelInfo, ...]:
    """Return every model in order of creation."""
    found = (model_info(registry, address) for address in model_addresses(registry))
    return tuple(info for info in found if info is not None)


def model_info(registry: Registry, model: bytes) -> ModelInfo | None:
    """Return what is known of the model at an address, or None."""
    identity = facts.identity(registry, model)
    if identity is None:
        return None
    report = layout.unpack(layout.REPORT_FIELDS, registry.word(model, layout.REPORT))
    status = facts.status(registry, model)
    return ModelInfo(
        address=model,
        author=identity.author,
        payee=facts.payee(registry, model),
        model_id=facts.model_id(registry, model),
        status=status,
        code=report["code"],
        size=identity.size,
        chunks=identity.chunks,
        fee=facts.fee(registry, model),
        macs=report["macs"],
        manifest=manifest(registry, model) if status.callable else None,
    )


def manifest(registry: Registry, model: bytes) -> Manifest:
    """Return the manifest of a callable model."""
    first = chunks.load_digest(registry, model, 0)
    return decode_manifest(chunks.load_chunk(registry, first))[0]


def missing_chunks(registry: Registry, model: bytes) -> tuple[int, ...]:
    """Return the indexes of chunks that are not in state yet."""
    digests = chunks.load_digests(registry, model)
    return tuple(
        index
        for index, digest in enumerate(digests)
        if chunks.present_length(registry, digest) == 0
    )


def model_bytes(registry: Registry, model: bytes) -> bytes:
    """Return the whole model file; every chunk must be present."""
    identity = facts.identity(registry, model)
    if identity is None:
        raise KeyError(model.hex())
    return chunks.load_range(registry, chunks.load_digests(registry, model), identity.size)


def chunk_digests(registry: Registry) -> Iterator[bytes]:
    """Yield the digest of everything the chunk store must hold for this state.

    For each model its digest list, then its present chunks; then the data objects. A digest that
    several models share is yielded once for each.
    """
    for model in model_addresses(registry):
        yield registry.word(model, layout.DIGESTS).to_bytes(32, "big")
        for digest in chunks.load_digests(registry, model):
            if chunks.present_length(registry, digest):
                yield digest
    yield from data_ids(registry)


def inference_price(
    registry: Registry, prices: InferencePrices, model: bytes, input_size: int
) -> gas.Price | None:
    """Return the price of a first call in a transaction; None when it could not start."""
    terms = facts.terms(registry, model)
    if not isinstance(terms, Terms):
        return None
    n = terms.units(input_size)
    return None if n is None else gas.price(terms, n, terms.load_q16, prices, data=False)


def _refuse_write(*_: object) -> None:
    raise AssertionError("this view of the registry is read only")
