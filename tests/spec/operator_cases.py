"""The inputs of the operator vectors; `tests.spec.plain` gives their results.

Chosen for the places where implementations differ: rounding of halves on both sides of zero, the
ends of every type, -128 as a weight, windows that hang over the edge, ties, repeated dimensions.
"""

from __future__ import annotations

from typing import Any

I8, I16, I32, U8 = 1, 2, 3, 4
Case = dict[str, Any]


def tensor(dtype: int, shape: tuple[int, ...], data: list[int]) -> Case:
    return {"dtype": dtype, "shape": list(shape), "data": data}


def ramp(dtype: int, shape: tuple[int, ...], start: int, step: int, period: int) -> Case:
    """Make a deterministic pattern: start + (position * step modulo period)."""
    count = 1
    for size in shape:
        count *= size
    return tensor(dtype, shape, [start + position * step % period for position in range(count)])


def scaled(m: int, s: int, dtype: int = I8, low: int = -128, high: int = 127) -> Case:
    return {"multipliers": [m], "shifts": [s], "dtype": dtype, "minimum": low, "maximum": high}


IDENTITY = scaled(2**30, 30, I32, -(2**31), 2**31 - 1)
HALF = scaled(2**30, 31)
WINDOW = {"strides": [1, 1], "padding": [0, 0, 0, 0]}


def case(rule: str, operator: str, why: str, attributes: Case, *inputs: Case) -> Case:
    return {
        "rule": rule,
        "why": why,
        "operator": operator,
        "attributes": attributes,
        "inputs": list(inputs),
    }


def gemm_cases() -> list[Case]:
    few = tensor(I8, (1, 4), [-128, -1, 1, 127])
    return [
        case(
            "O-1",
            "GEMM",
            "exact sums through an identity rescale to i32",
            {"bias": [], **IDENTITY},
            few,
            ramp(I8, (3, 4), -128, 37, 256),
        ),
        case(
            "O-1",
            "GEMM",
            "-128 counts as a weight",
            {"bias": [1, -1], **IDENTITY},
            few,
            tensor(I8, (2, 4), [-128] * 8),
        ),
        case(
            "O-1",
            "GEMM",
            "halves round up on both sides of zero",
            {"bias": [0, 1, 2, 3], **HALF},
            tensor(I8, (2, 1), [-3, 3]),
            tensor(I8, (4, 1), [1, 1, -1, -1]),
        ),
        case(
            "O-15",
            "GEMM",
            "one multiplier and shift for each channel, ReLU by the clamp",
            {
                "bias": [100, 0, -100],
                "multipliers": [2**30, 2**31 - 1, 0],
                "shifts": [33, 40, 1],
                "dtype": I8,
                "minimum": 0,
                "maximum": 127,
            },
            ramp(I8, (2, 5), -128, 61, 256),
            ramp(I8, (3, 5), -90, 53, 181),
        ),
        case(
            "O-1",
            "GEMM",
            "leading dimensions are kept",
            {"bias": [], **scaled(2**30, 36)},
            ramp(I8, (2, 3, 2), -7, 3, 15),
            ramp(I8, (2, 2), -100, 67, 201),
        ),
        case(
            "O-1",
            "GEMM",
            "i16 by i8",
            {"bias": [], **scaled(2**30, 40, I16, -32768, 32767)},
            ramp(I16, (1, 6), -32768, 13107, 65536),
            ramp(I8, (2, 6), -128, 51, 256),
        ),
    ]


def conv2d_cases() -> list[Case]:
    plain = {"dilations": [1, 1], "groups": 1}
    return [
        case(
            "O-2",
            "CONV2D",
            "one channel, no padding",
            {**WINDOW, **plain, "bias": [], **IDENTITY},
            ramp(I8, (1, 3, 3, 1), -4, 1, 9),
            tensor(I8, (1, 2, 2, 1), [1, 2, 3, 4]),
        ),
        case(
            "O-16",
            "CONV2D",
            "uneven padding and strides",
            {
                **plain,
                "strides": [2, 1],
                "padding": [1, 0, 0, 1],
                "bias": [5, -5],
                **scaled(2**30, 34),
            },
            ramp(I8, (2, 4, 3, 2), -128, 41, 256),
            ramp(I8, (2, 3, 2, 2), -60, 17, 121),
        ),
        case(
            "O-2",
            "CONV2D",
            "two groups of two filters",
            {**WINDOW, "dilations": [1, 1], "groups": 2, "bias": [], **scaled(2**30, 35)},
            ramp(I8, (1, 3, 3, 4), -100, 29, 201),
            ramp(I8, (4, 2, 2, 2), -90, 31, 181),
        ),
        case(
            "O-2",
            "CONV2D",
            "depthwise, multiplied for each channel",
            {
                "strides": [1, 1],
                "padding": [1, 1, 1, 1],
                "dilations": [1, 1],
                "groups": 3,
                "bias": [0, 10, 20],
                "multipliers": [2**30, 2**29 * 3, 2**31 - 1],
                "shifts": [33, 34, 35],
                "dtype": I8,
                "minimum": -128,
                "maximum": 127,
            },
            ramp(I8, (1, 3, 3, 3), -128, 19, 256),
            ramp(I8, (3, 3, 3, 1), -50, 13, 101),
        ),
        case(
            "O-2",
            "CONV2D",
            "dilation reads every second element",
            {**WINDOW, "dilations": [2, 2], "groups": 1, "bias": [], **IDENTITY},
            ramp(I8, (1, 4, 4, 1), 0, 1, 16),
            tensor(I8, (1, 2, 2, 1), [1, 10, 100, -128]),
        ),
    ]


def wide_operand_cases() -> list[Case]:
    """16-bit activations in a convolution.

    One of Cortex's back ends cut them to 8 bits, another did not, and with groups it was the
    other way round (cvm-runtime, cpu/ops/ops.cc and cuda/ops/conv.cu).
    """
    x = tensor(I16, (1, 2, 2, 2), [1000, 200, -300, 7, 128, -129, 32767, -32768])
    plain = {**WINDOW, "dilations": [1, 1], "bias": [], **IDENTITY}
    one = tensor(I8, (2, 1, 1, 2), [1, 0, 2, -3])
    grouped = tensor(I8, (2, 1, 1, 1), [1, -2])
    return [
        case("O-2", "CONV2D", "i16 is not cut to i8", {**plain, "groups": 1}, x, one),
        case("O-2", "CONV2D", "nor in groups", {**plain, "groups": 2}, x, grouped),
    ]


def pool_cases() -> list[Case]:
    two = {"kernel": [2, 2], "strides": [2, 2], "padding": [0, 0, 0, 0]}
    edge = {"kernel": [3, 2], "strides": [1, 2], "padding": [1, 1, 1, 0]}
    negative = ramp(I8, (1, 3, 3, 1), -9, 1, 9)
    return [
        case(
            "O-3",
            "MAX_POOL2D",
            "the last row and column do not fit",
            two,
            ramp(I8, (1, 5, 5, 1), -12, 7, 25),
        ),
        case("O-3", "MAX_POOL2D", "padding never wins, not even over negatives", edge, negative),
        case(
            "O-4",
            "AVG_POOL2D",
            "halves round up",
            {**two, "count_padding": 0},
            tensor(I8, (1, 2, 4, 1), [1, 2, -1, -2, 1, 2, -1, -2]),
        ),
        case(
            "O-4", "AVG_POOL2D", "only real elements count", {**edge, "count_padding": 0}, negative
        ),
        case(
            "O-4", "AVG_POOL2D", "the whole window counts", {**edge, "count_padding": 1}, negative
        ),
        case(
            "O-4",
            "AVG_POOL2D",
            "unsigned",
            {**two, "count_padding": 0},
            tensor(U8, (1, 2, 2, 2), [255, 0, 254, 1, 255, 0, 255, 0]),
        ),
    ]


def pairwise_cases() -> list[Case]:
    same = {"multiplier_a": 2**30, "shift_a": 31, "multiplier_b": 2**30, "shift_b": 31}
    narrow = {"dtype": I8, "minimum": -128, "maximum": 127}
    odd = tensor(I8, (4,), [-3, -1, 1, 3])
    extreme = tensor(I32, (2,), [-(2**31), 2**31 - 1])
    widest = {
        "multiplier_a": 2**31 - 1,
        "shift_a": 1,
        "multiplier_b": 2**31 - 1,
        "shift_b": 1,
        "dtype": I32,
        "minimum": -(2**31),
        "maximum": 2**31 - 1,
    }
    return [
        case("O-5", "ADD", "each term is rounded by itself", {**same, **narrow}, odd, odd),
        case("O-6", "SUB", "the rounded term is subtracted", {**same, **narrow}, odd, odd),
        case("O-5", "ADD", "64-bit terms saturate", widest, extreme, extreme),
        case("O-6", "SUB", "64-bit terms saturate", widest, extreme, tensor(I32, (1,), [-(2**31)])),
        case(
            "O-17",
            "ADD",
            "a row and a column give a table",
            {**same, **narrow},
            ramp(I8, (1, 3), -100, 100, 300),
            ramp(I8, (2, 1), -100, 200, 400),
        ),
        case(
            "O-17",
            "MUL",
            "a missing dimension is repeated",
            {"multiplier": 2**30, "shift": 34, **narrow},
            ramp(I8, (2, 2, 2), -128, 36, 256),
            tensor(I8, (2,), [-128, 127]),
        ),
        case(
            "O-7",
            "MUL",
            "products of i16 fit i32",
            {
                "multiplier": 2**31 - 1,
                "shift": 46,
                "dtype": I16,
                "minimum": -32768,
                "maximum": 32767,
            },
            tensor(I16, (3,), [-32768, 32767, 1]),
            tensor(I16, (3,), [-32768, -32768, -1]),
        ),
    ]


def elementwise_cases() -> list[Case]:
    i32 = tensor(I32, (6,), [-(2**31), -3, -1, 1, 3, 2**31 - 1])
    table = [(-1) ** v * v // 2 for v in range(256)]
    return [
        case("O-8", "RESCALE", "the ends of i32, largest shift", scaled(2**31 - 1, 62), i32),
        case(
            "O-8",
            "RESCALE",
            "smallest shift saturates",
            scaled(2**31 - 1, 1, I16, -32768, 32767),
            i32,
        ),
        case("O-8", "RESCALE", "multiplier 0 gives 0, then the clamp", scaled(0, 5, I8, 3, 9), i32),
        case("O-8", "RESCALE", "halves", HALF, i32),
        case(
            "O-15",
            "RESCALE",
            "for each channel, to unsigned",
            {
                "multipliers": [2**30, 2**31 - 1],
                "shifts": [30, 32],
                "dtype": U8,
                "minimum": 0,
                "maximum": 255,
            },
            ramp(I16, (3, 2), -300, 171, 900),
        ),
        case("O-9", "CLAMP", "ReLU6", {"minimum": 0, "maximum": 6}, ramp(I8, (9,), -128, 33, 256)),
        case(
            "O-10",
            "TABLE8",
            "entry 0 belongs to -128",
            {"dtype": I8, "table": table},
            tensor(I8, (4,), [-128, -1, 0, 127]),
        ),
        case(
            "O-10",
            "TABLE8",
            "entry 0 belongs to 0 for u8, i16 results",
            {"dtype": I16, "table": [300 - 2 * v for v in range(256)]},
            tensor(U8, (2, 2), [0, 1, 128, 255]),
        ),
    ]


def movement_cases() -> list[Case]:
    cube = ramp(I8, (2, 3, 2), 0, 1, 12)
    return [
        case("O-11", "RESHAPE", "row-major order is kept", {"shape": [3, 4]}, cube),
        case(
            "O-12",
            "TRANSPOSE",
            "dimension i of the result is permutation[i] of x",
            {"permutation": [2, 0, 1]},
            cube,
        ),
        case(
            "O-13",
            "CONCAT",
            "in the order of the inputs",
            {"axis": 1},
            ramp(I8, (2, 1, 2), 0, 1, 9),
            ramp(I8, (2, 2, 2), 100, 1, 20),
            ramp(I8, (2, 1, 2), 50, 1, 9),
        ),
        case(
            "O-14",
            "ARGMAX",
            "the lowest index wins; negatives; i32 beyond i8",
            {"axis": 1},
            tensor(I32, (3, 4), [5, 7, 7, 1, -9, -9, -9, -9, 127, 128, 300, -400]),
        ),
        # Cortex truncated the values to 8 bits and filled only part of the rows
        # (cvm-runtime model.cc, postprocess "argmax").
        case(
            "O-14",
            "ARGMAX",
            "every row has its own answer",
            {"axis": 1},
            tensor(
                I32,
                (6, 4),
                [
                    0,
                    1,
                    2,
                    300,
                    256,
                    1,
                    2,
                    3,
                    0,
                    260,
                    1,
                    2,
                    0,
                    1,
                    270,
                    3,
                    0,
                    1,
                    2,
                    511,
                    400,
                    1,
                    2,
                    300,
                ],
            ),
        ),
        case(
            "O-14",
            "ARGMAX",
            "the first dimension; rank 1 gives shape (1)",
            {"axis": 0},
            tensor(I8, (5,), [1, 9, -3, 9, 0]),
        ),
    ]


ALL = {
    "gemm": gemm_cases,
    "conv2d": conv2d_cases,
    "wide": wide_operand_cases,
    "pool": pool_cases,
    "pairwise": pairwise_cases,
    "elementwise": elementwise_cases,
    "movement": movement_cases,
}
