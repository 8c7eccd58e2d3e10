"""Makers of the `native` kernels that only move elements (src/moves.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.native_site import NativeSite, counted, elements_of, product_of
from ai_ops.dtype import Array
from ai_ops.graph import TensorType
from ai_ops.native.library import NativeKernel
from ai_ops.native.steps import make_step

Count = tuple[int, int]
"""A number that depends on n: (fixed, per unit)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One dimension of a copy: its size, and what one step along it is on both sides."""

    size: Count
    read: Count
    write: Count


def strides_of(tensor: TensorType) -> list[Count]:
    """Return the row-major strides of a tensor, in elements."""
    return [product_of(tensor.shape[axis + 1 :]) for axis in range(len(tensor.shape))]


def make_transpose(site: NativeSite) -> NativeKernel:
    """Make TRANSPOSE."""
    read, write = strides_of(site.inputs[0].type), strides_of(site.outputs[0].type)
    return _make(
        site,
        [
            Axis(size=counted(size), read=read[source], write=write[axis])
            for axis, (size, source) in enumerate(
                zip(site.outputs[0].type.shape, site.node.integers("permutation"), strict=True)
            )
        ],
    )


def make_slice(site: NativeSite) -> NativeKernel:
    """Make SLICE; a start of -1 is the last element of the symbolic dimension."""
    x, y = site.inputs[0].type, site.outputs[0].type
    read, write = strides_of(x), strides_of(y)
    starts, strides = site.node.integers("starts"), site.node.integers("strides")
    first = [0, 0]
    axes = []
    for axis, (start, stride) in enumerate(zip(starts, strides, strict=True)):
        fixed, unit = read[axis]
        axes.append(
            Axis(
                size=counted(y.shape[axis]),
                read=(fixed * stride, unit * stride),
                write=write[axis],
            )
        )
        first[0] += start * fixed
        first[1] += start * unit
        if start < 0:  # n - 1; what lies inside a symbolic dimension is fixed
            first[1] += fixed
    return _make(site, axes, first=(first[0], first[1]))


def make_pad(site: NativeSite) -> NativeKernel:
    """Make PAD: fill, then copy inside."""
    x, y = site.inputs[0].type, site.outputs[0].type
    read, write = strides_of(x), strides_of(y)
    before = site.node.integers("before")
    # A dimension that is padded is fixed, and lies inside the symbolic one or has none inside.
    into = [
        (count * fixed, count * unit) for count, (fixed, unit) in zip(before, write, strict=True)
    ]
    axes = [
        Axis(size=counted(size), read=read[axis], write=write[axis])
        for axis, size in enumerate(x.shape)
    ]
    return _make(
        site,
        axes,
        into=(sum(fixed for fixed, _ in into), sum(unit for _, unit in into)),
        value=site.node.integer("value"),
    )


def make_upsample(site: NativeSite) -> NativeKernel:
    """Make UPSAMPLE: each pixel is read again along two dimensions more."""
    rows, columns = site.node.integers("scales")
    return _repeated(site, inner={1: rows, 2: columns}, outer={})


def make_repeat(site: NativeSite) -> NativeKernel:
    """Make REPEAT."""
    count = site.node.integer("count")
    return _repeated(site, inner={site.node.integer("axis"): count}, outer={})


def make_tile(site: NativeSite) -> NativeKernel:
    """Make TILE."""
    return _repeated(site, inner={}, outer=dict(enumerate(site.node.integers("repetitions"))))


def make_concat(site: NativeSite) -> NativeKernel:
    """Make CONCAT: from each operand a run of bytes for each outer position."""
    axis = site.node.integer("axis")
    runs = np.array(
        [
            product_of((*value.type.shape[axis:], value.type.dtype.itemsize))
            for value in site.inputs
        ],
        np.int64,
    )
    fixed, unit = product_of(site.outputs[0].type.shape[:axis])
    made = make_step(
        "concat_step",
        {"count": len(site.inputs), "outer_fixed": fixed, "outer_unit": unit, "runs": runs},
    )
    return site.kernel("concat", made)


def make_gather(site: NativeSite) -> NativeKernel:
    """Make GATHER."""
    data, indices = (value.type for value in site.inputs)
    axis = site.node.integer("axis")
    outer = product_of(data.shape[:axis])
    count = elements_of(indices)
    inner = product_of((*data.shape[axis + 1 :], data.dtype.itemsize))
    made = make_step(
        "gather_step",
        {
            "outer_fixed": outer[0],
            "outer_unit": outer[1],
            "count_fixed": count[0],
            "count_unit": count[1],
            "inner_fixed": inner[0],
            "inner_unit": inner[1],
            "size": data.shape[axis],
            "index_dtype": indices.dtype.code,
        },
    )
    return site.kernel("gather", made)


def make_update_rows(site: NativeSite) -> NativeKernel:
    """Make UPDATE_ROWS."""
    cache, rows = site.inputs[0].type, site.inputs[1].type
    made = make_step(
        "update_step",
        {
            "rows": cache.shape[0],
            "new_rows": rows.shape[0],
            "row_bytes": cache.size(1) // cache.shape[0],
        },
    )
    return site.kernel("update_rows", made)


def _repeated(site: NativeSite, *, inner: dict[int, int], outer: dict[int, int]) -> NativeKernel:
    """Copy x with dimensions inserted that stand still on the reading side.

    Parameters
    ----------
    site : NativeSite
    inner, outer : dict
        How often each element, or the whole dimension, is repeated along an axis.
    """
    x = site.inputs[0].type
    read, write = strides_of(x), strides_of(site.outputs[0].type)
    axes = []
    for axis, size in enumerate(x.shape):
        (fixed, unit), times = write[axis], inner.get(axis, 1)
        if (tiles := outer.get(axis, 1)) > 1:  # then the dimension is fixed
            step = (fixed * size, unit * size)
            axes.append(Axis(size=(tiles, 0), read=(0, 0), write=step))
        axes.append(Axis(size=counted(size), read=read[axis], write=(fixed * times, unit * times)))
        if times > 1:
            axes.append(Axis(size=(times, 0), read=(0, 0), write=(fixed, unit)))
    return _make(site, axes)


def _make(
    site: NativeSite,
    axes: Sequence[Axis],
    *,
    first: Count = (0, 0),
    into: Count = (0, 0),
    value: int | None = None,
) -> NativeKernel:
    rows: Wide = np.array([(*axis.size, *axis.read, *axis.write) for axis in axes], np.int64)
    filled = elements_of(site.outputs[0].type)
    members: dict[str, int | Array | None] = {
        "rank": len(axes),
        "shape": rows,
        "from_fixed": first[0],
        "from_unit": first[1],
        "to_fixed": into[0],
        "to_unit": into[1],
        "bytes": site.outputs[0].type.dtype.itemsize,
        "fills": int(value is not None),
        "fill_fixed": filled[0],
        "fill_unit": filled[1],
        "value": value or 0,
    }
    return site.kernel("move", make_step("move_step", members))
