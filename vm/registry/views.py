"""The registry's functions that only read. They never touch the access sets of EIP-2929."""

from __future__ import annotations

from vm import abi
from vm.registry import chunks, facts, layout
from vm.registry.facts import Terms
from vm.registry.frame import Frame, Refusal

MAXIMUM_SCAN = 1_024
INFO_READS = 8
NO_ADDRESS = bytes(20)


def missing(frame: Frame, model: bytes, start: int, limit: int) -> bytes:
    """`missing`: indexes of absent chunks among the next `limit` (at most 1,024) from `start`."""
    prices = frame.config.prices
    frame.charge(2 * prices.read_gas, "find model")
    identity = facts.identity(frame.registry, model)
    if identity is None or start >= identity.chunks:
        return abi.encode(("uint256[]",), ((),))
    stop = min(identity.chunks, start + min(limit, MAXIMUM_SCAN))
    frame.charge(prices.scan_gas * (stop - start), "scan chunks")
    digests = chunks.load_digests(frame.registry, model)
    absent = tuple(
        index
        for index in range(start, stop)
        if chunks.present_length(frame.registry, digests[index]) == 0
    )
    return abi.encode(("uint256[]",), (absent,))


def info(frame: Frame, model: bytes) -> bytes:
    """`info`: everything about a model but its inputs and outputs; zeros when unknown."""
    frame.charge(INFO_READS * frame.config.prices.read_gas, "read model")
    registry = frame.registry
    identity = facts.identity(registry, model)
    report = layout.unpack(layout.REPORT_FIELDS, registry.word(model, layout.REPORT))
    return abi.encode(
        ("bytes32", "address", "address", "uint8", "uint256", "uint256", "uint256", "uint256"),
        (
            facts.model_id(registry, model),
            identity.author if identity else NO_ADDRESS,
            facts.payee(registry, model),
            int(facts.status(registry, model)),
            identity.size if identity else 0,
            identity.chunks if identity else 0,
            facts.fee(registry, model),
            report["macs"],
        ),
    )


def io(frame: Frame, model: bytes) -> bytes:
    """`io`: sizes in bytes for n = 1, input bytes per unit and largest n; zeros when not callable.

    A model without a symbolic dimension has 0 bytes per unit and a largest n of 1.
    """
    frame.charge(frame.config.prices.read_gas, "read model")
    terms = facts.terms(frame.registry, model)
    values = (0, 0, 0, 0)
    if isinstance(terms, Terms):
        values = (
            terms.input_size(1),
            terms.output_size(1),
            terms.input_unit,
            terms.maximum_units,
        )
    return abi.encode(("uint256",) * 4, values)


def manifest(frame: Frame, model: bytes) -> bytes:
    """`manifest`: the manifest's bytes of a callable model."""
    prices = frame.config.prices
    frame.charge(3 * prices.read_gas, "read model")
    if not facts.status(frame.registry, model).callable:
        raise Refusal("the model is not active")
    report = layout.unpack(layout.REPORT_FIELDS, frame.registry.word(model, layout.REPORT))
    size = report["manifest_bytes"]
    frame.charge(prices.hash_word_gas * abi.words(size), "read manifest")
    digests = chunks.load_digests(frame.registry, model)
    return abi.encode(("bytes",), (chunks.load_range(frame.registry, digests, size),))


def chunk_digest(frame: Frame, model: bytes, index: int) -> bytes:
    """`chunkDigest`: the leaf digest of one chunk."""
    frame.charge(2 * frame.config.prices.read_gas, "read digest")
    identity = facts.identity(frame.registry, model)
    if identity is None or index >= identity.chunks:
        raise Refusal("the model has no chunk of that index")
    return abi.encode(("bytes32",), (chunks.load_digest(frame.registry, model, index),))


def model_count(frame: Frame) -> bytes:
    """`modelCount`: number of models ever created."""
    return abi.encode(("uint256",), (frame.registry.read(layout.MODELS_WORD),))


def model_at(frame: Frame, index: int) -> bytes:
    """`modelAt`: address of a model in order of creation."""
    frame.charge(frame.config.prices.read_gas, "read list")
    if index >= frame.registry.read(layout.MODELS_WORD):
        raise Refusal("there is no model of that index")
    word = frame.registry.read(layout.array_slot(layout.MODELS_WORD, index))
    return abi.encode(("address",), (word.to_bytes(20, "big"),))
