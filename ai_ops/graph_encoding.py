"""The graph's bytes: strict RLP, attributes as packed little-endian integers.

graph  := [[weight...], [node...], outputs]
weight := [dtype, dimensions]
node   := [operator code, inputs, attribute...]

`inputs` and `outputs` are value ids of 4 little-endian bytes. A node has one string for each field
of its operator, in table order. Source: docs/spec/03-models.md M-4 to M-6.
"""

from __future__ import annotations

import struct

from ai_ops import rlp
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import AttributeValue, Graph, Node
from ai_ops.manifest_encoding import decode_type, encode_type
from ai_ops.operators import BY_CODE, OPERATORS
from ai_ops.ops.definition import LIST, SCALAR, Field

# Width in bytes, sign, and the letter that `struct` knows the two by.
_ELEMENTS = {
    "u8": (1, False, "B"),
    "u16": (2, False, "H"),
    "u32": (4, False, "I"),
    "i16": (2, True, "h"),
    "i32": (4, True, "i"),
    "i64": (8, True, "q"),
}
_U32 = "u32"
NODE_ITEMS = 31
"""Items of a node that are looked at; every operator has fewer attributes."""


def encode_graph(graph: Graph) -> bytes:
    """Return the canonical bytes.

    Raises
    ------
    InvalidModel
        A node has an unknown operator or attributes that are not its operator's.
    """
    return rlp.write_list(
        [
            rlp.write_list([rlp.write_list(encode_type(weight)) for weight in graph.weights]),
            rlp.write_list([_encode_node(node) for node in graph.nodes]),
            rlp.write_bytes(_pack(graph.outputs, _U32, "outputs")),
        ]
    )


def decode_graph(data: bytes) -> Graph:
    """Read a graph that takes all of `data`; the inverse of `encode_graph`.

    Raises
    ------
    InvalidModel
        The bytes are not the canonical encoding of a graph.
    """
    weights, nodes, outputs = _split_graph(data)
    return Graph(
        weights=tuple(
            decode_type(data, *rlp.read_fields(data, weight, 2, "a weight"))
            for weight in rlp.read_list(data, weights, "the weights")
        ),
        nodes=tuple(_decode_node(data, node) for node in rlp.read_list(data, nodes, "the nodes")),
        outputs=_unpack(rlp.read_bytes(data, outputs, "outputs"), _U32, "outputs"),
    )


def count_items(data: bytes, most: int) -> int:
    """Count the weights and nodes of a graph that takes all of `data`, without reading one.

    Parameters
    ----------
    most : int
        Most nodes, and most weights.

    Raises
    ------
    InvalidModel
        `LIMIT_OPERATORS`, or the three lists are not canonical.
    """
    weights, nodes, _ = _split_graph(data)
    total = 0
    for item, what in ((weights, "weights"), (nodes, "operators")):
        count = len(rlp.read_list(data, item, f"the {what}", most))
        if count > most:
            raise InvalidModel(
                ModelFault.LIMIT_OPERATORS, f"the graph has more {what} than the {most} allowed"
            )
        total += count
    return total


def _split_graph(data: bytes) -> list[rlp.Item]:
    item = rlp.read_item(data, 0, len(data))
    if item.stop != len(data):
        raise InvalidModel(
            ModelFault.SIZE_MISMATCH, f"{len(data) - item.stop} bytes follow the graph"
        )
    return rlp.read_fields(data, item, 3, "the graph")


def _encode_node(node: Node) -> bytes:
    if node.operator not in OPERATORS:
        raise InvalidModel(ModelFault.UNKNOWN_OPERATOR, f"there is no operator {node.operator!r}")
    operator = OPERATORS[node.operator]
    if tuple(name for name, _ in node.attributes) != tuple(field.name for field in operator.fields):
        raise InvalidModel(
            ModelFault.ATTRIBUTES, f"{node.operator}: the attributes are not the operator's fields"
        )
    return rlp.write_list(
        [
            rlp.write_unsigned(operator.code),
            rlp.write_bytes(_pack(node.inputs, _U32, "inputs")),
            *(
                rlp.write_bytes(_encode_attribute(node.operator, field, value))
                for field, (_, value) in zip(operator.fields, node.attributes, strict=True)
            ),
        ]
    )


def _decode_node(data: bytes, item: rlp.Item) -> Node:
    items = rlp.read_list(data, item, "a node", NODE_ITEMS)
    if len(items) < 2:
        raise InvalidModel(ModelFault.STRUCTURE, "a node has fewer than 2 fields")
    code = rlp.read_unsigned(data, items[0], 0xFFFF, "an operator code")
    if code not in BY_CODE:
        raise InvalidModel(ModelFault.UNKNOWN_OPERATOR, f"there is no operator of code {code}")
    operator = BY_CODE[code]
    if len(items) - 2 != len(operator.fields):
        raise InvalidModel(
            ModelFault.ATTRIBUTES,
            f"{operator.name} has {len(items) - 2} attributes instead of {len(operator.fields)}",
        )
    return Node(
        operator=operator.name,
        inputs=_unpack(rlp.read_bytes(data, items[1], "inputs"), _U32, "inputs"),
        attributes=tuple(
            (
                field.name,
                _decode_attribute(operator.name, field, rlp.read_bytes(data, at, field.name)),
            )
            for field, at in zip(operator.fields, items[2:], strict=True)
        ),
    )


def _encode_attribute(operator: str, field: Field, value: AttributeValue) -> bytes:
    what = f"{operator}: {field.name}"
    if isinstance(value, int) is not (field.count == SCALAR):
        raise InvalidModel(ModelFault.ATTRIBUTES, f"{what} has the wrong kind of value")
    values = (value,) if isinstance(value, int) else value
    _check_count(what, field, len(values))
    return _pack(values, field.element, what)


def _decode_attribute(operator: str, field: Field, packed: bytes) -> AttributeValue:
    what = f"{operator}: {field.name}"
    values = _unpack(packed, field.element, what)
    _check_count(what, field, len(values))
    return values[0] if field.count == SCALAR else values


def _check_count(what: str, field: Field, count: int) -> None:
    expected = 1 if field.count == SCALAR else field.count
    if field.count != LIST and count != expected:
        raise InvalidModel(ModelFault.ATTRIBUTES, f"{what} has {count} elements, not {expected}")


def _pack(values: tuple[int, ...], element: str, what: str) -> bytes:
    width, signed, _ = _ELEMENTS[element]
    try:
        return b"".join(value.to_bytes(width, "little", signed=signed) for value in values)
    except OverflowError:
        raise InvalidModel(
            ModelFault.NUMBER, f"{what} holds a value that leaves {element}"
        ) from None


def _unpack(packed: bytes, element: str, what: str) -> tuple[int, ...]:
    width, _, letter = _ELEMENTS[element]
    if len(packed) % width:
        raise InvalidModel(ModelFault.STRUCTURE, f"{what} is not a whole number of {element}")
    return struct.unpack(f"<{len(packed) // width}{letter}", packed)
