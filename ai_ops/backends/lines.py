"""Kernels of the `numba` backend for reductions, boxes and rows."""

from __future__ import annotations

from math import prod

import numpy as np

from ai_ops.backends.base import Kernel
from ai_ops.backends.site import Loop, Site, channel_scales, lane_of, owned
from ai_ops.dtype import Array
from ai_ops.graph import Node


def lines_of(x: Array, axes: tuple[int, ...], lane: np.dtype[np.integer]) -> Array:
    """View x as (A, S, B) with the named dimensions in the middle; moved there if they lie apart."""
    if axes[-1] - axes[0] == len(axes) - 1:
        outer, inner = prod(x.shape[: axes[0]]), prod(x.shape[axes[-1] + 1 :])
        return owned(x, lane).reshape(outer, -1, inner)
    kept = tuple(axis for axis in range(x.ndim) if axis not in axes)
    count = prod(x.shape[axis] for axis in axes)
    return owned(x.transpose(*kept, *axes), lane).reshape(-1, count, 1)


def result_shape(node: Node, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape at some n; the node was checked."""
    axes = node.integers("axes")
    if node.integer("keep"):
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes) or (1,)


def make_mean(site: Site) -> Kernel:
    """Make MEAN."""
    return _make_reduction(site, site.loops["mean_lines"])


def make_extreme(site: Site) -> Kernel:
    """Make MAX or MIN."""
    return _make_reduction(
        site, site.loops["extreme_lines"], 0 if site.node.operator == "MAX" else -1
    )


def _make_reduction(site: Site, loop: Loop, *arguments: int) -> Kernel:
    """Make a reduction whose result has the dtype of x."""
    lane, axes = lane_of(*site.inputs), site.node.integers("axes")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = lines_of(arrays[0], axes, lane)
        y = np.empty(result_shape(site.node, arrays[0].shape), lane)
        loop(x, *arguments, y.reshape(x.shape[0], x.shape[2]))
        return (y,)

    return run


def make_reduced_sum(site: Site) -> Kernel:
    """Make SUM: exact sums, then the loop of RESCALE."""
    axes, lane, narrow = site.node.integers("axes"), lane_of(*site.inputs), lane_of(*site.outputs)
    per_tensor = len(site.node.integers("multipliers")) == 1
    channels = 1 if per_tensor else site.outputs[0].type.shape[-1]
    scales, low, high = channel_scales(site.node, channels)
    finish = site.loops["rescale_tensor" if per_tensor else "rescale_channels"]
    flat = (-1,) if per_tensor else (-1, channels)
    one = tuple(int(entry) for entry in scales[1:, 0])
    arguments = (*one, low, high) if per_tensor else (scales, low, high)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = lines_of(arrays[0], axes, lane)
        total = np.empty(result_shape(site.node, arrays[0].shape), np.int32)
        site.loops["sum_lines"](x, total.reshape(x.shape[0], x.shape[2]))
        y = np.empty(total.shape, narrow)
        finish(total.reshape(flat), *arguments, y.reshape(flat))
        return (y,)

    return run


def make_suppression(site: Site) -> Kernel:
    """Make NON_MAX_SUPPRESSION; without classes all boxes are of one."""
    loop, node = site.loops["suppress"], site.node
    least, threshold = node.integer("score_threshold"), node.integer("iou_threshold")
    most = node.integer("maximum_outputs")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        boxes, scores = owned(arrays[0], np.dtype("<i2")), arrays[1].astype(np.int64)
        # A stable sort leaves the lower index first among equal scores.
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= least]
        lane = np.dtype("<i4")
        classes = owned(arrays[2], lane) if len(arrays) > 2 else np.zeros(len(scores), lane)
        y = np.empty(most, lane)
        loop(boxes, classes, order, threshold, y)
        return (y,)

    return run


def make_valid_rows(site: Site) -> Kernel:
    """Make VALID_ROWS."""
    loop, lane = site.loops["valid_rows"], lane_of(*site.inputs)
    column, threshold = site.node.integer("column"), site.node.integer("threshold")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], lane)
        rows, count = np.empty(x.shape, lane), np.empty(1, np.int32)
        loop(x, column, threshold, rows, count)
        return rows, count

    return run
