"""Kernels of the `numba` backend from tiles of products: GEMM, CONV2D and GEMM_DYNAMIC.

Weights are put into panels when a model is loaded: 16 filters, whose elements lie in groups one
after another along the depth (four bytes a group, or two where the left operand is of i16). Each
segment is filled up with zeros to whole groups, so what is read behind it does not count.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.base import Kernel
from ai_ops.backends.site import Site, owned, result_lane
from ai_ops.dtype import Array, DType
from ai_ops.ops.conv2d import dilations_of

PANEL = 16
# What stays in the nearest caches beside the panels.
BAND_BYTES = 2**15
BYTE, SHORT, LONG = DType.I8.numpy, DType.I16.numpy, DType.I32.numpy
UNSIGNED = np.dtype(np.uint8)
VNNI = 512
# The constants of a filter take a hundred bytes while they are prepared.
FEW_ELEMENTS = 8
MOST_PADDED = 6
# A band may take so many bytes for each byte of an image, and so many on top: one of windows that
# are mostly gaps would take gigabytes for four weights.
MOST_BAND, SMALL_BAND = 8, 2**18


def takes_tiles(site: Site, weight: int = 1) -> bool:
    """Tell whether this processor has tiles for a product of `inputs[0]` and fixed weights.

    Filters of few elements, and panels that would be padding mostly, keep the plain loops: both
    would take many times the memory of the weights (`ai_ops.memory`).
    """
    x, w = site.inputs[0].type.dtype, site.inputs[weight].type
    if not site.tile_bits or weight not in site.weights or w.dtype is not DType.I8:
        return False
    filters, elements = w.shape[0], prod(w.shape[1:])
    run = w.shape[-1]
    if len(w.shape) == 4 and dilations_of(site.node)[1] == 1:
        run *= w.shape[2]
    padded = -(-filters // PANEL) * PANEL * (elements // run) * -(-run // 4) * 4
    few = elements < FEW_ELEMENTS or padded > MOST_PADDED * filters * elements
    return x.itemsize < 4 and not few


def fits_band(site: Site) -> bool:
    """Tell whether the rows that a row of results reads are no more than the image explains."""
    height, width = site.inputs[1].type.shape[1:3]
    rows, columns = dilations_of(site.node)
    reach = (height - 1) * rows + 1
    step = site.node.integers("strides")[1]
    band_width = (site.outputs[0].type.shape[2] - 1) * step + (width - 1) * columns + 1
    image = site.inputs[0].type
    band = reach * band_width * image.shape[3] * left_of(site).kept.itemsize
    size = image.size(1) // abs(image.shape[0])
    return band <= SMALL_BAND + MOST_BAND * size


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """How the left operand reaches a loop, and how the loop keeps it.

    Parameters
    ----------
    given, kept : dtype
    flip : int
        What an element is turned by (xor) as it is kept: 128 makes an i8 unsigned and 128 larger.
    """

    given: np.dtype[np.integer]
    kept: np.dtype[np.integer]
    flip: int

    @property
    def group(self) -> int:
        """Elements that lie together."""
        return 4 // self.kept.itemsize

    @property
    def zeros(self) -> Array:
        """Return what padding is made of, as an array of one for the loop."""
        return np.array([self.flip], np.int64).astype(self.given)

    def of(self, x: Array) -> Array:
        """Give the loop its operand."""
        if x.dtype is not self.given and self.given.itemsize == 1:
            x = x.view(BYTE)
        return owned(x, self.given)


def left_of(site: Site) -> Left:
    """Choose the form of the left operand: bytes for VNNI, else i16."""
    x = site.inputs[0].type.dtype
    if x is not DType.I16 and site.tile_bits == VNNI:
        return Left(given=BYTE, kept=UNSIGNED, flip=128 if x is DType.I8 else 0)
    return Left(given=BYTE if x is DType.I8 else SHORT, kept=SHORT, flip=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Weights in panels with the constants of their ends, and the groups of a segment."""

    panels: Array
    ends: Array
    groups: int


def right_of(site: Site, left: Left, w: Array) -> Right:
    """Put weights (filters, segments, elements) and a node's constants into panels."""
    filters, segments, elements = w.shape
    group = left.group
    groups, count = -(-elements // group), -(-filters // PANEL)
    padded = np.zeros((count * PANEL, segments, groups * group), BYTE)
    padded[:filters, :, :elements] = w
    order = padded.reshape(count, PANEL, segments, groups, group).transpose(0, 2, 3, 1, 4)
    late = 3 if site.node.operator == "GEMM_DYNAMIC" else 0
    fields = np.zeros((count * PANEL, 4), np.int64)
    fields[:filters, late] = site.node.integers("bias") or (0,)
    # The sums are larger by the flip times the weights; they wrap, and so does this.
    fields[:filters, 0] -= left.flip * w.sum(axis=(1, 2), dtype=np.int64)
    fields[:filters, 1] = site.node.integers("multipliers")
    fields[:, 2] = 1
    fields[:filters, 2] = site.node.integers("shifts")
    ends = fields.astype(np.int32).reshape(count, PANEL, 4).transpose(0, 2, 1)
    return Right(
        panels=np.array(order, BYTE, order="C").reshape(-1),
        ends=np.array(ends, LONG, order="C"),
        groups=groups,
    )


def make_tiled_gemm(site: Site) -> Kernel:
    """Make GEMM: a convolution of one column with 1 x 1 kernels."""
    units, depth = site.inputs[1].type.shape
    left = left_of(site)
    right = right_of(site, left, site.weights[1].reshape(units, 1, depth))
    loop, block = site.loops["conv2d_tiles"], _block(site, left, depth)
    constants = (_plan_of_rows(site, left, right, block, depth), right.panels, right.ends)
    zeros, dtype = left.zeros, result_lane(site.outputs[0])

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = left.of(arrays[0])
        rows = x.size // depth
        band = np.empty(min(rows + site.tile_rows, block) * depth + 64, left.kept)
        y = np.empty((*x.shape[:-1], units), dtype)
        loop(
            x.reshape(1, rows, 1, depth), zeros, band, *constants, y.reshape(1, rows, 1, units)
        )  # fmt: skip
        return (y,)

    return run


def make_tiled_gemm_dynamic(site: Site) -> Kernel:
    """Make GEMM_DYNAMIC."""
    units, depth = site.inputs[2].type.shape
    left = left_of(site)
    right = right_of(site, left, site.weights[2].reshape(units, 1, depth))
    loop, block = site.loops["gemm_dynamic_tiles"], _block(site, left, depth)
    constants = (_plan_of_rows(site, left, right, block, depth), right.panels, right.ends)
    zeros, dtype = left.zeros, result_lane(site.outputs[0])

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x, a = left.of(arrays[0]), owned(arrays[1], LONG)
        rows = x.size // depth
        band = np.empty(min(rows + site.tile_rows, block) * depth + 64, left.kept)
        y = np.empty((*x.shape[:-1], units), dtype)
        loop(
            x.reshape(rows, depth), zeros, band, a.reshape(-1), *constants, y.reshape(rows, units)
        )  # fmt: skip
        return (y,)

    return run


def make_tiled_conv2d(site: Site) -> Kernel:
    """Make the CONV2D of one group."""
    filters, height, width, depth = site.inputs[1].type.shape
    top, leading, _, _ = site.node.integers("padding")
    down, right_step = site.node.integers("strides")
    rows, columns = dilations_of(site.node)
    pixel_shape = site.outputs[0].type.shape[1:]
    left = left_of(site)
    size = left.kept.itemsize
    # A kernel row is one segment, unless dilation pulls its columns apart.
    together = width if columns == 1 else 1
    w = site.weights[1].reshape(filters, -1, together * depth)
    right = right_of(site, left, w)
    reach = (height - 1) * rows + 1
    band_width = (pixel_shape[1] - 1) * right_step + (width - 1) * columns + 1
    row = band_width * depth
    fitting = (BAND_BYTES // (row * size) - reach) // down + 1
    band_rows = min(max(fitting, 1), pixel_shape[0])
    segments = [
        (p * rows * row + q * columns * depth) * size
        for p in range(height)
        for q in range(0, width, together)
    ]
    pixels = np.arange(band_rows * pixel_shape[1], dtype=np.int64)
    i, j = np.divmod(pixels, pixel_shape[1])
    starts = (i * down * row + j * right_step * depth) * size
    band_elements = ((band_rows - 1) * down + reach) * row + 64
    window = (down, top, leading, reach, band_rows, band_width)
    plan = _plan(site, right, window, segments, starts)
    constants = (plan, right.panels, right.ends)
    loop, zeros, dtype = site.loops["conv2d_tiles"], left.zeros, result_lane(site.outputs[0])
    kept = left.kept

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = left.of(arrays[0])
        y = np.empty((len(x), *pixel_shape), dtype)
        loop(x, zeros, np.empty(band_elements, kept), *constants, y)
        return (y,)

    return run


def _plan(
    site: Site, right: Right, window: tuple[int, ...], segments: list[int], starts: Wide
) -> Wide:
    """Put together what a loop over tiles needs to know (see `tile_kernels`)."""
    clamp = site.node.integer("minimum"), site.node.integer("maximum")
    # A tile may begin at any row: the last start is there for those behind it.
    behind = np.repeat(starts[-1:], site.tile_rows)
    numbers = np.array((*clamp, right.groups, len(segments), *window, *segments), np.int64)
    return np.concatenate((numbers, starts, behind))


def _block(site: Site, left: Left, depth: int) -> int:
    """Return how many rows are kept at a time."""
    return max(BAND_BYTES // (depth * left.kept.itemsize) // site.tile_rows, 1) * site.tile_rows


def _plan_of_rows(site: Site, left: Left, right: Right, block: int, depth: int) -> Wide:
    """Plan a product of rows as the convolution of one column."""
    starts = np.arange(block, dtype=np.int64) * depth * left.kept.itemsize
    return _plan(site, right, (1, 0, 0, 1, block, 1), [0], starts)
