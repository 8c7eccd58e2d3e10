"""Lowering of operators that only move elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ai_ops.backends.gpu.device import Launch
from ai_ops.backends.gpu.job import Job, Tensor, over_elements

RANK = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One dimension of a move: index i reads ``i // repeat % period`` and writes i.

    Parameters
    ----------
    size : int
    read, write : int
        Strides in elements.
    repeat : int
    period : int
        0 for the whole size.
    """

    size: int
    read: int
    write: int
    repeat: int = 1
    period: int = 0


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Return row-major strides in elements."""
    result = [1] * len(shape)
    for at in range(len(shape) - 2, -1, -1):
        result[at] = result[at + 1] * shape[at + 1]
    return tuple(result)


def move(
    x: Tensor, y: Tensor, axes: Sequence[Axis], read_start: int = 0, write_start: int = 0
) -> Launch:
    """Launch `move_elements`."""
    elements = 1
    for axis in axes:
        elements *= axis.size
    columns = (
        [axis.size for axis in axes],
        [axis.read for axis in axes],
        [axis.write for axis in axes],
        [axis.repeat for axis in axes],
        [axis.period or axis.size for axis in axes],
    )
    integers = [elements, x.dtype.itemsize, len(axes), read_start, write_start]
    for column in columns:
        integers += [*column, *(1,) * (RANK - len(column))]
    return over_elements("move_elements", elements, (x.place, y.place), tuple(integers))


def whole(x: Tensor, y: Tensor) -> Launch:
    """Copy all of x to the start of y."""
    return move(x, y, [Axis(size=x.elements, read=1, write=1)])


def lower_reshape(job: Job) -> list[Launch]:
    """RESHAPE: nothing where the result is the operand's memory, as a planned one is."""
    (x,), (y,) = job.inputs, job.outputs
    return [] if x.place == y.place else [whole(x, y)]


def lower_transpose(job: Job) -> list[Launch]:
    """TRANSPOSE."""
    (x,), (y,) = job.inputs, job.outputs
    read, write = strides_of(x.shape), strides_of(y.shape)
    axes = [
        Axis(size=x.shape[source], read=read[source], write=write[at])
        for at, source in enumerate(job.node.integers("permutation"))
    ]
    return [move(x, y, axes)]


def lower_concat(job: Job) -> list[Launch]:
    """CONCAT: one launch for each input."""
    (y,) = job.outputs
    axis = job.node.integer("axis")
    write = strides_of(y.shape)
    launches = []
    offset = 0
    for x in job.inputs:
        # Everything from the joined dimension on lies together in x, and in y within one row.
        row = x.shape[axis] * write[axis]
        count = x.elements // row
        axes = [
            Axis(size=count, read=row, write=y.shape[axis] * write[axis]),
            Axis(size=row, read=1, write=1),
        ]
        launches.append(move(x, y, axes, write_start=offset))
        offset += row
    return launches


def lower_slice(job: Job) -> list[Launch]:
    """SLICE: a start below 0 is the last element of a symbolic dimension."""
    (x,), (y,) = job.inputs, job.outputs
    read, write = strides_of(x.shape), strides_of(y.shape)
    axes, first = [], 0
    starts, strides = job.node.integers("starts"), job.node.integers("strides")
    for at, (start, stride) in enumerate(zip(starts, strides, strict=True)):
        first += read[at] * (start if start >= 0 else x.shape[at] - 1)
        axes.append(Axis(size=y.shape[at], read=read[at] * stride, write=write[at]))
    return [move(x, y, axes, read_start=first)]


def lower_pad(job: Job) -> list[Launch]:
    """PAD: fill, then write x inside."""
    (x,), (y,) = job.inputs, job.outputs
    read, write = strides_of(x.shape), strides_of(y.shape)
    before = job.node.integers("before")
    axes = [Axis(size=x.shape[at], read=read[at], write=write[at]) for at in range(len(x.shape))]
    first = sum(left * step for left, step in zip(before, write, strict=True))
    launches = []
    if y.elements > x.elements:
        integers = (y.elements, y.dtype.code, job.node.integer("value"))
        launches.append(over_elements("fill_elements", y.elements, (y.place,), integers))
    return [*launches, move(x, y, axes, write_start=first)]


def lower_repeated(job: Job) -> list[Launch]:
    """TILE, REPEAT and UPSAMPLE: a dimension larger than x's reads x again."""
    (x,), (y,) = job.inputs, job.outputs
    read, write = strides_of(x.shape), strides_of(y.shape)
    whole_again = job.node.operator == "TILE"
    axes = [
        Axis(
            size=large,
            read=read[at],
            write=write[at],
            repeat=1 if whole_again else large // small,
            period=small,
        )
        for at, (small, large) in enumerate(zip(x.shape, y.shape, strict=True))
    ]
    return [move(x, y, axes)]


def lower_gather(job: Job) -> list[Launch]:
    """GATHER."""
    data, indexes = job.inputs
    (y,) = job.outputs
    axis = job.node.integer("axis")
    inner = prod(data.shape[axis + 1 :])
    integers = (
        *(y.elements, data.dtype.itemsize, indexes.dtype.code, indexes.elements),
        *(inner, data.shape[axis]),
    )
    places = (data.place, indexes.place, y.place)
    return [over_elements("gather_elements", y.elements, places, integers)]


def lower_update_rows(job: Job) -> list[Launch]:
    """UPDATE_ROWS."""
    cache, rows, position = job.inputs
    (y,) = job.outputs
    integers = (
        *(y.elements, y.dtype.itemsize, prod(cache.shape[1:])),
        *(cache.shape[0], rows.shape[0]),
    )
    places = (cache.place, rows.place, position.place, y.place)
    return [over_elements("update_elements", y.elements, places, integers)]
