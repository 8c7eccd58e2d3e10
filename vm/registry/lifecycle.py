"""The life of a model: created, its chunks put, activated or rejected, deprecated.

Every function charges before it works, so an attacker pays for what a node does.
"""

from __future__ import annotations

from ai_ops import merkle
from ai_ops.errors import InvalidModel
from ai_ops.limits import check_head_bytes
from ai_ops.model import decode_head, head_items, head_size
from ai_ops.validate import validate
from vm import abi, gas
from vm.registry import calls, chunks, facts, layout
from vm.registry.codes import RegistryFault
from vm.registry.facts import Registry, Status
from vm.registry.frame import Frame, Refusal

# Words written by createModel: id, digests, identity, call, payee, list length, list element.
CREATE_WORDS = 7
# Words written by activate: call, coefficients, report.
ACTIVATE_WORDS = 3
# Words written by putData beyond the presence word: listed, list length, list element.
LIST_WORDS = 3
DIGEST_BYTES = 32


def create_model(frame: Frame, header: bytes) -> bytes:
    """`createModel`: reserve an address for a model whose chunks will follow."""
    prices = frame.config.prices
    listed = header[calls.HEADER_FIXED_BYTES :]
    if len(header) < calls.HEADER_FIXED_BYTES or len(listed) % DIGEST_BYTES:
        raise Refusal("the header is not modelId, size and digests")
    count = len(listed) // DIGEST_BYTES
    frame.charge(prices.digest_gas * count, "fold digests")
    model_id = header[:DIGEST_BYTES]
    size = int.from_bytes(header[DIGEST_BYTES : calls.HEADER_FIXED_BYTES], "big")
    if not 1 <= size <= frame.config.limits.model_bytes:
        raise Refusal("the size is outside the chain's limit")
    if count != merkle.chunk_count(size):
        raise Refusal("the number of digests does not fit the size")
    digests = chunks.split_digests(listed)
    if merkle.merkle_root(digests) != model_id:
        raise Refusal("the digests do not hash to the model id")
    model = layout.model_address(frame.sender, model_id)
    if facts.status(frame.registry, model) != Status.UNKNOWN:
        raise Refusal("the model exists")
    frame.charge(
        prices.stored_byte_gas * len(listed) + prices.slot_gas * CREATE_WORDS + prices.log_gas,
        "create model",
    )
    _write_created(frame, model, model_id, size, digests)
    return abi.encode(("address",), (model,))


def put_chunk(frame: Frame, model: bytes, index: int, data: bytes) -> bytes:
    """`putChunk`: bring one chunk of a created model into state; any account may pay for it."""
    prices = frame.config.prices
    frame.charge(3 * prices.read_gas + prices.hash_word_gas * abi.words(len(data)), "check chunk")
    identity = _created(frame.registry, model)
    if index >= identity.chunks:
        raise Refusal("the model has no chunk of that index")
    if not 1 <= len(data) <= merkle.CHUNK_BYTES:
        raise Refusal("a chunk has 1 to 65536 bytes")
    digest = merkle.leaf_digest(data)
    if digest != chunks.load_digest(frame.registry, model, index):
        raise Refusal("the chunk does not match its digest")
    _store(frame, digest, data)
    return b""


def put_data(frame: Frame, data: bytes) -> bytes:
    """`putData`: bring a data object into state and list it; a second time it changes nothing."""
    prices = frame.config.prices
    if not 1 <= len(data) <= merkle.CHUNK_BYTES:
        raise Refusal("a data object has 1 to 65536 bytes")
    frame.charge(2 * prices.read_gas + prices.hash_word_gas * abi.words(len(data)), "check data")
    # An object is a single chunk, and the root over one leaf is that leaf.
    data_id = merkle.leaf_digest(data)
    _store(frame, data_id, data)
    if frame.registry.read(layout.listed_slot(data_id)) == 0:
        frame.charge(prices.slot_gas * LIST_WORDS, "list data")
        frame.registry.write(layout.listed_slot(data_id), len(data))
        _append(frame.registry, layout.DATA_IDS_WORD, data_id)
    return abi.encode(("bytes32",), (data_id,))


def activate(frame: Frame, model: bytes) -> bytes:
    """`activate`: validate a complete model; it becomes callable, or rejected for good."""
    prices = frame.config.prices
    frame.charge(2 * prices.read_gas, "find model")
    identity = _created(frame.registry, model)
    frame.charge(prices.scan_gas * identity.chunks, "scan chunks")
    digests = chunks.load_digests(frame.registry, model)
    lengths = [chunks.present_length(frame.registry, digest) for digest in digests]
    if 0 in lengths:
        raise Refusal("a chunk is missing")
    frame.charge(prices.slot_gas * ACTIVATE_WORDS + prices.log_gas, "record the verdict")
    try:
        _check_lengths(identity.size, lengths)
        _accept(frame, model, identity.size, digests)
    except InvalidModel as verdict:
        _reject(frame, model, verdict.code)
    return b""


def deprecate(frame: Frame, model: bytes) -> bytes:
    """`deprecate`: flag an active model; it stays callable."""
    prices = frame.config.prices
    frame.charge(2 * prices.read_gas, "find model")
    require_author(frame, model)
    if facts.status(frame.registry, model) != Status.ACTIVE:
        raise Refusal("the model is not active")
    frame.charge(prices.slot_gas + prices.log_gas, "deprecate")
    _set_status(frame.registry, model, Status.DEPRECATED)
    frame.emit(calls.MODEL_DEPRECATED, (model,))
    return b""


def require_author(frame: Frame, model: bytes) -> facts.Identity:
    """Return the model's identity when the caller is its author.

    Raises
    ------
    Refusal
        When the model is unknown or somebody else's.
    """
    identity = facts.identity(frame.registry, model)
    if identity is None:
        raise Refusal("the model does not exist")
    if identity.author != frame.sender:
        raise Refusal("only the author may do this")
    return identity


def _created(registry: Registry, model: bytes) -> facts.Identity:
    identity = facts.identity(registry, model)
    if identity is None or facts.status(registry, model) != Status.CREATED:
        raise Refusal("the model is not in creation")
    return identity


def _write_created(
    frame: Frame, model: bytes, model_id: bytes, size: int, digests: tuple[bytes, ...]
) -> None:
    registry = frame.registry
    author = int.from_bytes(frame.sender, "big")
    identity = {"author": author, "size": size, "chunks": len(digests)}
    registry.set_word(model, layout.MODEL_ID, int.from_bytes(model_id, "big"))
    registry.set_word(model, layout.IDENTITY, layout.pack(layout.IDENTITY_FIELDS, identity))
    registry.set_word(model, layout.PAYEE, layout.pack(layout.PAYEE_FIELDS, {"payee": author}))
    _set_status(registry, model, Status.CREATED)
    chunks.store_digests(registry, model, digests)
    _append(registry, layout.MODELS_WORD, model)
    frame.emit(
        calls.MODEL_CREATED, (model, model_id, frame.sender), abi.encode(("uint256",), (size,))
    )


def _check_lengths(size: int, lengths: list[int]) -> None:
    for index, length in enumerate(lengths):
        if length != chunks.chunk_length(size, index):
            raise InvalidModel(RegistryFault.CHUNK_LENGTH, f"chunk {index} has a wrong length")


def _accept(frame: Frame, model: bytes, size: int, digests: tuple[bytes, ...]) -> None:
    """Validate manifest and graph and write the call terms; weights are never read."""
    prices, limits = frame.config.prices, frame.config.limits
    first = chunks.chunk_length(size, 0)
    frame.charge(prices.hash_word_gas * abi.words(first), "read the manifest")
    registry = frame.registry
    length = head_size(chunks.load_chunk(registry, digests[0]))
    if length > size:
        raise InvalidModel(RegistryFault.HEAD_LENGTH, "manifest and graph exceed the model")
    check_head_bytes(length, limits)
    frame.charge(prices.head_byte_gas * length, "read manifest and graph")
    data = chunks.load_range(registry, digests, length)
    items = head_items(data, limits.operators)
    frame.charge(prices.operator_gas * items, "validate the graph")
    head = decode_head(data)
    report = validate(head, size, limits)
    a, b, c = gas.coefficients(report.cost, prices)
    call = {
        "status": Status.ACTIVE,
        "maximum_units": report.maximum_units,
        "input_fixed": report.input_bytes_fixed,
        "input_unit": report.input_bytes_per_unit,
        "output_fixed": report.output_bytes_fixed,
        "output_unit": report.output_bytes_per_unit,
        "load_q16": gas.model_load_q16(size - length, length, items, prices),
    }
    findings = {
        "macs": report.macs,
        "manifest_bytes": length - head.manifest.graph_bytes,
        "head_bytes": length,
    }
    try:
        words = (
            (layout.CALL, layout.pack(layout.CALL_FIELDS, call)),
            (layout.COEFFICIENTS, layout.pack(layout.COEFFICIENT_FIELDS, {"a": a, "b": b, "c": c})),
            (layout.REPORT, layout.pack(layout.REPORT_FIELDS, findings)),
        )
    except OverflowError as error:
        raise InvalidModel(RegistryFault.COST, "the model is too large to price") from error
    for word, value in words:
        registry.set_word(model, word, value)
    frame.emit(calls.MODEL_ACTIVATED, (model,), abi.encode(("uint256",), (report.macs,)))


def _reject(frame: Frame, model: bytes, code: int) -> None:
    _set_status(frame.registry, model, Status.REJECTED)
    report = layout.pack(layout.REPORT_FIELDS, {"code": code})
    frame.registry.set_word(model, layout.REPORT, report)
    frame.emit(calls.MODEL_REJECTED, (model,), abi.encode(("uint16",), (code,)))


def _set_status(registry: Registry, model: bytes, status: Status) -> None:
    word = registry.word(model, layout.CALL)
    fields = layout.unpack(layout.CALL_FIELDS, word) | {"status": int(status)}
    registry.set_word(model, layout.CALL, layout.pack(layout.CALL_FIELDS, fields))


def _store(frame: Frame, digest: bytes, data: bytes) -> None:
    if chunks.present_length(frame.registry, digest) == 0:
        prices = frame.config.prices
        frame.charge(prices.stored_byte_gas * len(data) + prices.slot_gas, "store chunk")
        chunks.store_chunk(frame.registry, digest, data)


def _append(registry: Registry, word: int, value: bytes) -> None:
    length = registry.read(word)
    registry.write(layout.array_slot(word, length), int.from_bytes(value, "big"))
    registry.write(word, length + 1)
