"""Loops of the `numba` backend over tiles of products; rules and names as in `kernels`.

Imported only where numba compiles for a processor that has tiles (`tile_code.tile_width`): these
loops cannot run uncompiled. `tiles` prepares what they take.

zeros : array (1,)
    What padding is made of; each element of x that is put into `band` is turned by it (xor), which
    makes an i8 unsigned.
plan : int64 (10 + S + P,)
    The clamp's low and high, groups of a segment, segments S, and what the loop says; bytes from
    the start of a row of the left operand, or window, to each segment; bytes from the start of
    `band` to each such row, and to ROWS more. One array, as each costs a call a tenth of a
    microsecond.
panels : int8 (panels * S * groups * 16 * elements of a group,)
ends : int32 (panels, 4, 16)
    What is added to a sum, multiplier, shift, and the bias that GEMM_DYNAMIC adds later.
"""

from __future__ import annotations

from ai_ops.arithmetic import Wide
from ai_ops.backends.tile_code import ROWS, tile_one, tile_rows
from ai_ops.dtype import Array


def conv2d_tiles(
    x: Array,
    zeros: Array,
    band: Array,
    plan: Wide,
    panels: Array,
    ends: Array,
    y: Array,
) -> None:
    """Convolve x (B, H, W, C) into y (B, OH, OW, O), band by band of output rows.

    Windows are read from a band where they lie. A kernel row, or a tap, is one segment.

    plan[4:10]: stride of rows, padding at the top and at the left, rows of x that a window spans,
    output rows of a band, pixels of a row of the band.
    """
    height, width, channels = x.shape[1], x.shape[2], x.shape[3]
    rows, columns, filters = y.shape[1], y.shape[2], y.shape[3]
    low, high, count_segments = plan[0], plan[1], plan[3]
    segments, starts = plan[10:], plan[10 + count_segments :]
    row = plan[9] * channels
    begin = min(plan[6] * channels, row)
    end = min(begin + width * channels, row)
    flat, out, bias, zero = x.reshape(-1), y.reshape(-1), ends.reshape(-1), zeros[0]
    for b in range(x.shape[0]):
        for top in range(0, rows, plan[8]):
            high_rows = min(plan[8], rows - top)
            for i in range((high_rows - 1) * plan[4] + plan[7]):
                r = top * plan[4] - plan[5] + i
                line = band[i * row : (i + 1) * row]
                outside = r < 0 or r >= height
                if outside or end - begin < row:
                    for t in range(row):
                        line[t] = zero
                if outside:
                    continue
                at = (b * height + r) * width * channels
                source, inside = flat[at : at + end - begin], line[begin:end]
                for t in range(end - begin):
                    inside[t] = source[t] ^ zero
            pixels = high_rows * columns
            first_y = (b * rows + top) * columns * filters
            for p in range(ends.shape[0]):
                count = min(16, filters - p * 16)
                if pixels == 1:
                    tile_one(
                        band, starts, 0, segments, count_segments, plan[2], panels, p, bias, 0,
                        low, high, out, first_y + p * 16, filters, 1, count,
                    )  # fmt: skip
                    continue
                for first in range(0, pixels, ROWS):
                    tile_rows(
                        band, starts, first, segments, count_segments, plan[2], panels, p, bias, 0,
                        low, high, out, first_y + first * filters + p * 16, filters,
                        min(ROWS, pixels - first), count,
                    )  # fmt: skip


def gemm_dynamic_tiles(
    x: Array,
    zeros: Array,
    band: Array,
    a: Array,
    plan: Wide,
    panels: Array,
    ends: Array,
    y: Array,
) -> None:
    """Take x (M, K) and a int32 (M,) to y (M, N), plan[8] rows at a time."""
    units, depth = y.shape[1], x.shape[1]
    low, high, groups, segments, starts = plan[0], plan[1], plan[2], plan[10:], plan[11:]
    block, count_panels = plan[8], ends.shape[0]
    flat, out, bias = x.reshape(-1), y.reshape(-1), ends.reshape(-1)
    zero = zeros[0]
    for top in range(0, x.shape[0], block):
        rows = min(block, x.shape[0] - top)
        source = flat[top * depth : (top + rows) * depth]
        for t in range(rows * depth):
            band[t] = source[t] ^ zero
        part = a[top : top + rows]
        for p in range(count_panels):
            count = min(16, units - p * 16)
            at = top * units + p * 16
            if rows == 1:
                tile_one(
                    band, starts, 0, segments, 1, groups, panels, p, bias, part,
                    low, high, out, at, units, 1, count,
                )  # fmt: skip
                continue
            for first in range(0, rows, ROWS):
                tile_rows(
                    band, starts, first, segments, 1, groups, panels, p, bias, part,
                    low, high, out, at + first * units, units, min(ROWS, rows - first), count,
                )  # fmt: skip
