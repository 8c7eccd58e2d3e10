"""ONNX nodes that move, cut, enlarge and reduce tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.onnx_choices import lookup
from ai_ops.importers.onnx_nodes import OnnxNode

LARGEST = 2**31 - 1


def flatten(node: OnnxNode) -> FloatNode:
    """Read Flatten."""
    if node.get("axis", 1) != 1:
        raise node.refuse("it mixes the sample axis with another; flatten from axis 1")
    return node.node("reshape", shape=(-1,))


def reshape(node: OnnxNode) -> FloatNode:
    """Read Reshape, whose first size must be that of the samples."""
    shape = node.reader.integers.get(node.arguments[1])
    if shape is None:
        shape = [int(size) for size in node.required(1, "shape")]
    rest = tuple(shape[1:])
    first_is_batch = shape[0] in {0, node.reader.batch} or (shape[0] == -1 and -1 not in rest)
    if not first_is_batch or rest.count(-1) > 1:
        raise node.refuse("it mixes the sample axis with another; keep axis 0 apart")
    return node.node("reshape", shape=rest)


def change_rank(node: OnnxNode) -> FloatNode:
    """Read Squeeze and Unsqueeze."""
    axes = node.integers(1, "axes")
    known = node.reader.fixed_shapes.get(node.arguments[0])
    if known is None:
        return node.node("reshape", shape=node.reader.sample_shape(node))
    shape = list(known)
    if node.operator == "Unsqueeze":
        rank = len(shape) + len(axes or [])
        for axis in sorted(axis % rank for axis in axes or []):
            shape.insert(axis, 1)
    else:
        gone = {axis % len(shape) for axis in axes} if axes else set()
        shape = [n for i, n in enumerate(shape) if not (i in gone or (not axes and n == 1 and i))]
        if 0 in gone:
            raise node.refuse("it removes the sample axis")
    return node.node("reshape", shape=tuple(shape[1:]))


def transpose(node: OnnxNode) -> FloatNode:
    """Read Transpose."""
    axes = [int(axis) for axis in node.get("perm", [])]
    if not axes or axes[0] != 0:
        raise node.refuse("it moves the sample axis")
    return node.node("transpose", axes=tuple(axes[1:]))


def concat(node: OnnxNode) -> list[FloatNode]:
    """Read Concat of computed and stored tensors."""
    first = next((n for n in node.arguments if n not in node.reader.constants), "")
    axis = int(node.get("axis")) % node.reader.rank(node, first)
    if axis == 0:
        raise node.refuse("it joins samples")
    made: list[FloatNode] = []
    values = [node.operand(index, made) for index in range(len(node.arguments))]
    return [*made, node.node("concat", tuple(values), axis=axis)]


def pad(node: OnnxNode) -> FloatNode:
    """Read Pad with a constant."""
    pads = node.integers(1, "pads") or []
    value = node.constant(2)
    fill = node.get("value", 0.0) if value is None else float(value.reshape(-1)[0])
    rank = len(pads) // 2
    outside = min(pads, default=-1) < 0 or pads[0] or pads[rank]
    if outside or node.get("mode", "constant") != "constant":
        raise node.refuse("only padding with a constant, outside the sample axis, is read")
    return node.node("pad", before=tuple(pads[1:rank]), after=tuple(pads[rank + 1 :]), value=fill)


def _shape(node: OnnxNode) -> list[int]:
    """Return the shape of the first input; sizes after the first must be known."""
    shape = node.reader.shapes.get(node.value())
    if shape is None or -1 in shape[1:]:
        raise node.refuse("the shape of its input is not known; give the file its shapes")
    return shape


def split(node: OnnxNode) -> list[FloatNode]:
    """Read Split into parts along an axis."""
    shape = _shape(node)
    axis = int(node.get("axis", 0)) % len(shape)
    sizes = node.integers(1, "split")
    if axis == 0:
        raise node.refuse("it separates samples")
    if sizes is None:
        each = -(-shape[axis] // len(node.outputs))
        sizes = [min(each, shape[axis] - each * i) for i in range(len(node.outputs))]
    parts, start = [], 0
    for name, size in zip(node.outputs, sizes, strict=True):
        parts.append(replace(part(node, shape, {axis: (start, size, 1)}), name=name))
        start += size
    return parts


def part(node: OnnxNode, shape: list[int], cuts: dict[int, tuple[int, int, int]]) -> FloatNode:
    """Make a slice of the axes in `cuts` (start, size, stride); the others stay whole."""
    rows = [cuts.get(axis, (0, shape[axis], 1)) for axis in range(1, len(shape))]
    starts, sizes, strides = (tuple(row[i] for row in rows) for i in range(3))
    return node.node("slice", starts=starts, sizes=sizes, strides=strides)


def slice_(node: OnnxNode) -> FloatNode:
    """Read Slice with constant bounds."""
    shape = _shape(node)
    starts, ends = node.integers(1, "starts") or [], node.integers(2, "ends") or []
    axes = node.integers(3, "axes") or list(range(len(starts)))
    steps = node.integers(4, "steps") or [1] * len(starts)
    cuts = {}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        where = axis % len(shape)
        indices = range(*slice(start, end, step).indices(max(shape[where], 1)))
        if where == 0:
            if start == 0 and step == 1 and end >= max(shape[0], LARGEST):
                continue
            raise node.refuse("it selects samples")
        if not indices:
            raise node.refuse("it selects nothing")
        cuts[where] = (indices.start, len(indices), step)
    return part(node, shape, cuts)


def gather(node: OnnxNode) -> list[FloatNode]:
    """Read Gather with constant indices along an axis, or computed rows of a stored table."""
    if node.constant(0) is not None:
        return [lookup(node)]
    shape, indices = _shape(node), node.required(1, "indices")
    axis = int(node.get("axis", 0)) % len(shape)
    if axis == 0 or indices.ndim > 1:
        raise node.refuse("only one row of constant positions, not of samples, is read")
    wanted = [int(index) % shape[axis] for index in indices.reshape(-1)]
    taken = node.node("take", axis=axis, indices=tuple(wanted))
    if indices.ndim == 1:
        return [taken]
    inner = replace(taken, name=f"{node.name}.kept")
    rest = tuple(size for at, size in enumerate(shape) if at not in {0, axis})
    return [inner, node.node("reshape", (inner.name,), shape=rest)]


def reduce(function: str) -> Callable[[OnnxNode], FloatNode]:
    """Read a reduction; a mean over an image is a global average."""

    def read(node: OnnxNode) -> FloatNode:
        rank = node.reader.rank(node, node.value())
        axes = sorted(axis % rank for axis in node.integers(1, "axes") or range(1, rank))
        keep = bool(node.get("keepdims", 1))
        if 0 in axes:
            raise node.refuse("it mixes samples")
        if function == "mean" and rank == 4 and axes == [2, 3]:
            return node.node("global_average", keep=keep)
        return node.node("reduce", function=function, axes=tuple(axes), keep=keep, rank=rank)

    return read


def argmax(node: OnnxNode) -> FloatNode:
    """Read ArgMax."""
    rank = node.reader.rank(node, node.value())
    axis = int(node.get("axis", 0)) % rank
    if axis == 0 or node.get("select_last_index", 0):
        raise node.refuse("only the first largest along an axis after the first is read")
    return node.node("argmax", axis=axis, keep=bool(node.get("keepdims", 1)))
