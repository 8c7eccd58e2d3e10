"""Kernels of the `numba` backend that sum products: GEMM and CONV2D."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, prod

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.base import Kernel
from ai_ops.backends.kernels import FEW_CHANNELS
from ai_ops.backends.site import (
    Loop,
    Site,
    channel_scales,
    geometry_of,
    lane_of,
    owned,
    result_lane,
)
from ai_ops.backends.tiles import fits_band, make_tiled_conv2d, make_tiled_gemm, takes_tiles
from ai_ops.dtype import Array, DType
from ai_ops.graph import Node
from ai_ops.ops.conv2d import dilations_of
from ai_ops.ops.conv_transpose2d import grown
from ai_ops.ops.window import Axis

# Up to this depth and from this many filters on, spreading over the filters is faster (measured).
WIDE_DEPTH = 64
WIDE_FILTERS = 16
TILE = 1_024
# Elements of the patches that `kernels.conv2d_deep` gathers at once: a long row is cut.
PATCH_ELEMENTS = 2**20
BYTE, SHORT = DType.I8.numpy, DType.I16.numpy


def make_gemm(site: Site) -> Kernel:
    """Make GEMM: tiles, else dot products, or the wide loop where the depth is small."""
    if takes_tiles(site):
        return make_tiled_gemm(site)
    units, depth = site.inputs[1].type.shape
    arguments = channel_scales(site.node, units)
    narrow = result_lane(site.outputs[0])
    wide = depth <= WIDE_DEPTH and units >= WIDE_FILTERS
    lane, w_lane = _factor_lanes(site, wide)
    loop = site.loops["conv2d_wide" if wide else "gemm"]
    run_of = (np.zeros((1, 2), np.int64), np.array((1, depth, depth), np.int64))

    def arrange(w: Array) -> Array:
        return np.array(w.T if wide else w, w_lane, order="C")

    fixed = arrange(site.weights[1]) if 1 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], lane)
        w = arrange(arrays[1]) if fixed is None else fixed
        y = np.empty((*x.shape[:-1], units), narrow)
        if wide:  # a convolution of one row with 1 x 1 kernels
            loop(x.reshape(1, 1, -1), w, *run_of, *arguments, y.reshape(1, 1, -1, units))
        else:
            loop(x.reshape(-1, depth), w, *arguments, y.reshape(-1, units))
        return (y,)

    return run


def make_conv2d(site: Site) -> Kernel:
    """Make CONV2D: tiles, else gathered patches, or the wide loop where a patch is small."""
    filters, height, width, depth = site.inputs[1].type.shape
    channels = site.inputs[0].type.shape[3]
    groups = site.node.integer("groups")
    if groups == filters == channels:
        return make_depthwise(site)
    if groups == 1 and takes_tiles(site) and fits_band(site):
        return make_tiled_conv2d(site)
    wide = groups == 1 and height * width * depth <= WIDE_DEPTH and filters >= WIDE_FILTERS
    loop = site.loops["conv2d_wide" if wide else "conv2d_deep"]
    taps, steps = _runs(site.node, height, width, depth)
    extra = (taps, steps) if wide else (groups, taps, steps)
    block = max(1, PATCH_ELEMENTS // (height * width * depth))
    arguments = channel_scales(site.node, filters)
    narrow = result_lane(site.outputs[0])
    lane, w_lane = _factor_lanes(site, wide)
    pixel_shape = site.outputs[0].type.shape[1:]

    def arrange(w: Array) -> Array:
        matrix = w.reshape(filters, -1)
        return np.array(matrix.T if wide else matrix, w_lane, order="C")

    fixed = arrange(site.weights[1]) if 1 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = arrays[0]
        w = arrange(arrays[1]) if fixed is None else fixed
        y = np.empty((x.shape[0], *pixel_shape), narrow)
        rows = owned(x, lane).reshape(*x.shape[:2], -1)
        if wide or block >= y.shape[2]:
            loop(rows, w, *extra, *arguments, y)
            return (y,)
        for first in range(0, y.shape[2], block):
            shifted = taps + np.array((0, first * steps[1]), np.int64)
            piece = np.empty((*y.shape[:2], min(block, y.shape[2] - first), filters), narrow)
            loop(rows, w, groups, shifted, steps, *arguments, piece)
            y[:, :, first : first + block] = piece
        return (y,)

    return run


def _factor_lanes(site: Site, wide: bool) -> tuple[np.dtype[np.integer], np.dtype[np.integer]]:
    """Return the types in which a loop reads x and w.

    Dot products of i16 by i8 are the fastest (measured): an instruction adds pairs of them. Weights
    keep their width, as memory is what bounds a product of one row.
    """
    x, w = site.inputs[:2]
    if wide:
        return lane_of(x, w), lane_of(x, w)
    return (SHORT if lane_of(x) == BYTE else lane_of(x)), lane_of(w)


def _runs(node: Node, height: int, width: int, depth: int) -> tuple[Wide, Wide]:
    """Cut a patch into runs of elements that lie together (see `kernels.conv2d_deep`).

    A kernel row is one run, unless dilation or groups pull its columns apart.
    """
    top, left, _, _ = node.integers("padding")
    down, right = node.integers("strides")
    rows, columns = dilations_of(node)
    groups = node.integer("groups")
    together = width if columns == groups == 1 else 1
    # Not a list of pairs: one filter of one channel has as many taps as the model has weights.
    taps = np.empty((height, -(-width // together), 2), np.int64)
    taps[..., 0] = (np.arange(height, dtype=np.int64) * rows - top)[:, None]
    taps[..., 1] = (np.arange(0, width, together, dtype=np.int64) * columns - left) * depth * groups
    steps = np.array((down, right * depth * groups, together * depth), np.int64)
    return taps.reshape(-1, 2), steps


def make_depthwise(site: Site) -> Kernel:
    """Make the CONV2D of one filter for each channel."""
    loop = site.loops["conv2d_depthwise"]
    filters = site.inputs[1].type.shape[0]
    geometry = geometry_of(site.node, dilations_of(site.node))
    arguments = channel_scales(site.node, filters)
    lane, narrow = lane_of(*site.inputs), result_lane(site.outputs[0])
    pixel_shape = site.outputs[0].type.shape[1:]

    def arrange(w: Array) -> Array:
        return np.array(w[..., 0].transpose(1, 2, 0), lane, order="C")

    fixed = arrange(site.weights[1]) if 1 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = arrays[0]
        w = arrange(arrays[1]) if fixed is None else fixed
        y = np.empty((x.shape[0], *pixel_shape), narrow)
        loop(owned(x, lane), w, geometry, *arguments, y)
        return (y,)

    return run


def make_matmul(site: Site) -> Kernel:
    """Make MATMUL over pairs of matrices, the second one turned so that both are read along K."""
    loop, node = site.loops["matmul"], site.node
    turned = node.integer("transpose_b") == 1
    columns = site.outputs[0].type.shape[-1]
    per_tensor = len(node.integers("multipliers")) == 1
    fixed = None if per_tensor else channel_scales(node, columns)
    lane, narrow = lane_of(*site.inputs), result_lane(site.outputs[0])

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        a = owned(arrays[0], lane)
        b = owned(arrays[1] if turned else arrays[1].swapaxes(-1, -2), lane)
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        lefts, rights = (_matrices(m.shape[:-2], lead) for m in (a, b))
        y = np.empty((*lead, a.shape[-2], b.shape[-2]), narrow)
        loop(
            a.reshape(-1, *a.shape[-2:]),
            b.reshape(-1, *b.shape[-2:]),
            lefts,
            rights,
            *(fixed or channel_scales(node, b.shape[-2])),
            y.reshape(-1, *y.shape[-2:]),
        )
        return (y,)

    return run


def _matrices(own: tuple[int, ...], lead: tuple[int, ...]) -> Wide:
    """Return the index of an operand's matrix for each of the result's."""
    numbers = np.arange(prod(own), dtype=np.int64)
    if own == lead:
        return numbers
    return np.ascontiguousarray(np.broadcast_to(numbers.reshape(own), lead)).reshape(-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """One direction of a transposed convolution, in the form of `matrix_kernels.reach`."""

    window: Wide
    firsts: Wide

    def taps(self, loop: Loop, start: int, stop: int) -> Wide:
        """List the taps of positions `start` to `stop`."""
        found = np.empty((stop - start, 3), np.int64)
        loop(self.window, self.firsts, start, found)
        return found


def reach_of(axis: Axis) -> Reach:
    """Work out which taps come first, for each remainder by the stride."""
    shared = gcd(axis.stride, axis.dilation)
    period, step = axis.stride // shared, axis.dilation // shared
    firsts = np.full(axis.stride, -1, np.int64)
    taps = np.arange(min(period, axis.kernel), dtype=np.int64)
    firsts[taps * axis.dilation % axis.stride] = taps
    sizes = (axis.stride, axis.dilation, axis.before, period, step, axis.output, axis.kernel)
    return Reach(window=np.array(sizes, np.int64), firsts=firsts)


def make_conv_transpose2d(site: Site) -> Kernel:
    """Make CONV_TRANSPOSE2D, with the filters of a group last or, where they are few, first."""
    filters, height, width, depth = site.inputs[1].type.shape
    groups = site.node.integer("groups")
    each = filters // groups
    deep = int(each < FEW_CHANNELS and depth >= each)
    loop = site.loops["conv_transpose2d"]
    down, right = grown(site.node, site.inputs[0].type.shape, (height, width))
    both = reach_of(down), reach_of(right)
    steps = [int(entry) for direction in both for entry in direction.window[3:5]]
    reach = site.loops["reach"]
    scales = channel_scales(site.node, filters)
    lane, narrow = lane_of(*site.inputs), result_lane(site.outputs[0])
    pixel_shape = site.outputs[0].type.shape[1:]

    def arrange(w: Array) -> Array:
        grouped = w.reshape(groups, each, height, width, depth)
        order = (2, 3, 0, 1, 4) if deep else (2, 3, 0, 4, 1)
        return np.array(grouped.transpose(order), lane, order="C")

    fixed = arrange(site.weights[1]) if 1 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], lane)
        w = arrange(arrays[1]) if fixed is None else fixed
        y = np.empty((x.shape[0], *pixel_shape), narrow)
        # In tiles, so that the lists of taps stay small beside any result.
        for top in range(0, down.size, TILE):
            rows = both[0].taps(reach, top, min(top + TILE, down.size))
            for left in range(0, right.size, TILE):
                columns = both[1].taps(reach, left, min(left + TILE, right.size))
                tile = np.array((top, left, *steps), np.int64)
                loop(x, w, deep, tile, rows, columns, *scales, y)
        return (y,)

    return run
