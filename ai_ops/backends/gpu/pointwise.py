"""Lowering of operators that treat elements one by one."""

from __future__ import annotations

import numpy as np

from ai_ops.backends.gpu.device import Launch
from ai_ops.backends.gpu.job import Job, Tensor, clamp_of, over_elements
from ai_ops.dtype import Array

RANK = 8
UNARY = {"CLAMP": 0, "NEGATE": 1, "ABS": 2, "BIT_LENGTH": 3}
PAIRED = {"ADD": 0, "SUB": 1, "MUL": 2, "MAXIMUM": 3, "MINIMUM": 4, "COMPARE": 5, "DIVIDE": 6}


def lower_rescale(job: Job) -> list[Launch]:
    """RESCALE."""
    (x,), (y,) = job.inputs, job.outputs
    channels = len(job.node.integers("multipliers"))
    integers = (x.elements, channels, x.dtype.code, y.dtype.code, *clamp_of(job.node))
    places = (x.place, job.scales(channels), y.place)
    return [over_elements("rescale_elements", x.elements, places, integers)]


def lower_unary(job: Job) -> list[Launch]:
    """CLAMP, NEGATE, ABS and BIT_LENGTH."""
    (x,), (y,) = job.inputs, job.outputs
    name = job.node.operator
    clamp = clamp_of(job.node) if name == "CLAMP" else (y.dtype.minimum, y.dtype.maximum)
    integers = (x.elements, x.dtype.code, y.dtype.code, *clamp, UNARY[name])
    return [over_elements("unary_elements", x.elements, (x.place, y.place), integers)]


def lower_table8(job: Job) -> list[Launch]:
    """TABLE8."""
    (x,), (y,) = job.inputs, job.outputs
    table = job.keep("table", lambda: _table(job))
    places = (x.place, table, y.place)
    return [
        over_elements(
            "table8_elements", x.elements, places, (x.elements, x.dtype.code, y.dtype.code)
        )
    ]


def lower_table16(job: Job) -> list[Launch]:
    """TABLE16."""
    (x,), (y,) = job.inputs, job.outputs
    channels = len(job.node.integers("multipliers"))
    places = (
        x.place,
        job.keep("table", lambda: _table(job)),
        job.scales(channels),
        y.place,
    )
    integers = (x.elements, channels, y.dtype.code, *clamp_of(job.node))
    return [over_elements("table16_elements", x.elements, places, integers)]


def _table(job: Job) -> Array:
    return np.array(job.node.integers("table"), np.int16)


def lower_paired(job: Job) -> list[Launch]:
    """ADD, SUB, MUL, MAXIMUM, MINIMUM, COMPARE and DIVIDE."""
    (left, right), (y,) = job.inputs, job.outputs
    node = job.node
    name = node.operator
    own: tuple[int, ...] = ()
    clamp = (y.dtype.minimum, y.dtype.maximum)
    if name in {"ADD", "SUB"}:
        own = tuple(
            node.integer(field) for field in ("multiplier_a", "shift_a", "multiplier_b", "shift_b")
        )
    elif name == "MUL":
        own = (node.integer("multiplier"), node.integer("shift"))
    elif name == "COMPARE":
        own = (node.integer("relation"),)
    elif name == "DIVIDE":
        own = (node.integer("shift"), node.integer("rounding"))
    if name in {"ADD", "SUB", "MUL", "DIVIDE"}:
        clamp = clamp_of(node)
    head = (
        y.elements,
        PAIRED[name],
        left.dtype.code,
        right.dtype.code,
        y.dtype.code,
        *clamp,
        *own,
        *(0,) * (4 - len(own)),
    )
    places = (left.place, right.place, y.place)
    if left.shape == right.shape:
        integers = (*head, 0)
    else:
        integers = (*head, *repeats((left, right), y.shape))
    return [over_elements("paired_elements", y.elements, places, integers)]


def lower_where(job: Job) -> list[Launch]:
    """WHERE."""
    condition, a, b = job.inputs
    (y,) = job.outputs
    integers = (
        y.elements,
        condition.dtype.code,
        y.dtype.code,
        *repeats((condition, a, b), y.shape),
    )
    places = (condition.place, a.place, b.place, y.place)
    return [over_elements("where_elements", y.elements, places, integers)]


def repeats(operands: tuple[Tensor, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Describe operands that are repeated to a common shape (O-17).

    Returns
    -------
    tuple of int
        The rank, `RANK` sizes, `RANK` strides in elements for each operand.
    """
    rank = max(len(shape), 1)
    result = [rank, *_filled(shape)]
    for operand in operands:
        strides = [0] * rank
        step = 1
        for back, size in enumerate(reversed(operand.shape), 1):
            if size != 1:
                strides[rank - back] = step
            step *= size
        result += _filled(tuple(strides))
    return tuple(result)


def _filled(entries: tuple[int, ...]) -> tuple[int, ...]:
    return (*entries, *(1,) * (RANK - len(entries)))
