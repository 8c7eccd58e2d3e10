"""Movement, comparisons, divisions and reductions in plain Python integers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

from tests.spec.plain import (
    RANGES,
    Attributes,
    Tensor,
    Typed,
    at,
    build,
    clamp,
    divide,
    finish,
    pairwise,
)

U8 = 4
I32_ENDS = (-(2**31), 2**31 - 1)


def gather(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    (dtype, data), (_, indices) = inputs
    axis, rank = a["axis"], len(indices[0])
    shape = (*data[0][:axis], *indices[0], *data[0][axis + 1 :])

    def element(index: tuple[int, ...]) -> int:
        position = at(indices, index[axis : axis + rank])
        nearest = max(0, min(data[0][axis] - 1, position))
        return at(data, (*index[:axis], nearest, *index[axis + rank :]))

    return [(dtype, build(shape, element))]


def moved(
    inputs: list[Typed], shape: tuple[int, ...], source: Callable[[tuple[int, ...]], list[int]]
) -> list[Typed]:
    """Build a result each of whose elements is one of x."""
    ((dtype, x),) = inputs
    return [(dtype, build(shape, lambda index: at(x, tuple(source(index)))))]


def slice_tensor(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    shape = inputs[0][1][0]
    starts = [s if s >= 0 else d - 1 for s, d in zip(a["starts"], shape, strict=True)]
    sizes = tuple(s if s >= 0 else d for s, d in zip(a["sizes"], shape, strict=True))

    def source(index: tuple[int, ...]) -> list[int]:
        return [s + i * t for s, i, t in zip(starts, index, a["strides"], strict=True)]

    return moved(inputs, sizes, source)


def pad(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    ((dtype, x),) = inputs
    shape = tuple(b + d + e for b, d, e in zip(a["before"], x[0], a["after"], strict=True))

    def element(index: tuple[int, ...]) -> int:
        source = tuple(i - b for i, b in zip(index, a["before"], strict=True))
        inside = all(0 <= i < d for i, d in zip(source, x[0], strict=True))
        value: int = a["value"]
        return at(x, source) if inside else value

    return [(dtype, build(shape, element))]


def upsample(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    n, h, w, c = inputs[0][1][0]
    rows, columns = a["scales"]

    def source(index: tuple[int, ...]) -> list[int]:
        return [index[0], index[1] // rows, index[2] // columns, index[3]]

    return moved(inputs, (n, h * rows, w * columns, c), source)


def tile(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    shape = inputs[0][1][0]
    result = tuple(d * t for d, t in zip(shape, a["repetitions"], strict=True))
    return moved(inputs, result, lambda index: [i % d for i, d in zip(index, shape, strict=True)])


def repeat(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    axis, count, shape = a["axis"], a["count"], inputs[0][1][0]
    result = tuple(d * (count if at_ == axis else 1) for at_, d in enumerate(shape))
    return moved(
        inputs,
        result,
        lambda index: [i // count if at_ == axis else i for at_, i in enumerate(index)],
    )


def negate(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    del a
    ((dtype, (shape, data)),) = inputs
    return [(dtype, (shape, [min(-v, RANGES[dtype][1]) for v in data]))]


def absolute(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    del a
    ((dtype, (shape, data)),) = inputs
    return [(dtype, (shape, [min(abs(v), RANGES[dtype][1]) for v in data]))]


def bit_length(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    del a
    shape, data = inputs[0][1]
    return [(U8, (shape, [max(1, len(f"{abs(v):b}")) for v in data]))]


def maximum(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    del a
    (dtype, x), (_, y) = inputs
    return [(dtype, pairwise(x, y, max))]


def minimum(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    del a
    (dtype, x), (_, y) = inputs
    return [(dtype, pairwise(x, y, min))]


def compare(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    (_, x), (_, y) = inputs

    def holds(p: int, q: int) -> int:
        return int([p == q, p != q, p < q, p <= q, p > q, p >= q][a["relation"]])

    return [(U8, pairwise(x, y, holds))]


def left(p: int, q: int) -> int:
    del q
    return p


def right(p: int, q: int) -> int:
    del p
    return q


def where(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    """Spread a and b to their common shape, blank in each what is not chosen, and add."""
    del a
    (_, condition), (dtype, x), (_, y) = inputs
    chosen = pairwise(condition, pairwise(x, y, left), lambda c, p: p if c != 0 else 0)
    other = pairwise(condition, pairwise(x, y, right), lambda c, q: q if c == 0 else 0)
    return [(dtype, pairwise(chosen, other, lambda p, q: p + q))]


def division(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    (_, x), (_, y) = inputs

    def element(p: int, q: int) -> int:
        if q == 0:
            return clamp(0, a)
        n, d = (p, q) if q > 0 else (-p, -q)
        n *= 2 ** a["shift"]
        if a["rounding"] == 0:
            return clamp(divide(n, d), a)
        down = n // d
        return clamp(down + 1 if a["rounding"] == 1 and n < 0 and n % d else down, a)

    return [(a["dtype"], pairwise(x, y, element))]


def lines(a: Attributes, x: Tensor) -> tuple[tuple[int, ...], list[list[int]]]:
    """Return a reduction's shape and the elements behind each result, in row-major order."""
    shape, axes = x[0], a["axes"]
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    found = []
    for outer in product(*(range(shape[axis]) for axis in kept)):
        line = []
        for inner in product(*(range(shape[axis]) for axis in axes)):
            index = [0] * len(shape)
            for axis, i in [*zip(kept, outer, strict=True), *zip(axes, inner, strict=True)]:
                index[axis] = i
            line.append(at(x, tuple(index)))
        found.append(line)
    if a["keep"]:
        return tuple(1 if axis in axes else d for axis, d in enumerate(shape)), found
    return tuple(shape[axis] for axis in kept) or (1,), found


def reduction(
    function: Callable[[list[int]], int],
) -> Callable[[Attributes, list[Typed]], list[Typed]]:
    def reduce(a: Attributes, inputs: list[Typed]) -> list[Typed]:
        ((dtype, x),) = inputs
        shape, found = lines(a, x)
        return [(dtype, (shape, [function(line) for line in found]))]

    return reduce


def sum_tensor(a: Attributes, inputs: list[Typed]) -> list[Typed]:
    shape, found = lines(a, inputs[0][1])
    low, high = I32_ENDS
    totals = [max(low, min(high, sum(line))) for line in found]
    data = [finish(total, at_ % shape[-1], a) for at_, total in enumerate(totals)]
    return [(a["dtype"], (shape, data))]


TYPED = {
    "GATHER": gather,
    "SLICE": slice_tensor,
    "PAD": pad,
    "UPSAMPLE": upsample,
    "TILE": tile,
    "REPEAT": repeat,
    "NEGATE": negate,
    "ABS": absolute,
    "BIT_LENGTH": bit_length,
    "MAXIMUM": maximum,
    "MINIMUM": minimum,
    "COMPARE": compare,
    "WHERE": where,
    "DIVIDE": division,
    "SUM": sum_tensor,
    "MAX": reduction(max),
    "MIN": reduction(min),
    "MEAN": reduction(lambda line: divide(sum(line), len(line))),
}
