"""Loops of the `numba` backend for reductions, divisions and boxes; see `kernels` for their terms.

A *line* is what a reduction makes one element of: elements along the middle of (A, S, B).
"""

# Comparisons, not min() and max(), become vector code (as in `kernels`).

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array

HALF_UP = 0
FLOOR = 2
HIGHEST = 2**31 - 1
LOWEST = -(2**31)


def sum_lines(x: Array, y: Array) -> None:
    """Take x (A, S, B) to y int32 (A, B): exact sums, clamped to i32."""
    acc = np.zeros(x.shape[2], np.int64)
    for a in range(x.shape[0]):
        if x.shape[2] == 1:
            total = np.int64(0)
            for s in range(x.shape[1]):
                total += np.int64(x[a, s, 0])
            acc[0] = total
        else:
            for b in range(x.shape[2]):
                acc[b] = 0
            for s in range(x.shape[1]):
                for b in range(x.shape[2]):
                    acc[b] += np.int64(x[a, s, b])
        for b in range(x.shape[2]):
            v = acc[b]
            if v < LOWEST:
                v = np.int64(LOWEST)
            if v > HIGHEST:
                v = np.int64(HIGHEST)
            y[a, b] = v


def mean_lines(x: Array, y: Array) -> None:
    """Take x (A, S, B) to y (A, B): means, halves up."""
    acc = np.zeros(x.shape[2], np.int64)
    count = x.shape[1]
    for a in range(x.shape[0]):
        if x.shape[2] == 1:
            total = np.int64(0)
            for s in range(count):
                total += np.int64(x[a, s, 0])
            acc[0] = total
        else:
            for b in range(x.shape[2]):
                acc[b] = 0
            for s in range(count):
                for b in range(x.shape[2]):
                    acc[b] += np.int64(x[a, s, b])
        for b in range(x.shape[2]):
            y[a, b] = (2 * acc[b] + count) // (2 * count)


def divide(a: Array, b: Array, shift: int, rounding: int, low: int, high: int, y: Array) -> None:
    """Write into y (E,) the rounded quotient of a (E,) times 2^shift and b (E,)."""
    for i in range(a.shape[0]):
        n = np.int64(a[i]) << shift
        d = np.int64(b[i])
        if d < 0:
            n, d = -n, -d
        v = np.int64(0)
        if d != 0:
            if rounding == HALF_UP:
                v = (2 * n + d) // (2 * d)
            elif rounding == FLOOR or n >= 0:
                v = n // d
            else:
                v = -(-n // d)
        if v < low:
            v = np.int64(low)
        if v > high:
            v = np.int64(high)
        y[i] = v


def bit_length(x: Array, y: Array) -> None:
    """Take x (E,) to y (E,): the bits of |x|, at least 1, by halving the question."""
    for i in range(x.shape[0]):
        v = np.int64(x[i])
        if v < 0:
            v = -v
        bits = np.int64(1)
        for step in (32, 16, 8, 4, 2, 1):
            if v >> step != 0:
                v >>= step
                bits += step
        y[i] = bits


def suppress(boxes: Array, classes: Array, order: Wide, threshold: int, y: Array) -> None:
    """Visit boxes int16 (N, 4) in `order` and write the indices of those kept into y, -1 filled."""
    count = 0
    for at in range(order.shape[0]):
        if count == y.shape[0]:
            break
        i = order[at]
        x1, y1 = int(boxes[i, 0]), int(boxes[i, 1])
        x2, y2 = int(boxes[i, 2]), int(boxes[i, 3])
        area = max(0, x2 - x1) * max(0, y2 - y1)
        kept = True
        for other in range(count):
            j = y[other]
            if classes[i] != classes[j]:
                continue
            u1, v1 = int(boxes[j, 0]), int(boxes[j, 1])
            u2, v2 = int(boxes[j, 2]), int(boxes[j, 3])
            wide = max(0, min(x2, u2) - max(x1, u1))
            shared = wide * max(0, min(y2, v2) - max(y1, v1))
            union = area + max(0, u2 - u1) * max(0, v2 - v1) - shared
            if shared * 65_536 > threshold * union:
                kept = False
                break
        if kept:
            y[count] = i
            count += 1
    for at in range(count, y.shape[0]):
        y[at] = -1
