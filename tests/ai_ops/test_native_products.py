"""Products in C equal the reference: shapes at the edges of tiles, panels, blocks and bands.

A failure prints the seed; `ENGRAM_SEED` repeats it, `ENGRAM_LONG=1` draws ten times as many cases.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from ai_ops.backends import CHOICES
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel
from ai_ops.graph import AttributeValue, Node, TensorType, Value
from ai_ops.native.library import NativeKernel
from ai_ops.operators import OPERATORS, make_node
from tests.support.backends import started

VARIANTS = CHOICES["native"]
CASES = 400 if os.environ.get("ENGRAM_LONG") == "1" else 40
FIRST_SEED = int(os.environ.get("ENGRAM_SEED", "20261124"))


def rescaled(
    random: Random, channels: int, least: int = 1, most: int = 62
) -> dict[str, AttributeValue]:
    count = random.choice((1, channels))
    dtype = random.choice(tuple(DType))
    low, high = sorted(random.randint(dtype.minimum, dtype.maximum) for _ in range(2))
    whole = random.random() < 0.5
    top = random.choice((2**8, 2**20, 2**31))
    return {
        "multipliers": tuple(random.randrange(top) for _ in range(count)),
        "shifts": tuple(random.randint(least, most) for _ in range(count)),
        "dtype": dtype.code,
        "minimum": dtype.minimum if whole else low,
        "maximum": dtype.maximum if whole else high,
    }


def drawn(random: Random, value: Value, units: int = 1) -> Array:
    shape, low, high = value.type.concrete(units), value.minimum, value.maximum
    generator = np.random.default_rng(random.getrandbits(64))
    if random.random() < 0.2:
        return np.full(shape, random.choice((low, high)), value.type.dtype.numpy)
    return generator.integers(low, high, shape, endpoint=True).astype(value.type.dtype.numpy)


def value(
    dtype: DType, shape: tuple[int, ...], low: int | None = None, high: int | None = None
) -> Value:
    return Value(
        type=TensorType(dtype=dtype, shape=shape),
        minimum=dtype.minimum if low is None else low,
        maximum=dtype.maximum if high is None else high,
    )


def check(
    name: str, node: Node, values: tuple[Value, ...], arrays: tuple[Array, ...], weight: int
) -> None:
    outputs = OPERATORS[node.operator].infer(node, values)
    expected = started("reference").prepare(node, values, outputs, {})(arrays)
    for weights in ({},) if values[weight].type.symbolic else ({}, {weight: arrays[weight]}):
        kernel = started(name).prepare(node, values, outputs, weights)
        assert isinstance(kernel, NativeKernel)
        for result, want in zip(kernel(arrays), expected, strict=True):
            assert result.dtype == want.dtype
            np.testing.assert_array_equal(result, want)


@pytest.mark.parametrize("name", VARIANTS)
def test_dynamic_products(name: str) -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + CASES):
        print(f"ENGRAM_SEED={seed}")
        random = Random(seed)
        rows, units = random.choice((1, 2, 7, 8, 9, 129)), random.choice((1, 15, 16, 17, 33, 48))
        depth = random.choice((1, 3, 4, 5, 64, 257))
        q, w = value(DType.I8, (rows, depth)), value(DType.I8, (units, depth))
        a = value(DType.I32, (rows, 1), 1, 2**15 - 1)
        bias = tuple(random.randint(-(2**31), 2**31 - 1) for _ in range(units))
        node = make_node(
            "GEMM_DYNAMIC",
            (0, 1, 2),
            bias=random.choice((bias, ())),
            **rescaled(random, units, 9, 48),
        )
        arrays = tuple(drawn(random, given) for given in (q, a, w))
        if random.random() < 0.3:
            arrays[1][:] = 2 ** random.randrange(15)
        check(name, node, (q, a, w), arrays, 2)


def transposed_convolution(random: Random) -> tuple[Node, tuple[Value, ...]]:
    groups, depth = random.choice((1, 1, 2, 3)), random.choice((1, 2, 4, 5))
    filters = groups * random.choice((1, 3, 16, 17))
    kernel = random.randint(1, 4), random.randint(1, 5)
    strides = random.randint(1, 4), random.randint(1, 3)
    dilations = random.randint(1, 3), random.randint(1, 2)
    reach = [(size - 1) * gap + 1 for size, gap in zip(kernel, dilations, strict=True)]
    shape = random.choice((1, 2, -1)), random.randint(1, 6), random.randint(1, 9), groups * depth
    node = make_node(
        "CONV_TRANSPOSE2D",
        (0, 1),
        strides=strides,
        padding=tuple(random.randrange(reach[at % 2]) for at in range(4)),
        output_padding=tuple(random.randrange(stride) for stride in strides),
        dilations=dilations,
        groups=groups,
        bias=tuple(range(filters)),
        **rescaled(random, filters, 20, 45),
    )
    left = random.choice((DType.I8, DType.U8, DType.I16))
    return node, (value(left, shape), value(DType.I8, (filters, *kernel, depth)))


def matrices(random: Random) -> tuple[Node, tuple[Value, ...]]:
    depth = random.choice((1, 3, 4, 5, 33, 64))
    rows, columns = random.choice((1, 2, 9, 17, -1)), random.choice((1, 15, 16, 17, 40, -1))
    transposed = random.randint(0, 1)
    lead_a = random.choice(
        ((), (2,), (1,), (3, 2), (1, 2), (2,) if -1 in (rows, columns) else (-1,))
    )
    lead_b = random.choice(((), (2,), (1,), (3, 1), (3, 2), (1, 1)))
    matrix = (columns, depth) if transposed else (depth, columns)
    dtypes = [random.choice((DType.I8, DType.U8, DType.I16)) for _ in range(2)]
    node = make_node(
        "MATMUL", (0, 1), transpose_b=transposed, **rescaled(random, max(1, columns), 20, 45)
    )
    shapes = ((*lead_a, rows, depth), (*lead_b, *matrix))
    return node, tuple(value(*of) for of in zip(dtypes, shapes, strict=True))


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("draw", [transposed_convolution, matrices])
def test_random_nodes(name: str, draw: Callable[[Random], tuple[Node, tuple[Value, ...]]]) -> None:
    accepted = 0
    for seed in range(FIRST_SEED, FIRST_SEED + 3 * CASES):
        print(f"ENGRAM_SEED={seed}")
        random = Random(seed)
        node, values = draw(random)
        try:
            OPERATORS[node.operator].infer(node, values)
        except InvalidModel:
            continue
        accepted += 1
        units = random.choice((1, 2, 5, 19))
        arrays = tuple(drawn(random, given, units) for given in values)
        check(name, node, values, arrays, 1)
    assert accepted > CASES


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("right", [DType.I8, DType.U8, DType.I16, DType.I32])
@pytest.mark.parametrize("left", [DType.I8, DType.U8, DType.I16, DType.I32])
def test_products_of_any_dtypes(name: str, left: DType, right: DType) -> None:
    random = Random(f"{left}{right}")
    depth, units, rows = 37, 35, 11
    bound = (2**31 - 1) // depth
    reach = min(left.maximum, bound // min(2**15, -(right.minimum or -255)))
    x = value(left, (rows, depth), max(left.minimum, -reach), min(left.maximum, reach))
    w_reach = bound // max(abs(x.minimum), x.maximum)
    w = value(right, (units, depth), max(right.minimum, -w_reach), min(right.maximum, w_reach))
    for _ in range(5):
        node = make_node("GEMM", (0, 1), bias=(), **rescaled(random, units))
        check(name, node, (x, w), (drawn(random, x), drawn(random, w)), 1)


@pytest.mark.parametrize("name", VARIANTS)
def test_more_rows_than_a_block_and_bands_of_large_images(name: str) -> None:
    random = Random(5)
    x, w = value(DType.I8, (150, 2_000)), value(DType.I8, (40, 2_000))
    node = make_node("GEMM", (0, 1), bias=(7,) * 40, **rescaled(random, 40, 20, 50))
    check(name, node, (x, w), (drawn(random, x), drawn(random, w)), 1)
    for groups, depth in ((1, 24), (24, 1), (3, 8)):
        image, kernel = value(DType.I8, (2, 120, 130, 24)), value(DType.I8, (24, 3, 3, depth))
        node = make_node(
            "CONV2D",
            (0, 1),
            strides=(2, 1),
            padding=(1, 2, 1, 0),
            dilations=(1, 1),
            groups=groups,
            bias=tuple(range(24)),
            **rescaled(random, 24, 20, 50),
        )
        check(name, node, (image, kernel), (drawn(random, image), drawn(random, kernel)), 1)


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.parametrize("sign", [1, -1])
def test_results_at_the_ends_of_i32(name: str, sign: int) -> None:
    """Sums of 2^16 on either side of where a rescaled sum stops being an i32."""
    fields = {"dtype": DType.I32.code, "minimum": -(2**31), "maximum": 2**31 - 1}
    x, w = value(DType.I8, (3, 4)), value(DType.I8, (17, 4))
    a = value(DType.I32, (3, 1), 1, 2**15 - 1)
    given = (np.full((3, 4), -128, np.int8), np.full((17, 4), min(127, -128 * sign), np.int8))
    for shift in (15, 16, 17, 18):
        scale = {"multipliers": (2**31 - 1,), "shifts": (shift,)}
        node = make_node("GEMM", (0, 1), bias=(), **scale, **fields)
        check(name, node, (x, w), given, 1)
        bias = (sign * (2**31 - 1),) * 17
        node = make_node("GEMM_DYNAMIC", (0, 1, 2), bias=bias, **scale, **fields)
        for factor in (1, 2**15 - 1):
            factors = np.full((3, 1), factor, np.int32)
            check(name, node, (x, a, w), (given[0], factors, given[1]), 2)
