"""ONNX nodes that look up, compare, choose and repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.onnx_nodes import OnnxNode
from ai_ops.importers.resampling import Make

CORNERS = np.array([[1, 0, -0.5, 0], [0, 1, 0, -0.5], [1, 0, 0.5, 0], [0, 1, 0, 0.5]])
"""Centre and size of a box to its corners."""


def maker(node: OnnxNode) -> Make:
    """Return what makes nodes of this one under other names."""

    def make(name: str, operator: str, *inputs: str, **attributes: Any) -> FloatNode:
        return replace(node.node(operator, inputs, **attributes), name=name)

    return make


def relation(symbol: str) -> Callable[[OnnxNode], list[FloatNode]]:
    """Read a comparison of two tensors, of which one may be stored."""
    turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}

    def read(node: OnnxNode) -> list[FloatNode]:
        made: list[FloatNode] = []
        first, second = node.operand(0, made), node.operand(1, made)
        if node.constant(0) is not None:
            other = turned.get(symbol, symbol)
            return [*made, node.node("compare", (second, first), relation=other)]
        return [*made, node.node("compare", (first, second), relation=symbol)]

    return read


def compared_with_zero(node: OnnxNode, symbol: str) -> list[FloatNode]:
    """Return a comparison with 0."""
    shape = (1,) * node.reader.rank(node, node.value())
    zero = maker(node)(
        f"{node.name}.zero",
        "constant",
        value=node.reader.put(node.name, np.zeros(shape, np.float32)),
    )
    return [zero, node.node("compare", (node.value(), zero.name), relation=symbol)]


def cast(node: OnnxNode) -> FloatNode | list[FloatNode]:
    """Read Cast: to truth values it compares with 0, to any other type it changes nothing."""
    from onnx import TensorProto

    if node.get("to") == TensorProto.BOOL:
        return compared_with_zero(node, "!=")
    return node.node("identity")


def where(node: OnnxNode) -> list[FloatNode]:
    """Read Where."""
    made: list[FloatNode] = []
    inputs = tuple(node.operand(index, made) for index in range(3))
    return [*made, node.node("where", inputs)]


def lookup(node: OnnxNode) -> FloatNode:
    """Read Gather of computed rows of a stored table: an embedding."""
    table = node.required(0, "table")
    if int(node.get("axis", 0)) != 0 or table.ndim != 2:
        raise node.refuse("only rows of a stored matrix are looked up")
    return node.node("lookup", (node.value(1),), table=node.reader.put(node.name, table))


def top_k(node: OnnxNode) -> list[FloatNode]:
    """Read TopK along the last axis: values, indices."""
    rank = node.reader.rank(node, node.value())
    (k,) = (int(value) for value in node.required(1, "k").reshape(-1))
    axis = int(node.get("axis", -1)) % rank
    if axis != rank - 1 or axis == 0 or not node.get("largest", 1):
        raise node.refuse("only the largest along the last axis are read")
    names = [*node.outputs, ""]
    if k == 1:
        made = [
            node.node("reduce", function="max", axes=(axis,), keep=True, rank=rank),
            node.node("argmax", axis=axis, keep=True),
        ]
    else:
        made = [
            node.node("top_k", k=k, part=part, group=node.outputs[0] or node.outputs[1])
            for part in ("values", "indices")
        ]
    return [replace(each, name=name) for each, name in zip(made, names, strict=False) if name]


def suppress(node: OnnxNode) -> list[FloatNode]:
    """Read NonMaxSuppression: for each class the boxes kept, best first, then -1."""
    make, boxes = maker(node), node.value(0)
    given = [node.constant(index) for index in (2, 3, 4)]
    if any(
        index < len(node.arguments) and node.arguments[index] and given[index - 2] is None
        for index in (2, 3, 4)
    ):
        raise node.refuse("its thresholds and counts must be constants")
    most, overlap, score = (
        None if array is None else float(array.reshape(-1)[0]) for array in given
    )
    shape = node.reader.shapes.get(boxes, [])
    if len(shape) != 3 or -1 in shape[1:]:
        raise node.refuse("boxes (1, N, 4) of a known number are read")
    count = min(int(most or 0), shape[1])
    if count < 1:
        raise node.refuse("it keeps no box: max_output_boxes_per_class is 0")
    nodes = []
    if node.get("center_point_box", 0):
        matrix = node.reader.put(node.name, CORNERS.astype(np.float32))
        nodes.append(make(f"{node.name}.corners", "dense", boxes, weight=matrix, bias=None))
        boxes = nodes[-1].name
    return [
        *nodes,
        node.node(
            "suppress",
            (boxes, node.value(1)),
            score=-np.inf if score is None else score,
            overlap=overlap or 0.0,
            count=count,
        ),
    ]


def expand(node: OnnxNode) -> list[FloatNode]:
    """Read Expand and Tile: whole axes repeated."""
    x = node.value()
    shape = node.reader.shapes.get(x)
    if shape is None or -1 in shape[1:]:
        raise node.refuse("the shape of its input is not known; give the file its shapes")
    sizes = [int(size) for size in node.required(1, "sizes").reshape(-1)]
    rank = max(len(sizes), len(shape))
    full = [1] * (rank - len(shape)) + list(shape)
    sizes = [1] * (rank - len(sizes)) + sizes
    if node.operator == "Expand":
        after = np.broadcast_shapes(tuple(full[1:]), tuple(sizes[1:]))
        counts = tuple(new // old for new, old in zip(after, full[1:], strict=True))
    else:
        counts = tuple(sizes[1:])
    if sizes[0] not in {0, 1, node.reader.batch} or full[0] != shape[0]:
        raise node.refuse("it repeats samples, or adds an axis in front of them")
    inner = maker(node)(f"{node.name}.rank", "reshape", x, shape=tuple(full[1:]))
    return [inner, node.node("tile", (inner.name,), repetitions=counts)]
