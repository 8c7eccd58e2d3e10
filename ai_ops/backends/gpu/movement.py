"""Lowering of operators that only move elements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
