"""ATen calls that move, cut, enlarge, reduce and normalize tensors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.float_operators import by_output
from ai_ops.importers.torch_calls import Call
from ai_ops.importers.torch_recurrent import last_state


def _shape(call: Call, name: str = "self") -> list[int]:
    shape = call.reader.shapes[call.value(name)]
    if -1 in shape[1:]:
        raise call.refuse("the shape of its input is not fixed; export it with fixed sizes")
    return shape


def _axis(call: Call, shape: list[int], what: str, default: int = 0) -> int:
    axis = int(call.get("dim", default)) % len(shape)
    if axis == 0:
        raise call.refuse(f"it {what} samples; keep axis 0 apart")
    return axis


def _part(call: Call, shape: list[int], axis: int, start: int, size: int, step: int) -> FloatNode:
    rows = [(start, size, step) if at == axis else (0, n, 1) for at, n in enumerate(shape)][1:]
    starts, sizes, strides = (tuple(row[i] for row in rows) for i in range(3))
    return call.node("slice", starts=starts, sizes=sizes, strides=strides)


def slice_(call: Call) -> FloatNode:
    """Read slice.Tensor."""
    shape = _shape(call)
    start, end, step = (call.get(name) for name in ("start", "end", "step"))
    axis = int(call.get("dim", 0)) % len(shape)
    indices = range(*slice(start, end, step or 1).indices(max(shape[axis], 0)))
    if axis == 0:
        if (start or 0) == 0 and (end is None or end >= 2**31) and (step or 1) == 1:
            return call.node("identity")
        raise call.refuse("it selects samples; keep axis 0 apart")
    if not indices:
        raise call.refuse("it selects nothing")
    return _part(call, shape, axis, indices.start, len(indices), step or 1)


def select(call: Call) -> list[FloatNode]:
    """Read select.int: one position, whose axis goes away."""
    state = last_state(call)
    if state is not None:
        return [state]
    shape = _shape(call)
    axis = _axis(call, shape, "selects")
    one = _part(call, shape, axis, int(call.get("index")) % shape[axis], 1, 1)
    inner = replace(one, name=f"{call.name}.kept")
    rest = tuple(size for at, size in enumerate(shape) if at not in {0, axis})
    return [inner, call.node("reshape", (inner.name,), shape=rest)]


def unbind(call: Call) -> list[FloatNode]:
    """Read unbind.int: every position apart, their axis gone."""
    shape = _shape(call)
    axis = _axis(call, shape, "separates")
    rest = tuple(size for at, size in enumerate(shape) if at not in {0, axis})
    made = []
    for index, name in enumerate(call.names):
        inner = replace(_part(call, shape, axis, index, 1, 1), name=f"{name}.kept")
        made += [inner, replace(call.node("reshape", (inner.name,), shape=rest), name=name)]
    return made


def split(call: Call) -> list[FloatNode]:
    """Read split, split_with_sizes and chunk."""
    shape = _shape(call)
    axis = _axis(call, shape, "separates")
    sizes = call.get("split_sizes", call.get("split_size"))
    if sizes is None:
        sizes = -(-shape[axis] // int(call.get("chunks")))
    if isinstance(sizes, int):
        sizes = [min(sizes, shape[axis] - at) for at in range(0, shape[axis], sizes)]
    parts, start = [], 0
    for name, size in zip(call.names, sizes, strict=True):
        parts.append(replace(_part(call, shape, axis, start, size, 1), name=name))
        start += size
    return parts


def pad(call: Call) -> FloatNode:
    """Read padding with a constant; the pairs start at the last axis."""
    rank = len(call.reader.shapes[call.value()])
    pads = [int(value) for value in call.get("pad")]
    pads += [0] * (2 * rank - len(pads))
    if min(pads) < 0 or any(pads[-2:]) or call.get("mode", "constant") != "constant":
        raise call.refuse("only padding with a constant, outside the sample axis, is read")
    before, after = tuple(pads[-2::-2]), tuple(pads[::-2])
    fill = float(call.get("value") or 0)
    return call.node("pad", before=before[1:], after=after[1:], value=fill)


def reduce(function: str) -> Callable[[Call], FloatNode]:
    """Read mean, sum, amax and amin; a mean over an image is a global average."""

    def read(call: Call) -> FloatNode:
        rank = len(call.reader.shapes[call.value()])
        axes = call.get("dim")
        axes = [axes] if isinstance(axes, int) else list(axes or [])
        axes = sorted(axis % rank for axis in axes)
        keep = bool(call.get("keepdim", False))
        if not axes or 0 in axes:
            raise call.refuse("it mixes samples; name the axes after the first")
        if function == "mean" and rank == 4 and axes == [2, 3]:
            return call.node("global_average", keep=keep)
        return call.node("reduce", function=function, axes=tuple(axes), keep=keep, rank=rank)

    return read


def argmax(call: Call) -> FloatNode:
    """Read argmax."""
    shape = call.reader.shapes[call.value()]
    if call.get("dim") is None:
        raise call.refuse("it mixes samples; name an axis after the first")
    axis = _axis(call, shape, "compares")
    return call.node("argmax", axis=axis, keep=bool(call.get("keepdim", False)))


def conv_transpose(call: Call) -> FloatNode:
    """Read conv_transpose2d."""
    weight, groups = call.required("weight"), int(call.get("groups", 1))
    top, left = call.pair("padding", (0, 0))
    return call.node(
        "conv_transpose",
        (call.value("input"),),
        weight=call.reader.put(call.name, by_output(weight, groups)),
        bias=call.get("bias"),
        strides=call.pair("stride", (1, 1)),
        dilations=call.pair("dilation", (1, 1)),
        pads=(top, left, top, left),
        output_padding=call.pair("output_padding", (0, 0)),
        groups=groups,
    )
