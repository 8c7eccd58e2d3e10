"""The operators on sequences once more, in plain Python integers and nested loops.

Written from docs/spec/02-operators.md O-50 to O-62 alone, as `tests.spec.plain` is from the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from math import isqrt, prod

from blake3 import blake3

from tests.spec.plain import RANGES, Attributes, Tensor, Typed, clamp, divide, finish, rescale

I8, I32 = 1, 3


def exponentials() -> list[int]:
    """Round each 2^15 * 2^(-k / 256) by comparing 256th powers: no logarithm, no table.

    From the top down: entries fall, so that each search is short.
    """
    table, entry = [], 2**15
    for k in range(256):
        while (2 * entry - 1) ** 256 > 2 ** (4096 - k):
            entry -= 1
        assert (2 * entry + 1) ** 256 > 2 ** (4096 - k)
        table.append(entry)
    return table


E = exponentials()


def score(v: int, a: Attributes) -> int:
    return max(-(2**30), min(2**30, rescale(v, a["multiplier"], a["shift"])))


def weight(u: int) -> int:
    return E[u & 255] >> min(u >> 8, 31)


def rows_of(x: Tensor) -> list[list[int]]:
    width = x[0][-1]
    return [x[1][at : at + width] for at in range(0, len(x[1]), width)]


def flat(rows: list[list[int]]) -> list[int]:
    return [element for row in rows for element in row]


def dynamic_quantize(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    del a
    ((_, x),) = inputs
    rows = rows_of(x)
    largest = [max(1, *(abs(v) for v in row)) for row in rows]
    q = [[divide(127 * v, most) for v in row] for row, most in zip(rows, largest, strict=True)]
    return [(I8, (x[0], flat(q))), (I32, ((*x[0][:-1], 1), largest))]


def gemm_dynamic(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    (_, q), (_, factors), (_, w) = inputs
    units = w[0][0]
    found = []
    for row, factor in zip(rows_of(q), factors[1], strict=True):
        e = 15 - factor.bit_length()
        for j, column in enumerate(rows_of(w)):
            acc = sum(p * r for p, r in zip(row, column, strict=True))
            t = rescale(acc, factor << e, 15)
            assert -(2**31) <= t < 2**31
            which = j if len(a["multipliers"]) > 1 else 0
            fine = rescale(t, a["multipliers"][which], a["shifts"][which] + e - 8)
            bias = a["bias"][j] if a["bias"] else 0
            found.append(clamp((fine + bias + 128) // 256, a))
    return [(a["dtype"], ((*q[0][:-1], units), found))]


def attention(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    q, k, v = (tensor for _, tensor in inputs[:3])
    queries, keys = q[0][-2], k[0][-2]
    valid = max(0, min(keys, inputs[3][1][1][0])) if len(inputs) > 3 else keys
    depth = q[0][-1] // a["heads"]
    found = []
    for b in range(prod(q[0][:-2])):
        own = rows_of(q)[b * queries : (b + 1) * queries]
        others, values = (rows_of(t)[b * keys : (b + 1) * keys] for t in (k, v))
        for i in range(queries):
            seen = [j for j in range(valid) if not a["causal"] or j <= i + valid - queries]
            for h in range(a["heads"]):
                start = h // (a["heads"] // a["kv_heads"]) * depth
                part = own[i][h * depth : (h + 1) * depth]
                found.extend(
                    head_mean(
                        a,
                        part,
                        [others[j][start : start + depth] for j in seen],
                        [values[j][start : start + depth] for j in seen],
                    )
                )
    width = q[0][-1]
    done = [finish(o, at % width, a) for at, o in enumerate(found)]
    return [(a["dtype"], (q[0], done))]


def head_mean(
    a: Attributes, q: list[int], keys: list[list[int]], values: list[list[int]]
) -> list[int]:
    if not keys:
        return [0] * len(q)
    t = [score(sum(x * y for x, y in zip(q, key, strict=True)), a) for key in keys]
    top = 2 ** a["probability_bits"] - 1
    p = [(top * weight(max(t) - one) + 2**14) // 2**15 for one in t]
    return [
        divide(
            256 * sum(part * row[c] for part, row in zip(p, values, strict=True)), max(1, sum(p))
        )
        for c in range(len(q))
    ]


def softmax(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    ((_, x),) = inputs
    found = []
    for row in rows_of(x):
        t = [score(v, a) for v in row]
        z = [weight(max(t) - one) for one in t]
        found += [divide(share * a["one"], sum(z)) for share in z]
    return [(a["dtype"], (x[0], found))]


def norm(a: Attributes, inputs: list[Typed], centred: bool) -> list[Typed]:
    ((_, x),) = inputs
    found = []
    for row in rows_of(x):
        count = len(row)
        mean = divide(sum(row), count) if centred else 0
        d = [v - mean for v in row]
        spread = (16 * sum(v * v for v in d) // count) * 256
        deviation = max(1, isqrt(spread + a["epsilon"]))
        for c, part in enumerate(d):
            n = divide(part * 2**18, deviation)
            gamma = a["gamma"][c if len(a["gamma"]) > 1 else 0]
            beta = a["beta"][c] if a.get("beta") else 0
            total = n * gamma + beta + 2 ** (a["shift"] - 1)
            assert -(2**63) <= total < 2**63
            found.append(clamp(total // 2 ** a["shift"], a))
    return [(a["dtype"], (x[0], found))]


def layer_norm(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    return norm(a, inputs, centred=True)


def rms_norm(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    return norm(a, inputs, centred=False)


def table16(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    ((_, x),) = inputs
    found = []
    for at, v in enumerate(x[1]):
        i, f = divmod(v + 32768, 128)
        value = 128 * a["table"][i] + (a["table"][i + 1] - a["table"][i]) * f
        found.append(finish(value, at % x[0][-1], a))
    return [(a["dtype"], (x[0], found))]


def rope(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    (dtype, x), (_, cos), (_, sin) = inputs[:3]
    offset = inputs[3][1][1][0] if len(inputs) > 3 else 0
    positions, pairs = cos[0]
    low, high = RANGES[dtype]
    found = []
    for at, row in enumerate(rows_of(x)):
        position = max(0, min(positions - 1, at % x[0][-2] + offset))
        c, s = (rows_of(t)[position] for t in (cos, sin))
        turned = list(row)
        for start in range(0, len(row), 2 * pairs):
            for p in range(pairs):
                one = start + (2 * p if a["interleaved"] else p)
                two = start + (2 * p + 1 if a["interleaved"] else p + pairs)
                left, right = row[one], row[two]
                for place, v in (
                    (one, left * c[p] - right * s[p]),
                    (two, left * s[p] + right * c[p]),
                ):
                    turned[place] = max(low, min(high, (v + 2**14) // 2**15))
        found += turned
    return [(dtype, (x[0], found))]


def update_rows(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    del a
    (dtype, cache), (_, rows), (_, position) = inputs
    size = prod(cache[0][1:])
    start = size * max(0, min(cache[0][0] - rows[0][0], position[1][0]))
    data = cache[1][:start] + rows[1] + cache[1][start + len(rows[1]) :]
    return [(dtype, (cache[0], data))]


def in_order(row: list[int]) -> list[int]:
    """List positions, the largest element first, among equals the lowest first."""
    return sorted(range(len(row)), key=lambda at: (-row[at], at))


def top_k(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    ((dtype, x),) = inputs
    values, indices = [], []
    for row in rows_of(x):
        kept = in_order(row)[: a["k"]]
        values += [row[at] for at in kept]
        indices += kept
    shape = (*x[0][:-1], a["k"])
    return [(dtype, (shape, values)), (I32, (shape, indices))]


def sample(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    (_, logits), (_, seed), (_, position) = inputs
    kept = in_order(logits[1])[: a["top_k"]]
    t = [score(logits[1][at], a) for at in kept]
    w = [weight(max(t) - one) for one in t]
    drawn = blake3(bytes(seed[1]) + (position[1][0] % 2**32).to_bytes(4, "little")).digest()
    r = int.from_bytes(drawn, "little") % sum(w)
    chosen = next(at for at, total in zip(kept, accumulate(w), strict=True) if total > r)
    return [(I32, ((1,), [chosen]))]


TYPED: dict[str, Callable[[Attributes, list[Typed]], list[Typed]]] = {
    "DYNAMIC_QUANTIZE": dynamic_quantize,
    "GEMM_DYNAMIC": gemm_dynamic,
    "ATTENTION": attention,
    "SOFTMAX": softmax,
    "LAYER_NORM": layer_norm,
    "RMS_NORM": rms_norm,
    "TABLE16": table16,
    "ROPE": rope,
    "UPDATE_ROWS": update_rows,
    "TOP_K": top_k,
    "SAMPLE": sample,
}
