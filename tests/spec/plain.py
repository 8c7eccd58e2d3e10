"""The operators once more, in plain Python integers and nested loops.

Written from docs/spec/02-operators.md alone and sharing nothing with the engine, so that a vector
which both reproduce is not one mistake made twice. Tensors are (shape, flat row-major list).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

Tensor = tuple[tuple[int, ...], list[int]]
Typed = tuple[int, Tensor]
Attributes = dict[str, Any]
RANGES = {1: (-128, 127), 2: (-32768, 32767), 3: (-(2**31), 2**31 - 1), 4: (0, 255)}


def rescale(v: int, m: int, s: int) -> int:
    return (v * m + (1 << (s - 1))) // (1 << s)


def divide(n: int, d: int) -> int:
    return (2 * n + d) // (2 * d)


def clamp(v: int, a: Attributes) -> int:
    low: int = a["minimum"]
    high: int = a["maximum"]
    return max(low, min(high, v))


def indexes(shape: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    return product(*(range(size) for size in shape))


def at(tensor: Tensor, index: tuple[int, ...]) -> int:
    shape, data = tensor
    flat = 0
    for size, position in zip(shape, index, strict=True):
        flat = flat * size + position
    return data[flat]


def build(shape: tuple[int, ...], element: Callable[[tuple[int, ...]], int]) -> Tensor:
    return shape, [element(index) for index in indexes(shape)]


def finish(total: int, channel: int, a: Attributes) -> int:
    """Bias, rescale, clamp."""
    which = channel if len(a["multipliers"]) > 1 else 0
    if a.get("bias"):
        total += a["bias"][channel]
    assert -(2**31) <= total < 2**31
    return clamp(rescale(total, a["multipliers"][which], a["shifts"][which]), a)


def gemm(a: Attributes, x: Tensor, w: Tensor) -> Tensor:
    depth = w[0][1]

    def element(index: tuple[int, ...]) -> int:
        total = sum(at(x, (*index[:-1], k)) * at(w, (index[-1], k)) for k in range(depth))
        return finish(total, index[-1], a)

    return build((*x[0][:-1], w[0][0]), element)


def extent(size: int, kernel: int, stride: int, before: int, after: int, dilation: int) -> int:
    return (size + before + after - (kernel - 1) * dilation - 1) // stride + 1


def window_shape(
    a: Attributes, x: Tensor, kernel: tuple[int, ...], dilations: tuple[int, ...]
) -> tuple[int, int]:
    rows, columns = (
        extent(
            x[0][1 + axis],
            kernel[axis],
            a["strides"][axis],
            a["padding"][axis],
            a["padding"][2 + axis],
            dilations[axis],
        )
        for axis in (0, 1)
    )
    return rows, columns


def conv2d(a: Attributes, x: Tensor, w: Tensor) -> Tensor:
    batch, height, width, _ = x[0]
    filters, kh, kw, depth = w[0]
    rows, columns = window_shape(a, x, (kh, kw), a["dilations"])

    def element(index: tuple[int, ...]) -> int:
        n, i, j, c = index
        group = c // (filters // a["groups"])
        total = 0
        for p, q, k in indexes((kh, kw, depth)):
            r = i * a["strides"][0] - a["padding"][0] + p * a["dilations"][0]
            s = j * a["strides"][1] - a["padding"][1] + q * a["dilations"][1]
            if 0 <= r < height and 0 <= s < width:
                total += at(x, (n, r, s, group * depth + k)) * at(w, (c, p, q, k))
        return finish(total, c, a)

    return build((batch, rows, columns, filters), element)


def real_elements(a: Attributes, x: Tensor, index: tuple[int, ...]) -> list[int]:
    n, i, j, c = index
    found = []
    for p, q in indexes(tuple(a["kernel"])):
        r = i * a["strides"][0] - a["padding"][0] + p
        s = j * a["strides"][1] - a["padding"][1] + q
        if 0 <= r < x[0][1] and 0 <= s < x[0][2]:
            found.append(at(x, (n, r, s, c)))
    return found


def max_pool2d(a: Attributes, x: Tensor) -> Tensor:
    rows, columns = window_shape(a, x, a["kernel"], (1, 1))
    shape = (x[0][0], rows, columns, x[0][3])
    return build(shape, lambda index: max(real_elements(a, x, index)))


def avg_pool2d(a: Attributes, x: Tensor) -> Tensor:
    rows, columns = window_shape(a, x, a["kernel"], (1, 1))

    def element(index: tuple[int, ...]) -> int:
        found = real_elements(a, x, index)
        count = a["kernel"][0] * a["kernel"][1] if a["count_padding"] else len(found)
        return divide(sum(found), count)

    return build((x[0][0], rows, columns, x[0][3]), element)


def pairwise(a: Tensor, b: Tensor, element: Callable[[int, int], int]) -> Tensor:
    rank = max(len(a[0]), len(b[0]))
    sizes = [(1,) * (rank - len(t[0])) + t[0] for t in (a, b)]
    shape = tuple(max(p, q) for p, q in zip(*sizes, strict=True))

    def read(tensor: Tensor, index: tuple[int, ...]) -> int:
        own = index[rank - len(tensor[0]) :]
        return at(
            tensor, tuple(0 if size == 1 else p for size, p in zip(tensor[0], own, strict=True))
        )

    return build(shape, lambda index: element(read(a, index), read(b, index)))


def add(a: Attributes, x: Tensor, y: Tensor, sign: int = 1) -> Tensor:
    def element(p: int, q: int) -> int:
        left = rescale(p, a["multiplier_a"], a["shift_a"])
        return clamp(left + sign * rescale(q, a["multiplier_b"], a["shift_b"]), a)

    return pairwise(x, y, element)


def sub(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return add(a, x, y, sign=-1)


def mul(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return pairwise(x, y, lambda p, q: clamp(rescale(p * q, a["multiplier"], a["shift"]), a))


def rescale_tensor(a: Attributes, x: Tensor) -> Tensor:
    return build(x[0], lambda index: finish(at(x, index), index[-1], a))


def clamp_tensor(a: Attributes, x: Tensor) -> Tensor:
    return x[0], [clamp(v, a) for v in x[1]]


def table8(a: Attributes, x: Tensor, lowest: int) -> Tensor:
    return x[0], [a["table"][v - lowest] for v in x[1]]


def reshape(a: Attributes, x: Tensor, n: int) -> Tensor:
    return tuple(n if size == -1 else size for size in a["shape"]), x[1]


def transpose(a: Attributes, x: Tensor) -> Tensor:
    order = a["permutation"]
    shape = tuple(x[0][axis] for axis in order)

    def element(index: tuple[int, ...]) -> int:
        source = [0] * len(order)
        for position, axis in enumerate(order):
            source[axis] = index[position]
        return at(x, tuple(source))

    return build(shape, element)


def concat(a: Attributes, *tensors: Tensor) -> Tensor:
    axis = a["axis"]
    first = tensors[0][0]
    shape = (*first[:axis], sum(t[0][axis] for t in tensors), *first[axis + 1 :])

    def element(index: tuple[int, ...]) -> int:
        position = index[axis]
        for tensor in tensors:
            if position < tensor[0][axis]:
                return at(tensor, (*index[:axis], position, *index[axis + 1 :]))
            position -= tensor[0][axis]
        raise AssertionError

    return build(shape, element)


def argmax(a: Attributes, x: Tensor) -> Tensor:
    axis = a["axis"]
    shape = x[0][:axis] + x[0][axis + 1 :]

    def element(index: tuple[int, ...]) -> int:
        line = [at(x, (*index[:axis], k, *index[axis:])) for k in range(x[0][axis])]
        return line.index(max(line))

    _, found = build(shape, element)
    return shape or (1,), found


FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    "GEMM": gemm,
    "CONV2D": conv2d,
    "MAX_POOL2D": max_pool2d,
    "AVG_POOL2D": avg_pool2d,
    "ADD": add,
    "SUB": sub,
    "MUL": mul,
    "RESCALE": rescale_tensor,
    "CLAMP": clamp_tensor,
    "TRANSPOSE": transpose,
    "CONCAT": concat,
    "ARGMAX": argmax,
}
