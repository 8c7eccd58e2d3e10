"""Loops of the numba backend where their shortcuts could go wrong: every remainder, every sign."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from ai_ops.backends.copies import copy_into
from ai_ops.backends.numba_backend import NumbaBackend, source_of
from ai_ops.backends.products import TILE, reach_of
from ai_ops.dtype import DType
from ai_ops.graph import TensorType, Value
from ai_ops.operators import OPERATORS, make_node
from ai_ops.ops.divide import quotient
from ai_ops.ops.window import Axis

LOW, HIGH = -(2**31), 2**31 - 1
ENDS = (LOW, LOW + 1, -(2**29) - 1, -3, -2, -1, 0, 1, 2, 3, 5, 2**16, HIGH - 1, HIGH)


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"), list(product((1, 2, 3, 5), (1, 2, 3, 4, 6), (1, 2, 3, 4)))
)
def test_the_taps_listed_are_those_that_reach_a_position(
    kernel: int, stride: int, dilation: int
) -> None:
    for size, before, extra in product((1, 2, 5), (0, (kernel - 1) * dilation), range(stride)):
        whole = (size - 1) * stride + (kernel - 1) * dilation + 1 + extra - before
        if whole < 1:
            continue
        axis = Axis(
            size=whole, kernel=kernel, stride=stride, dilation=dilation, before=before, after=0
        )
        assert axis.output == size
        reach = reach_of(axis)
        period, step = (int(entry) for entry in reach.window[3:5])
        expected = [
            sorted(
                (p, r)
                for p, r in product(range(kernel), range(size))
                if r * stride + p * dilation - before == t
            )
            for t in range(whole)
        ]
        for start in (0, whole // 2):
            table = reach.taps(source_of("reach"), start, whole).tolist()
            listed = [[(p + u * period, r - u * step) for u in range(n)] for p, r, n in table]
            assert listed == expected[start:]


def test_a_result_of_several_tiles() -> None:
    node = make_node(
        "CONV_TRANSPOSE2D",
        (0, 1),
        strides=(1, 3),
        padding=(0, 1, 0, 0),
        output_padding=(0, 2),
        dilations=(1, 2),
        groups=1,
        bias=(7,),
        multipliers=(2**30,),
        shifts=(33,),
        dtype=1,
        minimum=-128,
        maximum=127,
    )
    shapes = ((1, 2, TILE, 2), (1, 1, 3, 2))
    random = np.random.default_rng(4)
    arrays = tuple(random.integers(-128, 128, shape).astype(np.int8) for shape in shapes)
    values = tuple(
        Value(type=TensorType(dtype=DType.I8, shape=shape), minimum=-128, maximum=127)
        for shape in shapes
    )
    definition = OPERATORS["CONV_TRANSPOSE2D"]
    outputs = definition.infer(node, values)
    assert outputs[0].type.shape[2] > 2 * TILE
    (expected,) = definition.reference(node, arrays, outputs)
    (got,) = NumbaBackend().prepare(node, values, outputs, {})(arrays)
    assert np.array_equal(got, expected)


@pytest.mark.parametrize("shift", [0, 1, 16, 29])
@pytest.mark.parametrize("rounding", [0, 1, 2])
def test_magnitudes_divided_and_signed_again_are_the_quotient(shift: int, rounding: int) -> None:
    """Around every sign, around 32 bits of numerator and divisor, and by 0."""
    pairs = list(product((*ENDS, *range(-9, 10)), repeat=2))
    a, b = (np.array(side, np.int32) for side in zip(*pairs, strict=True))
    got = np.empty(len(pairs), np.int32)
    source_of("divide")(a, b, shift, rounding, LOW, HIGH, got)
    exact = [
        0 if q == 0 else quotient((p if q > 0 else -p) << shift, abs(q), rounding) for p, q in pairs
    ]
    assert got.tolist() == [max(LOW, min(HIGH, value)) for value in exact]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
def test_bits_turned_over_give_the_smallest(dtype: type[np.signedinteger]) -> None:
    ends = np.iinfo(dtype)
    x = np.array([[ends.max, 3, -1], [0, ends.min, 5], [-7, -7, -7]], dtype)
    for mask, expected in ((0, x.max(axis=1)), (-1, x.min(axis=1))):
        y = np.empty((3, 1), dtype)
        source_of("extreme_lines")(x[:, :, np.newaxis], mask, y)
        assert y[:, 0].tolist() == expected.tolist()
        turned = np.empty((1, 3), dtype)
        source_of("extreme_lines")(np.ascontiguousarray(x.T)[np.newaxis], mask, turned)
        assert turned[0].tolist() == expected.tolist()


@pytest.mark.parametrize("shape", [(3_000, 3), (1_500, 2, 2), (900, 5), (1, 4_500), (4_500, 1)])
def test_a_copy_in_short_runs_is_the_copy(shape: tuple[int, ...]) -> None:
    source = np.arange(np.prod(shape) * 2, dtype=np.int32).reshape(*shape[:-1], -1)[..., ::2]
    wide = np.zeros((shape[0] + 1, *shape[1:]), np.int32)
    copy_into(wide[1:], source)
    assert np.array_equal(wide[1:], source)
    assert not wide[0].any()
