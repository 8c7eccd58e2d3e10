"""Loops of the `numba` backend for MATMUL and CONV_TRANSPOSE2D; see `kernels` for their terms."""

# Comparisons, not min() and max(), become vector code (as in `kernels`).

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array


def matmul(
    a: Array,
    b: Array,
    lefts: Wide,
    rights: Wide,
    scales: Wide,
    low: int,
    high: int,
    y: Array,
) -> None:
    """Multiply matrices a (A, M, K) and b (B, N, K) into y (P, M, N).

    lefts and rights, int64 (P,), say which two matrices make each result.
    """
    multipliers, halves, shifts = scales[1], scales[2], scales[3]
    columns = b.shape[1]
    acc = np.zeros(columns, np.int32)
    for p in range(y.shape[0]):
        left, right = lefts[p], rights[p]
        for i in range(a.shape[1]):
            for j in range(columns):
                total = np.int32(0)
                for k in range(a.shape[2]):
                    product = np.int32(np.int32(a[left, i, k]) * np.int32(b[right, j, k]))
                    total = np.int32(total + product)
                acc[j] = total
            for j in range(columns):
                v = (np.int64(acc[j]) * multipliers[j] + halves[j]) >> shifts[j]
                if v < low:
                    v = np.int64(low)
                if v > high:
                    v = np.int64(high)
                y[p, i, j] = v


def reach(window: Wide, firsts: Wide, start: int, y: Array) -> None:
    """Find the taps of a transposed convolution that reach positions from `start` on.

    Tap p reaches position t of the result from element r of x where r * stride + p * dilation is
    t + before. firsts int64 (stride,) holds the first such tap by the remainder of t + before, or
    -1. From there on every period-th tap does, each from an element `step` nearer to the front.

    window int64 (7,): stride, dilation, before, period, step, elements of x, taps. Writes into
    y int64 (T, 3) the first tap of each position, its element of x, and how many taps there are.
    """
    stride, dilation, period, step = window[0], window[1], window[3], window[4]
    for n in range(y.shape[0]):
        at = start + n + window[2]
        p = firsts[at % stride]
        y[n, 0], y[n, 1], y[n, 2] = 0, 0, 0
        if p < 0:
            continue
        # Taps that would need an element behind the last one are passed over.
        behind = at - p * dilation - (window[5] - 1) * stride
        if behind > 0:
            p += (behind + period * dilation - 1) // (period * dilation) * period
        rest = at - p * dilation
        if rest >= 0 and p < window[6]:
            r = rest // stride
            y[n, 0], y[n, 1] = p, r
            y[n, 2] = min((window[6] - 1 - p) // period, r // step) + 1


def conv_transpose2d(
    x: Array,
    w: Array,
    deep: int,
    tile: Wide,
    rows: Wide,
    columns: Wide,
    scales: Wide,
    low: int,
    high: int,
    y: Array,
) -> None:
    """Collect, for each pixel of a tile of the result, the elements of x whose windows cover it.

    x (B, H, W, C); w (KH, KW, G, I, F) of G groups with I channels and F filters each, or with
    `deep` 1 (KH, KW, G, F, I), for few filters: a dot product then replaces the loop over them.
    rows and columns int64 (T, 3) are what `reach` found. The tile begins at row tile[0], column
    tile[1]; tile[2] and tile[3] are period and step of rows, tile[4] and tile[5] of columns.
    y (B, OH, OW, G * F).
    """
    bias, multipliers, halves, shifts = scales[0], scales[1], scales[2], scales[3]
    groups, first, second = w.shape[2], w.shape[3], w.shape[4]
    channels, filters = (second, first) if deep == 1 else (first, second)
    acc = np.zeros(groups * filters, np.int32)
    for b in range(x.shape[0]):
        for i in range(rows.shape[0]):
            for j in range(columns.shape[0]):
                for o in range(groups * filters):
                    acc[o] = 0
                for u in range(rows[i, 2]):
                    p, r = rows[i, 0] + u * tile[2], rows[i, 1] - u * tile[3]
                    for v in range(columns[j, 2]):
                        q, s = columns[j, 0] + v * tile[4], columns[j, 1] - v * tile[5]
                        for g in range(groups):
                            at, to = g * channels, g * filters
                            if deep == 1:
                                for o in range(filters):
                                    total = np.int32(0)
                                    for k in range(channels):
                                        total += np.int32(
                                            np.int32(x[b, r, s, at + k])
                                            * np.int32(w[p, q, g, o, k])
                                        )
                                    acc[to + o] += total
                                continue
                            for k in range(channels):
                                e = np.int32(x[b, r, s, at + k])
                                for o in range(filters):
                                    acc[to + o] += np.int32(e * np.int32(w[p, q, g, k, o]))
                for o in range(groups * filters):
                    z = ((np.int64(acc[o]) + bias[o]) * multipliers[o] + halves[o]) >> shifts[o]
                    if z < low:
                        z = np.int64(low)
                    if z > high:
                        z = np.int64(high)
                    y[b, tile[0] + i, tile[1] + j, o] = z
