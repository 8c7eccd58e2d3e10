"""Kernels of the `numba` backend for operators on sequences."""

from __future__ import annotations

from math import prod

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.base import Kernel
from ai_ops.backends.site import Site, channel_scales, lane_of, owned
from ai_ops.backends.tiles import make_tiled_gemm_dynamic, takes_tiles
from ai_ops.dtype import Array, DType
from ai_ops.graph import SYMBOLIC, Node
from ai_ops.ops.attention import heads_of
from ai_ops.ops.exponential import weights
from ai_ops.ops.sample import chosen
from ai_ops.ops.table16 import STEP_BITS
from ai_ops.ops.top_k import first_largest

BYTE, SHORT, LONG = DType.I8.numpy, DType.I16.numpy, DType.I32.numpy
FAR = 4_096
# From here on selecting is faster than sorting whole rows (measured).
LONG_ROW = 256
# Scores in memory at once: a head's queries are taken in blocks.
BLOCK_ELEMENTS = 2**18


def make_dynamic_quantize(site: Site) -> Kernel:
    """Make DYNAMIC_QUANTIZE."""
    loop = site.loops["dynamic_quantize"]

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], SHORT)
        q, a = np.empty(x.shape, BYTE), np.empty((*x.shape[:-1], 1), LONG)
        loop(x.reshape(-1, x.shape[-1]), q.reshape(-1, x.shape[-1]), a.reshape(-1, 1))
        return (q, a)

    return run


def make_gemm_dynamic(site: Site) -> Kernel:
    """Make GEMM_DYNAMIC: tiles, or dot products."""
    if takes_tiles(site, 2):
        return make_tiled_gemm_dynamic(site)
    loop, narrow = site.loops["gemm_dynamic"], lane_of(*site.outputs)
    units, depth = site.inputs[2].type.shape
    arguments = channel_scales(site.node, units)
    fixed = owned(site.weights[2], BYTE) if 2 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        # Products of i16 and i8 are faster vector code than those of i8 (measured).
        q, a = owned(arrays[0], SHORT), owned(arrays[1], LONG)
        w = owned(arrays[2], BYTE) if fixed is None else fixed
        y = np.empty((*q.shape[:-1], units), narrow)
        loop(q.reshape(-1, depth), a.reshape(-1, 1), w, *arguments, y.reshape(-1, units))
        return (y,)

    return run


def make_attention(site: Site) -> Kernel:
    """Make ATTENTION: four loops for each head and block of queries."""
    scores_of, shares_of, sums_of, means_of = (
        site.loops[f"attention_{part}"] for part in ("scores", "shares", "sums", "means")
    )
    node, narrow = site.node, lane_of(*site.outputs)
    width = site.inputs[0].type.shape[-1]
    heads = heads_of(node, width)
    arguments = channel_scales(node, width)
    one = (1 << node.integer("probability_bits")) - 1
    table = np.array((one * weights(_distances()) + (1 << 14)) >> 15, LONG)
    scale = _scale(node)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        batch, queries, keys = prod(arrays[0].shape[:-2]), arrays[0].shape[-2], arrays[1].shape[-2]
        q = owned(arrays[0], BYTE).reshape(batch, queries, heads.count, heads.depth)
        k, v = (owned(x, BYTE).reshape(batch, keys, heads.shared, heads.depth) for x in arrays[1:3])
        valid = min(max(int(arrays[3][0]), 0), keys) if len(arrays) > 3 else keys
        y = np.empty(q.shape, narrow)
        block = min(queries, max(1, BLOCK_ELEMENTS // keys))
        scores, shares = np.empty((block, keys), LONG), np.empty((block, keys), SHORT)
        totals, sums = np.empty(block, np.int64), np.empty((block, heads.depth), np.int64)
        for b in range(batch):
            for head in range(heads.count):
                for first in range(0, queries, block):
                    rows = min(block, queries - first)
                    # Keys that the first query of the block sees.
                    seen = first + valid - queries + 1 if node.integer("causal") else keys
                    shared = head // (heads.count // heads.shared)
                    at = np.array((b, head, shared, first, rows, valid, seen), np.int64)
                    scores_of(q, k, at, scores)
                    shares_of(scores, at, scale, table, shares, totals)
                    sums_of(v, at, shares, sums)
                    means_of(sums, at, totals, *arguments, y)
        return (y.reshape(arrays[0].shape),)

    return run


def make_softmax(site: Site) -> Kernel:
    """Make SOFTMAX."""
    loop, one, scale = site.loops["softmax"], site.node.integer("one"), _scale(site.node)
    table = np.array(weights(_distances()), LONG)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], LONG)
        y = np.empty(x.shape, LONG)
        rows = (-1, x.shape[-1])
        loop(x.reshape(rows), scale, table, one, y.reshape(rows))
        return (y,)

    return run


def make_norm(site: Site) -> Kernel:
    """Make LAYER_NORM or RMS_NORM."""
    loop, node, narrow = site.loops["norm"], site.node, _short_lane(site)
    width = site.inputs[0].type.shape[-1]
    centred = int(node.operator == "LAYER_NORM")
    gamma, beta = np.zeros(width, np.int64), np.zeros(width, np.int64)
    gamma[:] = node.integers("gamma")
    if centred and node.integers("beta"):
        beta[:] = node.integers("beta")
    fields = tuple(node.integer(name) for name in ("epsilon", "shift", "minimum", "maximum"))

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], LONG)
        y = np.empty(x.shape, narrow)
        loop(x.reshape(-1, width), centred, gamma, beta, *fields, y.reshape(-1, width))
        return (y,)

    return run


def make_table16(site: Site) -> Kernel:
    """Make TABLE16, per channel."""
    loop, narrow = site.loops["table16"], _short_lane(site)
    channels = site.inputs[0].type.shape[-1]
    table = np.array(site.node.integers("table"), LONG)
    lines = (table[:-1] << STEP_BITS, np.diff(table))
    scales, low, high = channel_scales(site.node, 1 if channels == SYMBOLIC else channels)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], SHORT)
        y = np.empty(x.shape, narrow)
        rows = (-1, x.shape[-1])
        own = np.repeat(scales, x.shape[-1], axis=1) if channels == SYMBOLIC else scales
        loop(x.reshape(rows), *lines, own, low, high, y.reshape(rows))
        return (y,)

    return run


def make_rope(site: Site) -> Kernel:
    """Make ROPE."""
    loop, least = site.loops["rope"], site.inputs[0].type.dtype.minimum
    depth = 2 * site.inputs[1].type.shape[1]
    interleaved = site.node.integer("interleaved")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x, cos, sin = (owned(array, SHORT) for array in arrays[:3])
        offset = int(arrays[3][0]) if len(arrays) > 3 else 0
        y = np.empty(x.shape, SHORT)
        split = (-1, x.shape[-2], x.shape[-1] // depth, depth)
        loop(x.reshape(split), cos, sin, offset, interleaved, least, y.reshape(split))
        return (y,)

    return run


def make_top_k(site: Site) -> Kernel:
    """Make TOP_K."""
    k = site.node.integer("k")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        indices = _largest(site, arrays[0], k)
        return (np.take_along_axis(arrays[0], indices, axis=-1), indices)

    return run


def make_sample(site: Site) -> Kernel:
    """Make SAMPLE."""
    top_k = site.node.integer("top_k")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        kept = _largest(site, arrays[0].reshape(-1), top_k)
        return (chosen(site.node, arrays, kept),)

    return run


def _largest(site: Site, x: Array, k: int) -> Array:
    """Return the indices (..., k) of the largest: select them, then sort what is left."""
    if x.shape[-1] < LONG_ROW:
        return first_largest(x, k)
    rows = owned(x, LONG).reshape(-1, x.shape[-1])
    kept = np.empty((len(rows), k), LONG)
    site.loops["largest"](rows, kept)
    order = first_largest(np.take_along_axis(rows, kept, axis=1), k)
    return np.take_along_axis(kept, order, axis=1).reshape(*x.shape[:-1], k)


def _distances() -> Wide:
    """Every distance below the largest that has a weight, and the first that has none."""
    return np.arange(FAR + 1, dtype=np.int64)


def _scale(node: Node) -> Wide:
    shift = node.integer("shift")
    return np.array((node.integer("multiplier"), 1 << (shift - 1), shift), np.int64)


def _short_lane(site: Site) -> np.dtype[np.integer]:
    """Return the type in which results leave their loop: i16 or i32."""
    return LONG if site.outputs[0].type.dtype is DType.I32 else SHORT
