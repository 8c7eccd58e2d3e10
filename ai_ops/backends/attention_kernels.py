"""Loops of the `numba` backend for attention and softmax; rules and names as in `kernels`.

A score more than 4,095 below the largest has the weight 0, so one table of 4,097 entries holds the
whole exponential, shifts included. The loop that looks it up is apart from the one that finds how
far a score is below: that one then becomes vector code, without a branch to mispredict.
"""

# Comparisons, not min() and max(), become vector code.
# ruff: noqa: PLR1730

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array

# From so many queries on, keys and values are turned so that loops run along the keys.
ROWS = 8
# Keys whose weighted values fit 32 bits: 4,096 * 4,095 * 128 < 2^31.
KEYS = 4_096
# Distance below the largest score from which on the weight is 0.
FAR = 4_096
SCORE_LIMIT = 2**30


def attention_scores(q: Array, k: Array, at: Wide, scores: Array) -> None:
    """Take q int8 (B, T, H, D) and k int8 (B, S, G, D) to scores int32 (R, S) of one head.

    at : int64 (7,)
        Position in the batch, head, head of the keys, first query, number of queries R, keys that
        are valid, and keys that query 0 of the R would see (`attention_shares`).
    """
    b, h, g, first = at[0], at[1], at[2], at[3]
    depth, keys = q.shape[3], min(at[5], max(0, at[4] - 1 + at[6]))
    if at[4] < ROWS:
        for r in range(at[4]):
            for j in range(keys):
                total = np.int32(0)
                for c in range(depth):
                    product = np.int32(np.int32(q[b, first + r, h, c]) * np.int32(k[b, j, g, c]))
                    total = np.int32(total + product)
                scores[r, j] = total
        return
    turned = np.zeros(((depth + 3) // 4 * 4, keys), np.int8)
    row = np.zeros(turned.shape[0], np.int32)
    for j in range(keys):
        for c in range(depth):
            turned[c, j] = k[b, j, g, c]
    for r in range(at[4]):
        for c in range(depth):
            row[c] = q[b, first + r, h, c]
        for j in range(keys):
            scores[r, j] = 0
        for c in range(0, turned.shape[0], 4):
            q0, q1, q2, q3 = row[c], row[c + 1], row[c + 2], row[c + 3]
            for j in range(keys):
                scores[r, j] += (
                    np.int32(q0 * np.int32(turned[c, j]))
                    + np.int32(q1 * np.int32(turned[c + 1, j]))
                    + np.int32(q2 * np.int32(turned[c + 2, j]))
                    + np.int32(q3 * np.int32(turned[c + 3, j]))
                )


def attention_shares(
    scores: Array, at: Wide, scale: Wide, table: Array, shares: Array, totals: Wide
) -> None:
    """Turn scores int32 (R, S) into probabilities int16 (R, S) and their sums int64 (R,).

    Query r sees the keys below ``min(at[5], max(0, r + at[6]))``; the rest gets 0.

    scale : int64 (3,)
        Multiplier, rounding term and shift of a score.
    table : int32 (4097,)
        The probability of a score by its distance below the largest.
    """
    multiplier, half, shift = scale[0], scale[1], scale[2]
    for r in range(at[4]):
        seen = min(at[5], max(0, r + at[6]))
        most = np.int32(-(2**31))
        for j in range(seen):
            if scores[r, j] > most:
                most = scores[r, j]
        top = (np.int64(most) * multiplier + half) >> shift
        top = min(max(top, -SCORE_LIMIT), SCORE_LIMIT)
        # What lies FAR or more below the largest, and what the clamp lifts to there, is FAR below.
        low = max(top - FAR, -SCORE_LIMIT)
        for j in range(seen):
            t = (np.int64(scores[r, j]) * multiplier + half) >> shift
            if t < low:
                t = low
            if t > top:
                t = top
            scores[r, j] = top - t
        total = np.int64(0)
        for j in range(seen):
            p = table[np.uint32(scores[r, j])]
            shares[r, j] = p
            total += p
        for j in range(seen, scores.shape[1]):
            shares[r, j] = 0
        totals[r] = max(total, np.int64(1))


def attention_sums(v: Array, at: Wide, shares: Array, sums: Wide) -> None:
    """Take v int8 (B, S, G, D) and probabilities int16 (R, S) to their sums int64 (R, D)."""
    b, g = at[0], at[2]
    depth = v.shape[3]
    keys = min(at[5], max(0, at[4] - 1 + at[6]))
    turned = np.zeros((depth, min(keys, KEYS)), np.int8)
    row = np.zeros(turned.shape[1], np.int16)
    part = np.zeros(depth, np.int32)
    for r in range(at[4]):
        for c in range(depth):
            sums[r, c] = 0
    for start in range(0, keys, KEYS):
        count = min(KEYS, keys - start)
        if at[4] < ROWS:
            for r in range(at[4]):
                for c in range(depth):
                    part[c] = 0
                for j in range(start, start + count):
                    p = np.int32(shares[r, j])
                    for c in range(depth):
                        part[c] += np.int32(p * np.int32(v[b, j, g, c]))
                for c in range(depth):
                    sums[r, c] += part[c]
            continue
        for j in range(count):
            for c in range(depth):
                turned[c, j] = v[b, start + j, g, c]
        for r in range(at[4]):
            for j in range(count):
                row[j] = shares[r, start + j]
            for c in range(depth):
                total = np.int32(0)
                for j in range(count):
                    total = np.int32(total + np.int32(np.int32(row[j]) * np.int32(turned[c, j])))
                sums[r, c] += total


def attention_means(
    sums: Wide, at: Wide, totals: Wide, scales: Wide, low: int, high: int, y: Array
) -> None:
    """Divide sums s (R, D) by totals P (R,) into the rows of y (B, T, H, D).

    With d = 2P and n = 512s + P + 2^15 d the quotient is floor(n / d) - 2^15, and 0 <= n <
    (2^16 + 1) * d since |s| <= 128P. Let b be the bits of d and m = 17 + b: n < 2^m. With
    r = floor(2^m / d), n * r / 2^m falls short of n / d by less than n / 2^m < 1, so its floor is
    the quotient or one below, which the remainder tells. n * r < 2^(35 + b) fits for b <= 28.
    """
    multipliers, halves, shifts = scales[1], scales[2], scales[3]
    depth = sums.shape[1]
    line = np.zeros(depth, np.int64)
    for r in range(at[4]):
        divisor = 2 * totals[r]
        bits = 1
        while divisor >> bits > 0:
            bits += 1
        if bits <= 28:
            reciprocal = (np.int64(1) << (17 + bits)) // divisor
            for c in range(depth):
                n = sums[r, c] * 512 + totals[r] + 32_768 * divisor
                o = (n * reciprocal) >> (17 + bits)
                if n - o * divisor >= divisor:
                    o += 1
                line[c] = o - 32_768
        else:
            for c in range(depth):
                line[c] = (sums[r, c] * 512 + totals[r]) // divisor
        for c in range(depth):
            e = at[1] * depth + c
            o = (line[c] * multipliers[e] + halves[e]) >> shifts[e]
            if o < low:
                o = np.int64(low)
            if o > high:
                o = np.int64(high)
            y[at[0], at[3] + r, at[1], c] = o


def softmax(x: Array, scale: Wide, table: Array, one: int, y: Array) -> None:
    """Take x int32 (M, N) to y int32 (M, N); the table is one of weights, as in `attention`."""
    multiplier, half, shift = scale[0], scale[1], scale[2]
    for i in range(x.shape[0]):
        most = x[i, 0]
        for j in range(x.shape[1]):
            if x[i, j] > most:
                most = x[i, j]
        top = (np.int64(most) * multiplier + half) >> shift
        top = min(max(top, -SCORE_LIMIT), SCORE_LIMIT)
        low = max(top - FAR, -SCORE_LIMIT)
        for j in range(x.shape[1]):
            t = (np.int64(x[i, j]) * multiplier + half) >> shift
            if t < low:
                t = low
            if t > top:
                t = top
            y[i, j] = top - t
        share = np.int64(0)
        for j in range(x.shape[1]):
            z = table[np.uint32(y[i, j])]
            y[i, j] = z
            share += z
        for j in range(x.shape[1]):
            y[i, j] = (2 * np.int64(y[i, j]) * one + share) // (2 * share)
