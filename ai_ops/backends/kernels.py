"""Loops of the `numba` backend, in the subset of Python that numba compiles.

They are plain functions: `ai_ops.backends.numba_backend` compiles them, and a test runs them as they stand.
Accumulators are i32: validation proved that no sum of products leaves it, so neither the order of
the additions nor the width of the vector unit can matter. What follows the sum has 64 bits.

Parameters that several share:

scales : int64 (4, C)
    For each channel: bias, multiplier, rounding term 2^(shift - 1), shift.
low, high : int
    The clamp.
geometry : int64 (6,)
    Stride, dilation and leading padding, each for rows and columns.
y : array
    The result, written whole.
"""

# Comparisons, not min() and max(), become vector code; elements are copied one by one because the
# compiler turns such loops into block moves, while slices cost a call.
# ruff: noqa: PLR1730

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array

# From so many channels on, a loop over them is vector code that pays.
FEW_CHANNELS = 8


def gemm(x: Array, w: Array, scales: Wide, low: int, high: int, y: Array) -> None:
    """Take x (M, K) and w (N, K) to y (M, N)."""
    bias, multipliers, halves, shifts = scales[0], scales[1], scales[2], scales[3]
    acc = np.zeros(w.shape[0], np.int32)
    for i in range(x.shape[0]):
        for j in range(w.shape[0]):
            total = np.int32(0)
            for k in range(w.shape[1]):
                total = np.int32(total + np.int32(np.int32(x[i, k]) * np.int32(w[j, k])))
            acc[j] = total
        for j in range(w.shape[0]):
            v = ((np.int64(acc[j]) + bias[j]) * multipliers[j] + halves[j]) >> shifts[j]
            if v < low:
                v = np.int64(low)
            if v > high:
                v = np.int64(high)
            y[i, j] = v


def conv2d_deep(
    x: Array,
    w: Array,
    groups: int,
    taps: Wide,
    steps: Wide,
    scales: Wide,
    low: int,
    high: int,
    y: Array,
) -> None:
    """Gather the patches of an output row, then one dot product for each pixel and filter.

    A patch is made of runs: row = steps[2] elements that lie together in a row of x. Run p of the patch at
    output (i, j) in group g begins in row ``i * steps[0] + taps[p, 0]`` at element
    ``j * steps[1] + taps[p, 1] + g * row``; what lies outside x is 0. With several groups a run
    is the part of one pixel that belongs to the group.

    x (B, H, W * C), w (O, taps * row), taps int64 (T, 2), steps int64 (3,), y (B, OH, OW, O).
    """
    bias, multipliers, halves, shifts = scales[0], scales[1], scales[2], scales[3]
    height, width, row = x.shape[1], x.shape[2], steps[2]
    columns, depth, filters = y.shape[2], w.shape[1], w.shape[0] // groups
    patch = np.zeros((columns, depth), x.dtype)
    acc = np.zeros(filters, np.int32)
    for b in range(x.shape[0]):
        for i in range(y.shape[1]):
            for g in range(groups):
                for p in range(taps.shape[0]):
                    r = i * steps[0] + taps[p, 0]
                    inside = r >= 0 and r < height
                    at = p * row
                    for j in range(columns):
                        start = j * steps[1] + taps[p, 1] + g * row
                        if inside and start >= 0 and start + row <= width:
                            for t in range(row):
                                patch[j, at + t] = x[b, r, start + t]
                        else:
                            for t in range(row):
                                patch[j, at + t] = 0
                            if inside:
                                for t in range(max(0, -start), min(row, width - start)):
                                    patch[j, at + t] = x[b, r, start + t]
                for j in range(columns):
                    for o in range(filters):
                        f = g * filters + o
                        total = np.int32(0)
                        for k in range(depth):
                            product = np.int32(np.int32(patch[j, k]) * np.int32(w[f, k]))
                            total = np.int32(total + product)
                        acc[o] = total
                    for o in range(filters):
                        f = g * filters + o
                        v = ((np.int64(acc[o]) + bias[f]) * multipliers[f] + halves[f]) >> shifts[f]
                        if v < low:
                            v = np.int64(low)
                        if v > high:
                            v = np.int64(high)
                        y[b, i, j, f] = v


def conv2d_wide(
    x: Array,
    w: Array,
    taps: Wide,
    steps: Wide,
    scales: Wide,
    low: int,
    high: int,
    y: Array,
) -> None:
    """Add input elements, four at a time, to all filters: for many filters of little depth.

    As `conv2d_deep`, but for w (taps * row, O).
    """
    bias, multipliers, halves, shifts = scales[0], scales[1], scales[2], scales[3]
    height, width, row, filters = x.shape[1], x.shape[2], steps[2], w.shape[1]
    acc = np.zeros(filters, np.int32)
    for b in range(x.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for o in range(filters):
                    acc[o] = 0
                for p in range(taps.shape[0]):
                    r = i * steps[0] + taps[p, 0]
                    if r < 0 or r >= height:
                        continue
                    start = j * steps[1] + taps[p, 1]
                    at = p * row
                    t = max(0, -start)
                    last = min(row, width - start)
                    while t + 3 < last:
                        e0 = np.int32(x[b, r, start + t])
                        e1 = np.int32(x[b, r, start + t + 1])
                        e2 = np.int32(x[b, r, start + t + 2])
                        e3 = np.int32(x[b, r, start + t + 3])
                        for o in range(filters):
                            acc[o] += (
                                np.int32(e0 * np.int32(w[at + t, o]))
                                + np.int32(e1 * np.int32(w[at + t + 1, o]))
                                + np.int32(e2 * np.int32(w[at + t + 2, o]))
                                + np.int32(e3 * np.int32(w[at + t + 3, o]))
                            )
                        t += 4
                    while t < last:
                        e0 = np.int32(x[b, r, start + t])
                        for o in range(filters):
                            acc[o] += np.int32(e0 * np.int32(w[at + t, o]))
                        t += 1
                for o in range(filters):
                    v = ((np.int64(acc[o]) + bias[o]) * multipliers[o] + halves[o]) >> shifts[o]
                    if v < low:
                        v = np.int64(low)
                    if v > high:
                        v = np.int64(high)
                    y[b, i, j, o] = v


def conv2d_depthwise(
    x: Array, w: Array, geometry: Wide, scales: Wide, low: int, high: int, y: Array
) -> None:
    """One filter for each channel: x (B, H, W, C), w (KH, KW, C), y (B, OH, OW, C)."""
    bias, multipliers, halves, shifts = scales[0], scales[1], scales[2], scales[3]
    channels = x.shape[3]
    acc = np.zeros(channels, np.int32)
    for b in range(x.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for c in range(channels):
                    acc[c] = 0
                for p in range(w.shape[0]):
                    r = i * geometry[0] - geometry[4] + p * geometry[2]
                    if r < 0 or r >= x.shape[1]:
                        continue
                    for q in range(w.shape[1]):
                        s = j * geometry[1] - geometry[5] + q * geometry[3]
                        if s < 0 or s >= x.shape[2]:
                            continue
                        for c in range(channels):
                            acc[c] += np.int32(np.int32(x[b, r, s, c]) * np.int32(w[p, q, c]))
                for c in range(channels):
                    v = ((np.int64(acc[c]) + bias[c]) * multipliers[c] + halves[c]) >> shifts[c]
                    if v < low:
                        v = np.int64(low)
                    if v > high:
                        v = np.int64(high)
                    y[b, i, j, c] = v


def max_pool2d(x: Array, rows: int, columns: int, geometry: Wide, least: int, y: Array) -> None:
    """Take x (B, H, W, C) to y (B, OH, OW, C); `least` is the dtype's smallest value."""
    for b in range(x.shape[0]):
        for i in range(y.shape[1]):
            top = i * geometry[0] - geometry[4]
            first_row, last_row = max(0, top), min(x.shape[1], top + rows)
            for j in range(y.shape[2]):
                left = j * geometry[1] - geometry[5]
                first, last = max(0, left), min(x.shape[2], left + columns)
                if x.shape[3] < FEW_CHANNELS:
                    for c in range(x.shape[3]):
                        most = x[b, first_row, first, c]
                        for r in range(first_row, last_row):
                            for s in range(first, last):
                                most = max(most, x[b, r, s, c])
                        y[b, i, j, c] = most
                else:
                    for c in range(x.shape[3]):
                        y[b, i, j, c] = least
                    for r in range(first_row, last_row):
                        for s in range(first, last):
                            for c in range(x.shape[3]):
                                if x[b, r, s, c] > y[b, i, j, c]:
                                    y[b, i, j, c] = x[b, r, s, c]


def avg_pool2d(x: Array, rows: int, columns: int, geometry: Wide, whole: int, y: Array) -> None:
    """Take x (B, H, W, C) to y (B, OH, OW, C); `whole` 1 divides by the window's size."""
    acc = np.zeros(x.shape[3], np.int32)
    for b in range(x.shape[0]):
        for i in range(y.shape[1]):
            top = i * geometry[0] - geometry[4]
            first_row, last_row = max(0, top), min(x.shape[1], top + rows)
            for j in range(y.shape[2]):
                left = j * geometry[1] - geometry[5]
                first, last = max(0, left), min(x.shape[2], left + columns)
                for c in range(x.shape[3]):
                    acc[c] = 0
                for r in range(first_row, last_row):
                    for s in range(first, last):
                        for c in range(x.shape[3]):
                            acc[c] += np.int32(x[b, r, s, c])
                count = (last_row - first_row) * (last - first)
                if whole == 1:
                    count = rows * columns
                for c in range(x.shape[3]):
                    y[b, i, j, c] = (2 * np.int64(acc[c]) + count) // (2 * count)


def rescale_channels(x: Array, scales: Wide, low: int, high: int, y: Array) -> None:
    """Take x (M, C) to y (M, C)."""
    multipliers, halves, shifts = scales[1], scales[2], scales[3]
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            v = (np.int64(x[i, c]) * multipliers[c] + halves[c]) >> shifts[c]
            if v < low:
                v = np.int64(low)
            if v > high:
                v = np.int64(high)
            y[i, c] = v


def rescale_tensor(
    x: Array, multiplier: int, half: int, shift: int, low: int, high: int, y: Array
) -> None:
    """Take x (E,) to y (E,)."""
    for i in range(x.shape[0]):
        v = (np.int64(x[i]) * multiplier + half) >> shift
        if v < low:
            v = np.int64(low)
        if v > high:
            v = np.int64(high)
        y[i] = v


def multiply(
    a: Array, b: Array, multiplier: int, half: int, shift: int, low: int, high: int, y: Array
) -> None:
    """Write into y (E,) the rescaled product of a (E,) and b (E,)."""
    for i in range(a.shape[0]):
        v = (np.int64(a[i]) * np.int64(b[i]) * multiplier + half) >> shift
        if v < low:
            v = np.int64(low)
        if v > high:
            v = np.int64(high)
        y[i] = v


def add(
    a: Array, b: Array, a_scale: Wide, b_scale: Wide, sign: int, low: int, high: int, y: Array
) -> None:
    """Write into y (E,) the sum of a (E,) and `sign` times b (E,).

    A scale is (multiplier, half, shift, mask); the mask, 255, makes the bits of a u8 its value, -1
    leaves others as they are.
    """
    # Multipliers are 31 bits wide: said so, a product takes one instruction for 32-bit factors.
    a_multiplier, a_half, a_shift = np.int32(a_scale[0]), a_scale[1], a_scale[2]
    b_multiplier, b_half, b_shift = np.int32(b_scale[0]), b_scale[1], b_scale[2]
    a_mask, b_mask = np.int32(a_scale[3]), np.int32(b_scale[3])
    turn = np.int64(0) if sign == 1 else np.int64(-1)
    for i in range(a.shape[0]):
        left = (np.int64(np.int32(a[i]) & a_mask) * np.int64(a_multiplier) + a_half) >> a_shift
        right = (np.int64(np.int32(b[i]) & b_mask) * np.int64(b_multiplier) + b_half) >> b_shift
        v = left + ((right ^ turn) - turn)
        if v < low:
            v = np.int64(low)
        if v > high:
            v = np.int64(high)
        y[i] = v


def clamp(x: Array, low: int, high: int, y: Array) -> None:
    """Take x (E,) to y (E,)."""
    for i in range(x.shape[0]):
        v = x[i]
        if v < low:
            v = low
        if v > high:
            v = high
        y[i] = v


def table8(x: Array, table: Array, y: Array) -> None:
    """Take x uint8 (E,) to y (E,); the table (256,) is in the order of the input's bytes."""
    for i in range(x.shape[0]):
        y[i] = table[x[i]]


def argmax(x: Array, y: Array) -> None:
    """Take x (A, S, B) to y int32 (A, B), the first largest along S."""
    for a in range(x.shape[0]):
        for b in range(x.shape[2]):
            best = 0
            most = x[a, 0, b]
            for s in range(1, x.shape[1]):
                if x[a, s, b] > most:
                    best = s
                    most = x[a, s, b]
            y[a, b] = best
