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
    rows int64 (T, 3): the first tap that reaches a row of the tile, the row of x that it multiplies,
    and how many taps there are; each further one is tile[2] later, its row of x tile[3] earlier.
    columns likewise, with tile[4] and tile[5]. The tile begins at row tile[0], column tile[1].
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
                            k = 0
                            while k + 3 < channels:
                                e0 = np.int32(x[b, r, s, at + k])
                                e1 = np.int32(x[b, r, s, at + k + 1])
                                e2 = np.int32(x[b, r, s, at + k + 2])
                                e3 = np.int32(x[b, r, s, at + k + 3])
                                for o in range(filters):
                                    acc[to + o] += (
                                        np.int32(e0 * np.int32(w[p, q, g, k, o]))
                                        + np.int32(e1 * np.int32(w[p, q, g, k + 1, o]))
                                        + np.int32(e2 * np.int32(w[p, q, g, k + 2, o]))
                                        + np.int32(e3 * np.int32(w[p, q, g, k + 3, o]))
                                    )
                                k += 4
                            while k < channels:
                                e0 = np.int32(x[b, r, s, at + k])
                                for o in range(filters):
                                    acc[to + o] += np.int32(e0 * np.int32(w[p, q, g, k, o]))
                                k += 1
                for o in range(groups * filters):
                    z = ((np.int64(acc[o]) + bias[o]) * multipliers[o] + halves[o]) >> shifts[o]
                    if z < low:
                        z = np.int64(low)
                    if z > high:
                        z = np.int64(high)
                    y[b, tile[0] + i, tile[1] + j, o] = z
