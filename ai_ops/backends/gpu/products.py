"""Lowering of operators that sum products: dense layers, matrices, convolutions."""

from __future__ import annotations

from math import prod

import numpy as np

from ai_ops.backends.gpu.device import NOWHERE, Launch, Place
from ai_ops.backends.gpu.job import Job, Tensor, blocks_for, clamp_of, over_elements
from ai_ops.dtype import Array, DType

TILES = (64, 128)
FEW_TILES = 132
"""Below so many large tiles a card's processors would idle, so small ones are used."""
TURNED = 0x80808080
SLICE = 64
ALIGNED = 16
NARROW = 8
"""Up to so many rows one warp computes one column; tensor cores would idle."""


def lower_gemm(job: Job) -> list[Launch]:
    """GEMM and GEMM_DYNAMIC."""
    x, w = job.inputs[0], job.inputs[-1]
    (y,) = job.outputs
    units, depth = w.shape
    rows = x.elements // depth
    dynamic = job.node.operator == "GEMM_DYNAMIC"
    row_scales = job.inputs[1].place if dynamic else NOWHERE
    position = len(job.inputs) - 1
    kept = position in job.weights
    if not fits_bytes(x, w, kept=kept):
        return [_any_product(job, x, w, (rows, units, depth), (depth, 1, depth, 1))]
    place, stride = (
        (job.keep("rows", lambda: padded_rows(job.weights[position])), up(depth, SLICE))
        if kept
        else (w.place, depth)
    )
    turned, table = turned_scales(job, x, units, position)
    places = (x.place, place, table, y.place, row_scales)
    names = "_dynamic" if dynamic else ""
    head = (rows, units, depth, y.dtype.code, *clamp_of(job.node))
    if kept and rows <= NARROW:
        each = 1 if rows == 1 else 4
        groups = blocks_for(rows, each)
        return [
            Launch(
                kernel=f"narrow{names}_{'one' if each == 1 else 'four'}",
                blocks=groups * blocks_for(units, 4),
                threads=128,
                pointers=places,
                integers=(*head, stride, groups, turned),
            )
        ]
    kind = f"product{names}_{'rows' if depth % ALIGNED == 0 else 'strided'}"
    strides = (depth, 1, stride, 1)
    return [tiled(job, kind, places, head, strides, batch=1, y_stride=units, turned=turned)]


def fits_bytes(x: Tensor, w: Tensor, *, kept: bool) -> bool:
    """Return whether a product's operands are 8-bit ones that the fast kernels take."""
    return w.dtype is DType.I8 and (x.dtype is DType.I8 or (x.dtype is DType.U8 and kept))


def turned_scales(job: Job, x: Tensor, channels: int, position: int) -> tuple[int, Place]:
    """Return the bits to turn in x and the scale table that makes up for them."""
    if x.dtype is DType.I8:
        return 0, job.scales(channels)
    return TURNED, job.scales(channels, job.weights[position])


def tiled(
    job: Job,
    kind: str,
    places: tuple[Place, ...],
    head: tuple[int, ...],
    strides: tuple[int, int, int, int],
    *,
    batch: int,
    y_stride: int,
    patches: tuple[int, ...] = (0,) * 13,
    groups: int = 1,
    turned: int = 0,
) -> Launch:
    """Launch a kernel of kernels/tensorcore.cuh.

    Parameters
    ----------
    kind : str
        The kernel's name without its tile.
    head : tuple of int
        Rows, columns, depth, dtype of y, low, high.
    strides : tuple of int
        Row and depth stride of x, then of w.
    batch : int
        Matrices, or groups of a convolution.
    y_stride : int
        Elements of y from row to row.
    patches : tuple of 13 int
        Geometry of a convolution.
    turned : int
        Bits of x to turn.
    """
    small, large = TILES
    many = blocks_for(head[0], large) * blocks_for(head[1], large) * batch >= FEW_TILES
    tile = job.tile or (large if many else small)
    if kind.endswith(("strided", "halves", "pixels")):
        tile = small
    tiles = (blocks_for(head[0], tile), blocks_for(head[1], tile))
    return Launch(
        kernel=f"{kind}_{tile}",
        blocks=tiles[0] * tiles[1] * batch,
        threads=128,
        pointers=places,
        integers=(*head, *tiles, *strides, *patches, groups, y_stride, turned),
    )


def _any_product(
    job: Job,
    x: Tensor,
    w: Tensor,
    sizes: tuple[int, int, int],
    strides: tuple[int, int, int, int],
    batch: int = 1,
    offsets: tuple[Place, Place] = (NOWHERE, NOWHERE),
) -> Launch:
    (y,) = job.outputs
    integers = (
        *sizes,
        y.dtype.code,
        *clamp_of(job.node),
        x.dtype.code,
        w.dtype.code,
        *strides,
        batch,
    )
    places = (x.place, w.place, job.scales(sizes[1]), y.place, NOWHERE, *offsets)
    return over_elements("product_any", y.elements, places, integers)


def lower_matmul(job: Job) -> list[Launch]:
    """MATMUL: one matrix of the batch after another along the grid."""
    x, w = job.inputs
    (y,) = job.outputs
    rows, columns = y.shape[-2:]
    depth = x.shape[-1]
    transposed = bool(job.node.integer("transpose_b"))
    batch = y.elements // (rows * columns)
    lead = y.shape[:-2]
    strides = (depth, 1, *((depth, 1) if transposed else (1, columns)))
    offsets = (NOWHERE, NOWHERE)
    if batch > 1:
        offsets = (
            job.keep_here(f"x of {x.shape}", lambda: matrix_offsets(x.shape, lead)),
            job.keep_here(f"w of {w.shape}", lambda: matrix_offsets(w.shape, lead)),
        )
    if not x.dtype is w.dtype is DType.I8:
        return [_any_product(job, x, w, (rows, columns, depth), strides, batch, offsets)]
    aligned = transposed and depth % ALIGNED == 0
    return [
        tiled(
            job,
            "product_rows" if aligned else "product_strided",
            (x.place, w.place, job.scales(columns), y.place, NOWHERE, *offsets),
            (rows, columns, depth, y.dtype.code, *clamp_of(job.node)),
            strides,
            batch=batch,
            y_stride=columns,
        )
    ]


def matrix_offsets(shape: tuple[int, ...], lead: tuple[int, ...]) -> Array:
    """Return where each matrix of a batch begins, in elements, leading dimensions repeated."""
    own = shape[:-2]
    begins = np.arange(prod(own), dtype=np.int64) * (shape[-2] * shape[-1])
    return np.ascontiguousarray(np.broadcast_to(begins.reshape(own), lead)).reshape(-1)


def lower_conv_transpose2d(job: Job) -> list[Launch]:
    """CONV_TRANSPOSE2D."""
    x, w = job.inputs
    (y,) = job.outputs
    fast = x.dtype is w.dtype is DType.I8 and 1 in job.weights
    words = -(-w.shape[3] // 4) if fast else 0
    place = job.keep("words", lambda: packed_words(job.weights[1])) if fast else w.place
    return [_windowed(job, "convolve_transposed", place, words, y.elements)]


def lower_conv2d(job: Job) -> list[Launch]:
    """CONV2D: tensor cores, or 4-way dot products where groups are narrow."""
    x, w = job.inputs
    (y,) = job.outputs
    filters, _, _, depth = w.shape
    groups = job.node.integer("groups")
    own = filters // groups
    fast = 1 in job.weights and fits_bytes(x, w, kept=True)
    if fast and (groups == 1 or (depth >= SLICE and own >= SLICE)):
        return [_patches(job, groups)]
    words = -(-depth // 4)
    if fast and own == depth == 1 and filters % 4 == 0:
        place = job.keep("taps", lambda: packed_taps(job.weights[1]))
        return [_windowed(job, "convolve_depthwise", place, words, y.elements // 4, fast=True)]
    if fast:
        place = job.keep("words", lambda: packed_words(job.weights[1]))
        return [_windowed(job, "convolve_grouped", place, words, y.elements, fast=True)]
    return [_windowed(job, "convolve_any", w.place, words, y.elements)]


def _windowed(
    job: Job, kernel: str, weights: Place, words: int, threads: int, *, fast: bool = False
) -> Launch:
    """Launch one of the convolutions of kernels/dot.cuh; a fast one takes u8 as turned i8."""
    x, w = job.inputs
    (y,) = job.outputs
    filters, height, width, depth = w.shape
    top, left, _, _ = job.node.integers("padding")
    turned, table = turned_scales(job, x, filters, 1) if fast else (0, job.scales(filters))
    integers = (
        *(y.elements, y.dtype.code, *clamp_of(job.node), x.dtype.code, w.dtype.code),
        *x.shape[1:],
        *(depth, filters, filters // job.node.integer("groups"), height, width),
        *(*job.node.integers("strides"), *job.node.integers("dilations"), top, left),
        *(y.shape[1], y.shape[2], words, turned),
    )
    places = (x.place, weights, table, y.place)
    return over_elements(kernel, threads, places, integers)


def _patches(job: Job, groups: int) -> Launch:
    x, w = job.inputs
    (y,) = job.outputs
    filters, height, width, depth = w.shape
    deep = height * width * depth
    top, left, _, _ = job.node.integers("padding")
    patches = (
        *x.shape[1:],
        *(depth, width),
        *job.node.integers("strides"),
        *job.node.integers("dilations"),
        *(top, left, y.shape[1], y.shape[2]),
    )
    place = job.keep("rows", lambda: padded_rows(job.weights[1].reshape(filters, deep)))
    kind = "patches" if depth % ALIGNED == 0 else "halves" if depth % 8 == 0 else "pixels"
    turned, table = turned_scales(job, x, filters, 1)
    return tiled(
        job,
        f"product_{kind}",
        (x.place, place, table, y.place),
        (y.elements // filters, filters // groups, deep, y.dtype.code, *clamp_of(job.node)),
        (0, 0, up(deep, SLICE), 1),
        batch=groups,
        y_stride=filters,
        patches=patches,
        groups=groups,
        turned=turned,
    )


def up(size: int, multiple: int) -> int:
    """Round up to a multiple."""
    return -(-size // multiple) * multiple


def padded_rows(w: Array) -> Array:
    """Return w (N, K) with rows padded by zeros to a multiple of 64 bytes."""
    rows, depth = w.shape
    result = np.zeros((rows, up(depth, SLICE)), np.int8)
    result[:, :depth] = w
    return result


def packed_taps(w: Array) -> Array:
    """Return w (C, KH, KW, 1) as (taps / 4, C, 4), taps padded by zeros."""
    channels = w.shape[0]
    taps = w.reshape(channels, -1)
    result = np.zeros((channels, up(taps.shape[1], 4)), np.int8)
    result[:, : taps.shape[1]] = taps
    return np.ascontiguousarray(result.reshape(channels, -1, 4).transpose(1, 0, 2))


def packed_words(w: Array) -> Array:
    """Return w (O, KH, KW, I) with I padded by zeros to a multiple of 4."""
    result = np.zeros((*w.shape[:3], up(w.shape[3], 4)), np.int8)
    result[..., : w.shape[3]] = w
    return result
