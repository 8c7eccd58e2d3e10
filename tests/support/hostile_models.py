"""Model files made to break a node, one for each class of attack, and the code each must get.

The classes are those that uploads of other systems fell to; docs/reliability.md names the tests.
"""

from __future__ import annotations

import pickle
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace

from ai_ops.dtype import DType
from ai_ops.errors import ModelFault
from ai_ops.graph import AttributeValue, Graph, Model, Node, TensorType
from ai_ops.manifest_encoding import encode_manifest
from ai_ops.model import build_model, encode_model
from ai_ops.operators import make_node
from ai_ops.rlp import write_bytes, write_list, write_unsigned
from tests.ai_ops.models import mlp, port, weight

HEAD_LENGTH = 702
"""The registry's code for a graph that does not fit the size."""
FULL: dict[str, AttributeValue] = {"minimum": -128, "maximum": 127}
RESCALED: dict[str, AttributeValue] = {"multipliers": (2**30,), "shifts": (30,), "dtype": 1, **FULL}
PAIR = dict.fromkeys(("multiplier_a", "shift_a", "multiplier_b", "shift_b", "dtype"), 1)


def model(
    *nodes: Node,
    outputs: tuple[int, ...] | None = None,
    shape: tuple[int, ...] = (4,),
    out: tuple[int, ...] | None = None,
    weights: tuple[TensorType, ...] = (),
    units: int = 1,
) -> Model:
    """One i8 input `x`, weights, nodes; the last result is the one output `y`."""
    last = len(weights) + len(nodes)
    graph = Graph(weights=weights, nodes=nodes, outputs=(last,) if outputs is None else outputs)
    return build_model(
        name="hostile",
        inputs=(port("x", DType.I8, shape),),
        outputs=(port("y", DType.I8, shape if out is None else out),),
        graph=graph,
        weights=bytes(graph.weight_bytes if graph.weight_bytes < 2**20 else 0),
        maximum_units=units,
    )


def clamp(at: int) -> Node:
    return make_node("CLAMP", (at,), **FULL)


def tiny_nodes(count: int, operator: int = 0x0305) -> bytes:
    """A file with `count` nodes of a few bytes each, all reading the input."""
    node = write_list(
        [
            write_unsigned(operator),
            write_bytes(bytes(4)),
            write_bytes(struct.pack("<i", -128)),
            write_bytes(struct.pack("<i", 127)),
        ]
    )
    return around(write_list([write_list([]), write_list([node] * count), write_bytes(bytes(4))]))


def around(graph: bytes) -> bytes:
    """A file with a right manifest and this graph."""
    honest = model(clamp(0))
    manifest = replace(honest.manifest, graph_bytes=len(graph))
    return encode_manifest(manifest) + graph


def file_of(made: Model) -> Callable[[], bytes]:
    return lambda: encode_model(made)


def short(made: Model, lost: int) -> Callable[[], bytes]:
    return lambda: encode_model(made)[:-lost]


def renamed() -> bytes:
    """Two inputs of one name."""
    graph = Graph(weights=(), nodes=(make_node("ADD", (0, 1), **PAIR, **FULL),), outputs=(2,))
    same = port("x", DType.I8, (4,))
    made = build_model(
        name="twice", inputs=(same, same), outputs=(replace(same, name="y"),), graph=graph,
        weights=b"",
    )  # fmt: skip
    return encode_model(made)


def missing() -> Node:
    """An addition of one operand."""
    return replace(make_node("ADD", (0, 0), **PAIR, **FULL), inputs=(0,))


def spread() -> Model:
    """A row and a column of 2^14 elements each: 2^28 sums."""
    column = make_node("RESHAPE", (0,), shape=(2**14, 1))
    table = make_node("ADD", (0, 1), **PAIR, **FULL)
    square = make_node("MUL", (2, 2), multiplier=1, shift=1, dtype=1, **FULL)
    return model(column, table, square, shape=(1, 2**14), out=(2**14, 2**14))


def convolution(padding: int = 0, size: int = 1, shift: int = 30) -> Node:
    return make_node(
        "CONV2D", (0, 1), strides=(1, 1), padding=(padding,) * 4, dilations=(1, 1), groups=1,
        bias=(), **{**RESCALED, "shifts": (shift,)},
    )  # fmt: skip


IMAGE = (1, 2, 2, 1)
DEEP = 2**17
"""2^17 products of -128 * -128 leave i32 by one."""

F = ModelFault
HOSTILE: dict[str, tuple[Callable[[], bytes], int]] = {
    # malformed graphs
    "no nodes": (lambda: tiny_nodes(0), F.OUTPUT),
    "a million nodes": (lambda: tiny_nodes(10**6), F.LIMIT_HEAD_BYTES),
    "a hundred thousand nodes": (lambda: tiny_nodes(10**5), F.LIMIT_OPERATORS),
    "a million tiny items for nodes": (
        lambda: around(write_list([write_list([]), write_list([b"\x01"] * 10**6), b"\x80"])),
        F.LIMIT_OPERATORS,
    ),
    "a million tiny items for weights": (
        lambda: around(write_list([write_list([b"\x01"] * 10**6), write_list([]), b"\x80"])),
        F.LIMIT_OPERATORS,
    ),
    "a node of a million items": (
        lambda: around(
            write_list(
                [write_list([]), write_list([write_list([b"\x01"] * 10**6)]), b"\x80"]
            )
        ),
        F.UNKNOWN_OPERATOR,
    ),
    "an unknown operator": (lambda: tiny_nodes(1, 0x7777), F.UNKNOWN_OPERATOR),
    "a missing input": (file_of(model(missing())), F.ARITY),
    "a wrong dtype": (
        file_of(model(make_node("RESCALE", (0,), **{**RESCALED, "dtype": 9}))),
        F.DTYPE,
    ),
    "a name twice": (renamed, F.TEXT),
    "a dangling result": (file_of(model(clamp(0), clamp(0))), F.DANGLING),
    "a dangling weight": (
        file_of(model(clamp(0), weights=(weight(4),))),
        F.DANGLING,
    ),
    # cycles
    "a self edge": (file_of(model(clamp(1))), F.REFERENCE),
    "a cycle of two": (file_of(model(clamp(2), clamp(1))), F.REFERENCE),
    "a read of nothing": (file_of(model(clamp(2**32 - 1))), F.REFERENCE),
    # shapes
    "a dimension of 0": (file_of(model(make_node("RESHAPE", (0,), shape=(0, 4)))), F.SHAPE),
    "a dimension of -2": (file_of(model(make_node("RESHAPE", (0,), shape=(-2, -2)))), F.SHAPE),
    "2^31 - 1 elements": (file_of(model(clamp(0), shape=(2**31 - 1,))), F.LIMIT_DIMENSION),
    "2^96 elements": (file_of(model(clamp(0), shape=(2**24,) * 4)), F.LIMIT_MACS),
    "2^31 - 1 units": (
        file_of(model(clamp(0), shape=(-1, 4), units=2**31 - 1)),
        F.LIMIT_DIMENSION,
    ),
    "a row against a column": (file_of(spread()), F.LIMIT_LIVE_BYTES),
    "a padding of 65,535": (
        file_of(
            model(convolution(padding=65_535), shape=IMAGE, out=IMAGE, weights=(weight(1, 1, 1, 1),))
        ),
        F.ATTRIBUTE_VALUE,
    ),
    "a tile of 2^32 - 1": (
        file_of(model(make_node("TILE", (0,), repetitions=(2**32 - 1,)))),
        F.LIMIT_DIMENSION,
    ),
    "a repeat of 2^32 - 1": (
        file_of(model(make_node("REPEAT", (0,), axis=0, count=2**32 - 1))),
        F.LIMIT_DIMENSION,
    ),
    "a pad of 2^32 - 1": (
        file_of(model(make_node("PAD", (0,), before=(2**32 - 1,), after=(0,), value=0))),
        F.LIMIT_DIMENSION,
    ),
    # containers
    "a compressed model": (lambda: zlib.compress(encode_model(mlp())), F.STRUCTURE),
    "a zip": (lambda: b"PK\x03\x04" + bytes(100), F.STRUCTURE),
    "a pickle": (lambda: pickle.dumps({"weights": [1, 2, 3]}), F.STRUCTURE),
    "nested lists": (lambda: nested(10_000), F.STRUCTURE),
    # overflow
    "a sum that leaves i32": (
        file_of(
            model(
                make_node("GEMM", (0, 1), bias=(), **RESCALED),
                shape=(1, DEEP), out=(1, 1), weights=(weight(1, DEEP),),
            )
        ),
        F.ACCUMULATOR,
    ),
    "a shift of 0": (
        file_of(model(make_node("RESCALE", (0,), **{**RESCALED, "shifts": (0,)}))),
        F.ATTRIBUTE_VALUE,
    ),
    "a shift of 63": (
        file_of(model(make_node("RESCALE", (0,), **{**RESCALED, "shifts": (63,)}))),
        F.ATTRIBUTE_VALUE,
    ),
    "a multiplier of 2^31": (
        file_of(model(make_node("RESCALE", (0,), **{**RESCALED, "multipliers": (2**31,)}))),
        F.ATTRIBUTE_VALUE,
    ),
    # bytes against shapes
    "weights that are short": (short(mlp(), 1), F.SIZE_MISMATCH),
    "bytes after the weights": (lambda: encode_model(mlp()) + b"\x00", F.SIZE_MISMATCH),
    "a head that is cut": (lambda: encode_model(mlp())[:-193], HEAD_LENGTH),
}  # fmt: skip


def nested(depth: int) -> bytes:
    inner = b"\xc0"
    for _ in range(depth):
        inner = write_list([inner])
    return inner
