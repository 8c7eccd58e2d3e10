"""ATen calls that look up, compare, choose and repeat."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.torch_calls import BOOL, Call
from ai_ops.importers.torch_resize import maker


def stored(call: Call, array: Any, name: str) -> FloatNode:
    """Return a node for a constant that fits the rank of the call's result."""
    rank = max(1, len(call.reader.shapes[call.name]))
    full = np.asarray(array, np.float32)
    full = full.reshape((1,) * (rank - full.ndim) + full.shape)
    if full.shape[0] != 1:
        raise call.refuse("its constant differs from sample to sample")
    return maker(call)(name, "constant", value=call.reader.put(name, full))


def embedding(call: Call) -> FloatNode:
    """Read embedding: rows of a stored table."""
    call.required("weight")
    return call.node("lookup", (call.value("indices"),), table=call.get("weight"))


def relation(symbol: str) -> Callable[[Call], list[FloatNode]]:
    """Read a comparison of two tensors, or of a tensor with numbers."""
    turned = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}

    def read(call: Call) -> list[FloatNode]:
        made: list[FloatNode] = []
        first, second = call.operand("self", made), call.operand("other", made)
        if call.constant("self") is not None:
            return [
                *made,
                call.node("compare", (second, first), relation=turned.get(symbol, symbol)),
            ]
        return [*made, call.node("compare", (first, second), relation=symbol)]

    return read


def negation(call: Call) -> list[FloatNode]:
    """Read the logical not."""
    if call.dtype != BOOL:
        raise call.refuse("bits of integers are not computed; only truth values are negated")
    zero = stored(call, 0.0, f"{call.name}.zero")
    return [zero, call.node("compare", (call.value(), zero.name), relation="==")]


def conversion(call: Call) -> FloatNode | list[FloatNode]:
    """Read a change of type: to truth values it compares with 0."""
    value = call.value("self" if "self" in call.arguments else "input")
    if call.dtype != BOOL or call.reader.dtypes.get(value) == BOOL:
        return call.node("identity", (value,))
    zero = stored(call, 0.0, f"{call.name}.zero")
    return [zero, call.node("compare", (value, zero.name), relation="!=")]


def where(call: Call) -> list[FloatNode]:
    """Read where."""
    made: list[FloatNode] = []
    inputs = tuple(call.operand(name, made) for name in ("condition", "self", "other"))
    return [*made, call.node("where", inputs)]


def masked_fill(call: Call) -> list[FloatNode]:
    """Read masked_fill."""
    made: list[FloatNode] = []
    inputs = tuple(call.operand(name, made) for name in ("mask", "value", "self"))
    return [*made, call.node("where", inputs)]


def top_k(call: Call) -> list[FloatNode]:
    """Read topk along the last axis: values, indices."""
    shape = call.reader.shapes[call.value()]
    axis = int(call.get("dim", -1)) % len(shape)
    if axis != len(shape) - 1 or axis == 0 or not call.get("largest", True):
        raise call.refuse("only the largest along the last axis are read")
    k = int(call.get("k"))
    if k == 1:
        values = call.node("reduce", function="max", axes=(axis,), keep=True, rank=len(shape))
        indices = call.node("argmax", axis=axis, keep=True)
    else:
        values = call.node("top_k", k=k, part="values", group=call.name)
        indices = call.node("top_k", k=k, part="indices", group=call.name)
    return [
        replace(node, name=name) for node, name in zip((values, indices), call.names, strict=True)
    ]


def suppress(call: Call) -> list[FloatNode]:
    """Read torchvision's nms of one sample's boxes (N, 4) and scores (N)."""
    shape = call.reader.shapes[call.value("dets")]
    if len(shape) != 3:
        raise call.refuse("boxes (N, 4) of one sample are read; export it with one sample")
    make, count = maker(call), shape[1]
    row = make(f"{call.name}.row", "reshape", call.value("scores"), shape=(1, count))
    kept = make(
        f"{call.name}.kept",
        "suppress",
        call.value("dets"),
        row.name,
        score=-float("inf"),
        overlap=float(call.get("iou_threshold")),
        count=count,
    )
    return [row, kept, make(call.name, "reshape", kept.name, shape=(count,))]


def expand(call: Call) -> list[FloatNode]:
    """Read expand and repeat: whole axes repeated."""
    before, after = call.reader.shapes[call.value()], call.reader.shapes[call.name]
    if -1 in [*before[1:], *after[1:]]:
        raise call.refuse("its sizes are not fixed; export it with fixed sizes")
    full = [1] * (len(after) - len(before)) + before
    counts = tuple(new // old for new, old in zip(after[1:], full[1:], strict=True))
    if before[0] != 1 or after[0] != 1:
        raise call.refuse("it repeats samples, or adds an axis in front of them")
    # In a rank of its own it only gets axes of size 1; then whole axes are repeated.
    inner = maker(call)(f"{call.name}.rank", "reshape", call.value(), shape=tuple(full[1:]))
    return [inner, call.node("tile", (inner.name,), repetitions=counts)]


def take(call: Call) -> list[FloatNode]:
    """Read index.Tensor and index_select: constant positions along one axis."""
    shape = call.reader.shapes[call.value()]
    indices = call.get("indices", None)
    if indices is None:
        axis, name = int(call.get("dim")) % len(shape), call.get("index")
    else:
        given = [(at, entry) for at, entry in enumerate(indices) if entry is not None]
        if len(given) != 1:
            raise call.refuse("positions along one axis are read")
        ((axis, name),) = given
    array = call.reader.constants.get(name)
    if axis == 0 or array is None or array.ndim != 1:
        raise call.refuse("one row of constant positions, not of samples, is read")
    wanted = tuple(int(index) % shape[axis] for index in array)
    return [call.node("take", axis=axis, indices=wanted)]


def stack(call: Call) -> list[FloatNode]:
    """Read stack: a new axis of the tensors side by side."""
    result = call.reader.shapes[call.name]
    axis = int(call.get("dim", 0)) % len(result)
    if axis == 0:
        raise call.refuse("it puts an axis in front of the samples; stack along a later one")
    make, names = maker(call), []
    nodes = []
    for index, value in enumerate(call.get("tensors")):
        shape = list(result)
        shape[axis] = 1
        inner = make(f"{call.name}.part{index}", "reshape", value, shape=tuple(shape[1:]))
        nodes.append(inner)
        names.append(inner.name)
    return [*nodes, call.node("concat", tuple(names), axis=axis)]


def roll(call: Call) -> list[FloatNode]:
    """Read roll: the positions along each axis, turned round."""
    shape, make = call.reader.shapes[call.value()], maker(call)
    shifts, axes = call.get("shifts"), call.get("dims")
    if not axes:
        raise call.refuse("it rolls the flattened tensor; name its axes")
    nodes: list[FloatNode] = []
    x = call.value()
    for shift, axis in zip(shifts, axes, strict=True):
        at, size = axis % len(shape), shape[axis]
        if at == 0:
            raise call.refuse("it moves samples")
        indices = tuple((index - shift) % size for index in range(size))
        nodes.append(make(f"{call.name}.axis{at}", "take", x, axis=at, indices=indices))
        x = nodes[-1].name
    return [*nodes, call.node("identity", (x,))]
