"""Nodes that an operator refuses, each with the code that every implementation must give."""

from __future__ import annotations

from typing import Any

from tests.spec.operator_cases import HALF, I8, I16, I32, U8, WINDOW, scaled

Case = dict[str, Any]
SYMBOLIC = -1
SHAPE, DTYPE, VALUE, ACCUMULATOR, NOT_SYMBOLIC = 301, 302, 303, 304, 207


def value(dtype: int, *shape: int, low: int | None = None, high: int | None = None) -> Case:
    ends = {
        I8: (-128, 127),
        I16: (-(2**15), 2**15 - 1),
        I32: (-(2**31), 2**31 - 1),
        U8: (0, 255),
    }[dtype]
    return {
        "dtype": dtype,
        "shape": list(shape),
        "minimum": ends[0] if low is None else low,
        "maximum": ends[1] if high is None else high,
    }


def refused(rule: str, fault: int, operator: str, attributes: Case, *inputs: Case) -> Case:
    return {
        "rule": rule,
        "operator": operator,
        "attributes": attributes,
        "inputs": list(inputs),
        "fault": fault,
    }


def gemm(**change: Any) -> Case:
    return {"bias": [], **HALF, **change}


def conv(**change: Any) -> Case:
    return {**WINDOW, "dilations": [1, 1], "groups": 1, "bias": [], **HALF, **change}


def accumulator_cases() -> list[Case]:
    """T-6: the deepest product that fits, one more, and the bias that tips it."""
    deepest = (2**31 - 1) // 2**14
    left = 2**31 - 1 - deepest * 2**14
    rows = []
    for depth, bias, fits in (
        (deepest, 0, True),
        (deepest + 1, 0, False),
        (deepest, left, True),
        (deepest, left + 1, False),
        (deepest, -left - 1, True),
        (deepest, -left - 2, False),
    ):
        rows.append(
            {
                **refused(
                    "T-6",
                    ACCUMULATOR,
                    "GEMM",
                    gemm(bias=[bias]),
                    value(I8, 1, depth),
                    value(I8, 1, depth),
                ),
                "fault": None if fits else ACCUMULATOR,
            }
        )
    narrow = value(I16, 1, 1000, low=-100, high=100)
    rows.append(
        {
            **refused("T-7", ACCUMULATOR, "GEMM", gemm(), narrow, value(I8, 1, 1000)),
            "fault": None,
            "intervals": [[-(128 * 100 * 1000) // 2, 128 * 100 * 1000 // 2]],
        }
    )
    rows[-1]["attributes"] = gemm(dtype=I32, minimum=-(2**31), maximum=2**31 - 1)
    rows.append(
        refused("T-7", ACCUMULATOR, "GEMM", gemm(), value(I16, 1, 1000), value(I8, 1, 1000))
    )
    return rows


def operator_refusals() -> list[Case]:
    x, w = value(I8, 2, 4), value(I8, 3, 4)
    image, filters = value(I8, 1, 5, 5, 2), value(I8, 2, 3, 3, 2)
    pool = {"kernel": [2, 2], **WINDOW}
    pair = {"multiplier_a": 1, "shift_a": 1, "multiplier_b": 1, "shift_b": 1}
    narrow = {"dtype": I8, "minimum": -128, "maximum": 127}
    return [
        refused("O-1", SHAPE, "GEMM", gemm(), x, value(I8, 3, 5)),
        refused("O-1", SHAPE, "GEMM", gemm(), x, value(I8, 3, 4, 1)),
        refused("O-1", SHAPE, "GEMM", gemm(), x, value(I8, SYMBOLIC, 4)),
        refused("O-1", VALUE, "GEMM", gemm(bias=[1, 2]), x, w),
        refused("O-2", SHAPE, "CONV2D", conv(), value(I8, 5, 5, 2), filters),
        refused("O-2", SHAPE, "CONV2D", conv(groups=2), image, filters),
        refused("O-2", SHAPE, "CONV2D", conv(groups=0), image, filters),
        refused("O-2", SHAPE, "CONV2D", conv(), image, value(I8, 2, 6, 3, 2)),
        refused("O-16", NOT_SYMBOLIC, "CONV2D", conv(), value(I8, 1, SYMBOLIC, 5, 2), filters),
        refused("O-16", VALUE, "CONV2D", conv(strides=[0, 1]), image, filters),
        refused("O-16", VALUE, "CONV2D", conv(dilations=[1, 0]), image, filters),
        refused("O-16", VALUE, "CONV2D", conv(padding=[3, 0, 0, 0]), image, filters),
        refused("O-16", VALUE, "MAX_POOL2D", {**pool, "kernel": [0, 2]}, image),
        refused("O-16", VALUE, "MAX_POOL2D", {**pool, "padding": [0, 0, 2, 0]}, image),
        refused("O-4", VALUE, "AVG_POOL2D", {**pool, "count_padding": 2}, image),
        refused(
            "O-4", ACCUMULATOR, "AVG_POOL2D", {**pool, "count_padding": 0}, value(I32, 1, 5, 5, 2)
        ),
        refused("O-15", VALUE, "GEMM", gemm(multipliers=[2**31]), x, w),
        refused("O-15", VALUE, "GEMM", gemm(shifts=[0]), x, w),
        refused("O-15", VALUE, "GEMM", gemm(shifts=[63]), x, w),
        refused("O-15", VALUE, "GEMM", gemm(multipliers=[]), x, w),
        refused("O-15", VALUE, "GEMM", gemm(multipliers=[1, 1]), x, w),
        refused("O-15", VALUE, "GEMM", gemm(shifts=[1, 1, 1]), x, w),
        refused("O-15", DTYPE, "GEMM", gemm(dtype=9), x, w),
        refused("O-15", VALUE, "GEMM", gemm(minimum=5, maximum=4), x, w),
        refused("O-15", VALUE, "GEMM", gemm(maximum=128), x, w),
        refused(
            "O-15",
            VALUE,
            "RESCALE",
            scaled(1, 1) | {"multipliers": [1, 1], "shifts": [1, 1]},
            value(I8, 2, SYMBOLIC),
        ),
        refused("O-17", SHAPE, "ADD", {**pair, **narrow}, value(I8, 2, 3), value(I8, 2)),
        refused("O-17", SHAPE, "ADD", {**pair, **narrow}, value(I8, SYMBOLIC, 3), value(I8, 2, 3)),
        refused("O-5", VALUE, "ADD", {**pair, **narrow, "shift_b": 0}, x, x),
        refused("O-6", VALUE, "SUB", {**pair, **narrow, "multiplier_a": 2**31}, x, x),
        refused(
            "O-7",
            ACCUMULATOR,
            "MUL",
            {"multiplier": 1, "shift": 1, **narrow},
            value(I32, 2),
            value(I8, 2),
        ),
        refused("O-9", VALUE, "CLAMP", {"minimum": -129, "maximum": 0}, x),
        refused("O-10", DTYPE, "TABLE8", {"dtype": I8, "table": [0] * 256}, value(I16, 2)),
        refused("O-10", DTYPE, "TABLE8", {"dtype": I32, "table": [0] * 256}, x),
        refused("O-10", VALUE, "TABLE8", {"dtype": I8, "table": [128] + [0] * 255}, x),
        refused("O-11", SHAPE, "RESHAPE", {"shape": [7]}, x),
        refused("O-11", SHAPE, "RESHAPE", {"shape": []}, x),
        refused("O-11", SHAPE, "RESHAPE", {"shape": [8, 0]}, x),
        refused("O-11", SHAPE, "RESHAPE", {"shape": [-2, -4]}, x),
        refused("O-11", NOT_SYMBOLIC, "RESHAPE", {"shape": [-1, 4]}, x),
        refused("O-11", NOT_SYMBOLIC, "RESHAPE", {"shape": [4]}, value(I8, SYMBOLIC, 4)),
        refused("O-12", VALUE, "TRANSPOSE", {"permutation": [0, 0]}, x),
        refused("O-12", VALUE, "TRANSPOSE", {"permutation": [0]}, x),
        refused("O-12", VALUE, "TRANSPOSE", {"permutation": [0, 2]}, x),
        refused("O-13", VALUE, "CONCAT", {"axis": 2}, x, x),
        refused("O-13", DTYPE, "CONCAT", {"axis": 0}, x, value(I16, 2, 4)),
        refused("O-13", SHAPE, "CONCAT", {"axis": 0}, x, value(I8, 2, 3)),
        refused("O-13", SHAPE, "CONCAT", {"axis": 0}, x, value(I8, 2, 4, 1)),
        refused(
            "O-13", NOT_SYMBOLIC, "CONCAT", {"axis": 0}, value(I8, SYMBOLIC), value(I8, SYMBOLIC)
        ),
        refused("O-14", VALUE, "ARGMAX", {"axis": 2}, x),
        refused("O-14", NOT_SYMBOLIC, "ARGMAX", {"axis": 0}, value(I8, SYMBOLIC, 4)),
    ]
