"""Lowering of pools and of operators along an axis."""

from __future__ import annotations

from math import prod

from ai_ops.backends.gpu.device import NOWHERE, Launch
from ai_ops.backends.gpu.job import Job, clamp_of, over_elements, over_rows
from ai_ops.backends.gpu.movement import strides_of

REDUCTIONS = {"SUM": 0, "MEAN": 1, "MAX": 2, "MIN": 3}
RANK = 8
LONG_ROW = 256
"""From so many elements on a row gets a block instead of a thread."""


def lower_pool(job: Job) -> list[Launch]:
    """MAX_POOL2D and AVG_POOL2D."""
    (x,), (y,) = job.inputs, job.outputs
    mean = job.node.operator == "AVG_POOL2D"
    top, left, _, _ = job.node.integers("padding")
    integers = (
        *(y.elements, x.dtype.code),
        *x.shape[1:],
        *job.node.integers("kernel"),
        *job.node.integers("strides"),
        *(top, left, y.shape[1], y.shape[2]),
        *(int(mean), job.node.integer("count_padding") if mean else 0),
    )
    return [over_elements("pool_windows", y.elements, (x.place, y.place), integers)]


def lower_argmax(job: Job) -> list[Launch]:
    """ARGMAX."""
    (x,), (y,) = job.inputs, job.outputs
    axis = job.node.integer("axis")
    size, inner = x.shape[axis], prod(x.shape[axis + 1 :])
    integers = (y.elements, x.dtype.code, size, inner)
    places = (x.place, y.place)
    if inner == 1 and size >= LONG_ROW:
        return [
            Launch(
                kernel="argmax_rows",
                blocks=y.elements,
                threads=256,
                pointers=places,
                integers=integers,
            )
        ]
    return [over_elements("argmax_axis", y.elements, places, integers)]


def lower_reduction(job: Job) -> list[Launch]:
    """SUM, MEAN, MAX and MIN: one block for each result."""
    (x,), (y,) = job.inputs, job.outputs
    node = job.node
    steps = strides_of(x.shape)
    axes = sorted(node.integers("axes"))
    kept = [at for at in range(len(x.shape)) if at not in axes]
    clamp, table, channels = (y.dtype.minimum, y.dtype.maximum), NOWHERE, 1
    if node.operator == "SUM":
        clamp, channels = clamp_of(node), len(node.integers("multipliers"))
        table = job.scales(channels)
    integers = [
        *(prod(x.shape[at] for at in axes), x.dtype.code, y.dtype.code),
        *(REDUCTIONS[node.operator], *clamp, channels, len(kept), len(axes)),
    ]
    for chosen in (kept, axes):
        for source in (x.shape, steps):
            integers += [*(source[at] for at in chosen), *(1,) * (RANK - len(chosen))]
    places = (x.place, table, y.place)
    return [over_rows("reduce_axes", y.elements, integers[0], places, tuple(integers))]
