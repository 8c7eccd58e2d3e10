"""The manifest's bytes: strict RLP of at most 64 KiB.

manifest := [magic, operator_set, name, [port...], [port...], maximum_units, graph_bytes]
port     := [name, dtype, dimensions, scale_mantissa, scale_exponent, minimum, maximum]

Sizes, counts and codes are RLP integers; signed numbers are 4 little-endian bytes, a shape 4 such
bytes a dimension. Source: docs/spec/03-models.md M-2, M-3.
"""

from __future__ import annotations

from ai_ops import rlp
from ai_ops.dtype import BY_CODE, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import FORMAT, OPERATOR_SET, SYMBOLIC, Manifest, Port, TensorType

MAGIC = b"EGM" + bytes([FORMAT])
MAXIMUM_MANIFEST_BYTES = 65_536
MAXIMUM_NAME_BYTES = 64
MAXIMUM_RANK = 8
MAXIMUM_DIMENSION = 2**31 - 1
MAXIMUM_MANTISSA = 2**64 - 1
MAXIMUM_GRAPH_BYTES = 2**32 - 1
_I32_BYTES = 4


def encode_manifest(manifest: Manifest) -> bytes:
    """Return the canonical bytes.

    Raises
    ------
    InvalidModel
        A field is out of range.
    """
    _check_range(manifest.format, FORMAT, FORMAT, "the format")
    _check_range(manifest.maximum_units, 1, MAXIMUM_DIMENSION, "maximum_units")
    _check_range(manifest.graph_bytes, 0, MAXIMUM_GRAPH_BYTES, "graph_bytes")
    _check_operator_set(manifest.operator_set)
    encoded = rlp.write_list(
        [
            rlp.write_bytes(MAGIC),
            rlp.write_unsigned(manifest.operator_set),
            rlp.write_bytes(_encode_name(manifest.name)),
            rlp.write_list([_encode_port(port) for port in manifest.inputs]),
            rlp.write_list([_encode_port(port) for port in manifest.outputs]),
            rlp.write_unsigned(manifest.maximum_units),
            rlp.write_unsigned(manifest.graph_bytes),
        ]
    )
    if len(encoded) > MAXIMUM_MANIFEST_BYTES:
        raise InvalidModel(ModelFault.MANIFEST_SIZE, "the manifest is above 65,536 bytes")
    return encoded


def decode_manifest(data: bytes) -> tuple[Manifest, int]:
    """Read the manifest at the start of `data`.

    Returns
    -------
    manifest : Manifest
    size : int
        Bytes it takes.

    Raises
    ------
    InvalidModel
        There is no canonical manifest within `MAXIMUM_MANIFEST_BYTES`.
    """
    if rlp.read_extent(data, 0, len(data)).stop > MAXIMUM_MANIFEST_BYTES:
        raise InvalidModel(ModelFault.MANIFEST_SIZE, "the manifest is above 65,536 bytes")
    item = rlp.read_item(data, 0, len(data))
    fields = rlp.read_fields(data, item, 7, "the manifest")
    if rlp.read_bytes(data, fields[0], "the format") != MAGIC:
        raise InvalidModel(ModelFault.FORMAT, "the bytes do not begin as an Engram model does")
    operator_set = rlp.read_unsigned(data, fields[1], MAXIMUM_DIMENSION, "the operator set")
    _check_operator_set(operator_set)
    # The order of the reads is the order of the bytes: it decides which fault is reported.
    name = _decode_name(rlp.read_bytes(data, fields[2], "the name"))
    inputs, outputs = (
        tuple(_decode_port(data, port) for port in rlp.read_list(data, ports, "the ports"))
        for ports in fields[3:5]
    )
    maximum_units = rlp.read_unsigned(data, fields[5], MAXIMUM_DIMENSION, "maximum_units")
    _check_range(maximum_units, 1, MAXIMUM_DIMENSION, "maximum_units")
    graph_bytes = rlp.read_unsigned(data, fields[6], MAXIMUM_GRAPH_BYTES, "graph_bytes")
    manifest = Manifest(
        operator_set=operator_set,
        name=name,
        inputs=inputs,
        outputs=outputs,
        maximum_units=maximum_units,
        graph_bytes=graph_bytes,
    )
    return manifest, item.stop


def encode_type(tensor: TensorType) -> tuple[bytes, bytes]:
    """Encode a tensor type as its two RLP items, dtype and dimensions."""
    _check_shape(tensor.shape)
    dimensions = b"".join(_encode_i32(size, "a dimension") for size in tensor.shape)
    return rlp.write_unsigned(tensor.dtype.code), rlp.write_bytes(dimensions)


def decode_type(data: bytes, dtype: rlp.Item, dimensions: rlp.Item) -> TensorType:
    """Read a tensor type from its two items.

    Raises
    ------
    InvalidModel
        `TENSOR_TYPE`: unknown dtype, rank outside 1 to 8, a dimension that is neither positive
        nor `SYMBOLIC`, or two symbolic ones.
    """
    code = rlp.read_unsigned(data, dtype, 2**31 - 1, "a dtype")
    if code not in BY_CODE:
        raise InvalidModel(ModelFault.TENSOR_TYPE, f"{code} is not the code of a dtype")
    packed = rlp.read_bytes(data, dimensions, "a shape")
    if len(packed) % _I32_BYTES or not 1 <= len(packed) // _I32_BYTES <= MAXIMUM_RANK:
        raise InvalidModel(ModelFault.TENSOR_TYPE, "a shape does not have 1 to 8 dimensions")
    shape = tuple(
        int.from_bytes(packed[at : at + _I32_BYTES], "little", signed=True)
        for at in range(0, len(packed), _I32_BYTES)
    )
    _check_shape(shape)
    return TensorType(dtype=BY_CODE[code], shape=shape)


def _check_shape(shape: tuple[int, ...]) -> None:
    if not 1 <= len(shape) <= MAXIMUM_RANK:
        raise InvalidModel(ModelFault.TENSOR_TYPE, "a shape does not have 1 to 8 dimensions")
    for size in shape:
        if size != SYMBOLIC and not 1 <= size <= MAXIMUM_DIMENSION:
            raise InvalidModel(
                ModelFault.TENSOR_TYPE, f"{size} is no dimension: it must be 1 to 2^31 - 1"
            )
    if shape.count(SYMBOLIC) > 1:
        raise InvalidModel(ModelFault.TENSOR_TYPE, "a shape has two symbolic dimensions")


def _encode_port(port: Port) -> bytes:
    _check_port(port)
    return rlp.write_list(
        [
            rlp.write_bytes(_encode_name(port.name)),
            *encode_type(port.type),
            rlp.write_unsigned(port.scale_mantissa),
            rlp.write_bytes(_encode_i32(port.scale_exponent, "scale_exponent")),
            rlp.write_bytes(_encode_i32(port.minimum, "minimum")),
            rlp.write_bytes(_encode_i32(port.maximum, "maximum")),
        ]
    )


def _decode_port(data: bytes, item: rlp.Item) -> Port:
    fields = rlp.read_fields(data, item, 7, "a port")
    name = _decode_name(rlp.read_bytes(data, fields[0], "a port's name"))
    tensor = decode_type(data, fields[1], fields[2])
    mantissa = rlp.read_unsigned(data, fields[3], MAXIMUM_MANTISSA, "scale_mantissa")
    exponent, minimum, maximum = (
        _decode_i32(rlp.read_bytes(data, field, "a signed number")) for field in fields[4:]
    )
    port = Port(
        name=name,
        dtype=tensor.dtype,
        shape=tensor.shape,
        scale_mantissa=mantissa,
        scale_exponent=exponent,
        minimum=minimum,
        maximum=maximum,
    )
    _check_port(port)
    return port


def _check_port(port: Port) -> None:
    _check_range(port.scale_mantissa, 1, MAXIMUM_MANTISSA, "scale_mantissa")
    if not port.dtype.minimum <= port.minimum <= port.maximum <= port.dtype.maximum:
        raise InvalidModel(
            ModelFault.NUMBER,
            f"the range [{port.minimum}, {port.maximum}] of {port.name} is empty or leaves "
            f"{port.dtype.name}",
        )


def _encode_name(name: str) -> bytes:
    encoded = name.encode("utf-8", "surrogatepass")
    _decode_name(encoded)
    return encoded


def _decode_name(encoded: bytes) -> str:
    if not 1 <= len(encoded) <= MAXIMUM_NAME_BYTES or not all(0x20 <= b <= 0x7E for b in encoded):
        raise InvalidModel(ModelFault.TEXT, "a name is not 1 to 64 printable ASCII characters")
    return encoded.decode("ascii")


def _encode_i32(value: int, what: str) -> bytes:
    _check_range(value, DType.I32.minimum, DType.I32.maximum, what)
    return value.to_bytes(_I32_BYTES, "little", signed=True)


def _decode_i32(encoded: bytes) -> int:
    if len(encoded) != _I32_BYTES:
        raise InvalidModel(ModelFault.STRUCTURE, "a signed number does not have 4 bytes")
    return int.from_bytes(encoded, "little", signed=True)


def _check_operator_set(operator_set: int) -> None:
    if operator_set != OPERATOR_SET:
        raise InvalidModel(
            ModelFault.OPERATOR_SET,
            f"operator set {operator_set} is not known; this engine has {OPERATOR_SET}",
        )


def _check_range(value: int, low: int, high: int, what: str) -> None:
    if not low <= value <= high:
        raise InvalidModel(ModelFault.NUMBER, f"{what} is {value}, outside {low} to {high}")
