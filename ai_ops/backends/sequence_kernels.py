"""Loops of the `numba` backend for operators on sequences; rules and names as in `kernels`.

A row that is divided by one number is multiplied by its reciprocal instead where a bound proves
that the floor is the same (`dynamic_quantize`); everything else divides. Loops that look something
up write it down for a second loop, so that this one becomes vector code.
"""

# Comparisons, not min() and max(), become vector code.
# ruff: noqa: PLR1730

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array

# Rows that share one pass over the weights, so that these come from the first-level cache.
ROWS = 8


def dynamic_quantize(x: Array, q: Array, a: Array) -> None:
    """Take x int16 (M, K) to q int8 (M, K) and a int32 (M, 1).

    With n = 254x + 257A, q is floor(n / 2A) - 128. Let b be the bits of A, k = 10 + 2b and
    r = floor(2^k / 2A) + 1, so that 2A * r = 2^k + e with 0 < e <= 2A. Then n * r / 2^k exceeds
    n / 2A by n * e / (2A * 2^k), which is below 1 / 2A since n * e <= 511A * 2A < 2^k: no floor
    changes. n < 2^24 and r <= 2^25 + 1, hence 32-bit factors.
    """
    for i in range(x.shape[0]):
        most = np.int32(1)
        for j in range(x.shape[1]):
            v = np.int32(x[i, j])
            if v < 0:
                v = np.int32(-v)
            if v > most:
                most = v
        bits = 1
        while most >> bits > 0:
            bits += 1
        shift = 10 + 2 * bits
        reciprocal = np.int32((np.int64(1) << shift) // (2 * np.int64(most)) + 1)
        offset = np.int32(257 * np.int64(most))
        for j in range(x.shape[1]):
            n = np.int32(np.int32(254) * np.int32(x[i, j])) + offset
            q[i, j] = ((np.int64(np.int32(n)) * np.int64(reciprocal)) >> shift) - 128
        a[i, 0] = most


def gemm_dynamic(x: Array, a: Array, w: Array, scales: Wide, low: int, high: int, y: Array) -> None:
    """Take x int16 (M, K), a int32 (M, 1) and w (N, K) to y (M, N); only bias, m and s of scales."""
    bias, multipliers, shifts = scales[0], scales[1], scales[3]
    units, depth = w.shape
    acc = np.zeros((ROWS, units), np.int32)
    for first in range(0, x.shape[0], ROWS):
        last = min(first + ROWS, x.shape[0])
        for j in range(units):
            for i in range(first, last):
                total = np.int32(0)
                for k in range(depth):
                    total = np.int32(total + np.int32(np.int32(x[i, k]) * np.int32(w[j, k])))
                acc[i - first, j] = total
        for i in range(first, last):
            e = 0
            while a[i, 0] << e < 16_384:
                e += 1
            factor = np.int64(a[i, 0]) << e
            for j in range(units):
                t = (np.int64(acc[i - first, j]) * factor + 16_384) >> 15
                shift = shifts[j] + (e - 8)
                v = (t * multipliers[j] + (np.int64(1) << (shift - 1))) >> shift
                v = (v + bias[j] + 128) >> 8
                if v < low:
                    v = np.int64(low)
                if v > high:
                    v = np.int64(high)
                y[i, j] = v


def norm(
    x: Array,
    centred: int,
    gamma: Wide,
    beta: Wide,
    epsilon: int,
    shift: int,
    low: int,
    high: int,
    y: Array,
) -> None:
    """Take x int32 (M, N) to y (M, N); gamma and beta int64 (N,), `centred` 1 takes the mean off."""
    count = np.int64(x.shape[1])
    half = np.int64(1) << (shift - 1)
    for i in range(x.shape[0]):
        mean = np.int32(0)
        if centred == 1:
            total = np.int64(0)
            for j in range(x.shape[1]):
                total += x[i, j]
            mean = np.int32((2 * total + count) // (2 * count))
        squares = np.int64(0)
        for j in range(x.shape[1]):
            d = np.int32(x[i, j] - mean)
            squares += np.int64(d) * np.int64(d)
        square = (((squares << 4) // count) << 8) + epsilon
        root = np.int64(0)
        for step in range(31):
            candidate = root | (np.int64(1) << (30 - step))
            if candidate * candidate <= square:
                root = candidate
        root = max(root, np.int64(1))
        for j in range(x.shape[1]):
            d = np.int32(x[i, j] - mean)
            n = ((np.int64(d) << 19) + root) // (2 * root)
            n = (n * gamma[j] + beta[j] + half) >> shift
            if n < low:
                n = np.int64(low)
            if n > high:
                n = np.int64(high)
            y[i, j] = n


def table16(
    x: Array, points: Array, slopes: Array, scales: Wide, low: int, high: int, y: Array
) -> None:
    """Take x int16 (M, C) to y (M, C).

    points, slopes : int32 (512,)
        128 times each point but the last, and how far it is to the next.
    """
    multipliers, halves, shifts = scales[1], scales[2], scales[3]
    line = np.zeros(x.shape[1], np.int32)
    for i in range(x.shape[0]):
        for c in range(x.shape[1]):
            u = np.uint16(np.int32(x[i, c]) + 32_768)
            at = np.uint16(u >> np.uint16(7))
            step = np.int32(slopes[at] * np.int32(u & np.uint16(127)))
            line[c] = np.int32(points[at] + step)
        for c in range(x.shape[1]):
            o = (np.int64(line[c]) * multipliers[c] + halves[c]) >> shifts[c]
            if o < low:
                o = np.int64(low)
            if o > high:
                o = np.int64(high)
            y[i, c] = o


def rope(
    x: Array, cos: Array, sin: Array, offset: int, interleaved: int, low: int, y: Array
) -> None:
    """Take x int16 (B, T, H, D), cos and sin int16 (P, D / 2) to y; the clamp is [low, -low - 1]."""
    high = -low - 1
    pairs = cos.shape[1]
    # The elements of pair p are at p * stride and p * stride + gap.
    stride, gap = 1, pairs
    if interleaved == 1:
        stride, gap = 2, 1
    for b in range(x.shape[0]):
        for i in range(x.shape[1]):
            at = min(max(i + offset, 0), cos.shape[0] - 1)
            for h in range(x.shape[2]):
                for p in range(pairs):
                    first, second = (
                        np.int64(x[b, i, h, p * stride]),
                        np.int64(x[b, i, h, p * stride + gap]),
                    )
                    c, s = np.int64(cos[at, p]), np.int64(sin[at, p])
                    one = (first * c - second * s + 16_384) >> 15
                    two = (first * s + second * c + 16_384) >> 15
                    if one < low:
                        one = np.int64(low)
                    if one > high:
                        one = np.int64(high)
                    if two < low:
                        two = np.int64(low)
                    if two > high:
                        two = np.int64(high)
                    y[b, i, h, p * stride] = one
                    y[b, i, h, p * stride + gap] = two


def largest(x: Array, kept: Array) -> None:
    """Take x int32 (M, N) to the indices int32 (M, k) of its k largest, in their own order.

    Byte after byte from the top, count how many candidates share each value of it, and go down to
    the one that holds the k-th largest: four reads whatever the order of the elements. Of those
    equal to the k-th largest the first are kept.
    """
    counts = np.zeros(256, np.int32)
    for i in range(x.shape[0]):
        need = np.int32(kept.shape[1])
        found = np.uint32(0)
        for step in range(4):
            shift = np.uint32(24 - 8 * step)
            for value in range(256):
                counts[value] = 0
            for j in range(x.shape[1]):
                v = np.uint32(np.int64(x[i, j]) + 2_147_483_648)
                if step == 0 or (v >> np.uint32(shift + np.uint32(8))) == found:
                    counts[(v >> shift) & np.uint32(255)] += 1
            value = 255
            while counts[value] < need:
                need -= counts[value]
                value -= 1
            found = np.uint32(np.uint32(found << np.uint32(8)) | np.uint32(value))
        at = 0
        for j in range(x.shape[1]):
            v = np.uint32(np.int64(x[i, j]) + 2_147_483_648)
            if v > found:
                kept[i, at] = j
                at += 1
            elif v == found and need > 0:
                kept[i, at] = j
                at += 1
                need -= 1
