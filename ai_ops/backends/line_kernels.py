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
LARGEST = 2**32 - 1
BLOCK = 64  # boxes compared before the question whether one of them was enough
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


def extreme_lines(x: Array, mask: int, y: Array) -> None:
    """Take x (A, S, B) to y (A, B): the largest of each line, or with mask -1 the smallest.

    Turning all bits of a number over (x ^ -1) turns their order over.
    """
    for a in range(x.shape[0]):
        if x.shape[2] == 1:
            most = x[a, 0, 0] ^ mask
            for s in range(1, x.shape[1]):
                most = max(most, x[a, s, 0] ^ mask)
            y[a, 0] = most ^ mask
        else:
            for b in range(x.shape[2]):
                y[a, b] = x[a, 0, b]
            for s in range(1, x.shape[1]):
                for b in range(x.shape[2]):
                    if x[a, s, b] ^ mask > y[a, b] ^ mask:
                        y[a, b] = x[a, s, b]


def choose(condition: Array, a: Array, b: Array, y: Array) -> None:
    """Write into y (E,) an element of a (E,) where `condition` uint8 (E,) is 1, else one of b."""
    for i in range(y.shape[0]):
        y[i] = b[i] ^ ((a[i] ^ b[i]) & -np.int32(condition[i]))


def divide(a: Array, b: Array, shift: int, rounding: int, low: int, high: int, y: Array) -> None:
    """Write into y (E,) the rounded quotient of a (E,) times 2^shift and b (E,).

    Magnitudes are divided, without a sign and in 32 bits where they fit, and the quotient's sign
    is put back: a negative one is rounded the other way before.
    """
    for i in range(a.shape[0]):
        p, q = np.int64(a[i]), np.int64(b[i])
        negative = np.int64((p < 0) != (q < 0))
        n, d = abs(p) << shift, abs(q)
        if rounding == HALF_UP:
            n = 2 * n + d - negative
            d = 2 * d
        elif rounding == FLOOR:
            n += negative * (d - 1)
        divisor = max(d, np.int64(1))
        if n <= LARGEST and divisor <= LARGEST:
            v = np.int64(np.uint32(n) // np.uint32(divisor))
        else:
            v = np.int64(np.uint64(n) // np.uint64(divisor))
        v = (v ^ -negative) + negative
        if d == 0:
            v = np.int64(0)
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
    """Visit boxes int16 (N, 4) in `order` and write the indices of those kept into y, -1 filled.

    The kept boxes lie together: corners, area, class.
    """
    kept = np.zeros((6, y.shape[0]), np.int64)
    count = 0
    for at in range(order.shape[0]):
        if count == y.shape[0]:
            break
        i = order[at]
        x1, y1, x2, y2 = int(boxes[i, 0]), int(boxes[i, 1]), int(boxes[i, 2]), int(boxes[i, 3])
        area, which = max(0, x2 - x1) * max(0, y2 - y1), int(classes[i])
        dropped = 0
        for first in range(0, count, BLOCK):
            for j in range(first, min(first + BLOCK, count)):
                wide = max(0, min(x2, kept[2, j]) - max(x1, kept[0, j]))
                shared = wide * max(0, min(y2, kept[3, j]) - max(y1, kept[1, j]))
                union = area + kept[4, j] - shared
                dropped |= int(shared * 65_536 > threshold * union) & int(which == kept[5, j])
            if dropped != 0:
                break
        if dropped == 0:
            kept[0, count], kept[1, count], kept[2, count], kept[3, count] = x1, y1, x2, y2
            kept[4, count], kept[5, count] = area, which
            y[count] = i
            count += 1
    for at in range(count, y.shape[0]):
        y[at] = -1


def valid_rows(x: Array, column: int, threshold: int, rows: Array, y: Array) -> None:
    """Take x (N, K) to rows (N, K), the valid ones first, and write their number into y (1,).

    Each row is written where the next valid one belongs; one that is not valid is written over.
    """
    count = 0
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            rows[count, k] = x[i, k]
        count += int(x[i, column] > threshold)
    for i in range(count, x.shape[0]):
        for k in range(x.shape[1]):
            rows[i, k] = -1
    y[0] = count
