"""Loops of the `numba` backend for MATMUL and CONV_TRANSPOSE2D; see `kernels` for their terms."""

# Comparisons, not min() and max(), become vector code (as in `kernels`).

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array


def matmul(a: Array, b: Array, pairs: Wide, scales: Wide, low: int, high: int, y: Array) -> None:
    """Multiply matrices a (A, M, K) and b (B, N, K) into y (P, M, N).

    pairs int64 (P, 2) says which two matrices make each result.
    """
    multipliers, halves, shifts = scales[1], scales[2], scales[3]
    columns = b.shape[1]
    acc = np.zeros(columns, np.int32)
    for p in range(y.shape[0]):
        left, right = pairs[p, 0], pairs[p, 1]
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
    x: Array, w: Array, geometry: Wide, deep: int, scales: Wide, low: int, high: int, y: Array
) -> None:
    """Collect, for each pixel of the result, the elements of x whose windows cover it.

    x (B, H, W, C); w (KH, KW, G, I, F) of G groups with I channels and F filters each, or with
    `deep` 1 (KH, KW, G, F, I), for few filters: a dot product then replaces the loop over them.
    y (B, OH, OW, G * F).
    """
    bias, multipliers, halves, shifts = scales[0], scales[1], scales[2], scales[3]
    groups, first, second = w.shape[2], w.shape[3], w.shape[4]
    channels, filters = (second, first) if deep == 1 else (first, second)
    acc = np.zeros(groups * filters, np.int32)
    for b in range(x.shape[0]):
        for i in range(y.shape[1]):
            for j in range(y.shape[2]):
                for o in range(groups * filters):
                    acc[o] = 0
                for p in range(w.shape[0]):
                    down = i + geometry[4] - p * geometry[2]
                    r = down // geometry[0]
                    if down < 0 or down % geometry[0] != 0 or r >= x.shape[1]:
                        continue
                    for q in range(w.shape[1]):
                        right = j + geometry[5] - q * geometry[3]
                        s = right // geometry[1]
                        if right < 0 or right % geometry[1] != 0 or s >= x.shape[2]:
                            continue
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
                            else:
                                for k in range(channels):
                                    e = np.int32(x[b, r, s, at + k])
                                    for o in range(filters):
                                        acc[to + o] += np.int32(e * np.int32(w[p, q, g, k, o]))
                for o in range(groups * filters):
                    v = ((np.int64(acc[o]) + bias[o]) * multipliers[o] + halves[o]) >> shifts[o]
                    if v < low:
                        v = np.int64(low)
                    if v > high:
                        v = np.int64(high)
                    y[b, i, j, o] = v
