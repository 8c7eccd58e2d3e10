"""What products of activations, transposed convolution and box selection refuse and prove."""

from __future__ import annotations

from tests.spec.movement_refusals import proved
from tests.spec.operator_cases import HALF, I8, I16, I32, IDENTITY, U8, Case
from tests.spec.product_cases import select, transposed
from tests.spec.refusal_cases import (
    ACCUMULATOR,
    DTYPE,
    NOT_SYMBOLIC,
    SHAPE,
    SYMBOLIC,
    VALUE,
    refused,
    value,
)


def refusals() -> list[Case]:
    plain, turned = {"transpose_b": 0, **HALF}, {"transpose_b": 1, **HALF}
    a, b, image, w = value(I8, 2, 3), value(I8, 3, 4), value(I8, 1, 5, 5, 2), value(I8, 2, 3, 3, 2)
    deep = (2**31 - 1) // 2**14
    name = "CONV_TRANSPOSE2D"
    return [
        refused("O-20", SHAPE, "MATMUL", plain, value(I8, 3), b),
        refused("O-20", SHAPE, "MATMUL", plain, a, value(I8, 3)),
        refused("O-20", DTYPE, "MATMUL", plain, value(I32, 2, 3), b),
        refused("O-20", VALUE, "MATMUL", {**plain, "transpose_b": 2}, a, b),
        refused("O-20", NOT_SYMBOLIC, "MATMUL", plain, value(I8, 2, SYMBOLIC), b),
        refused("O-20", NOT_SYMBOLIC, "MATMUL", plain, a, value(I8, SYMBOLIC, 4)),
        refused("O-20", SHAPE, "MATMUL", turned, a, b),
        refused("O-20", SHAPE, "MATMUL", plain, value(I8, 2, 2, 3), value(I8, 3, 3, 4)),
        refused("O-20", SHAPE, "MATMUL", plain, value(I8, SYMBOLIC, 2, 3), value(I8, 3, 3, 4)),
        refused("O-20", VALUE, "MATMUL", {**plain, "multipliers": [1, 1], "shifts": [1, 1]}, a, b),
        refused(
            "O-20", ACCUMULATOR, "MATMUL", plain, value(I8, 1, deep + 1), value(I8, deep + 1, 1)
        ),
        refused("O-21", SHAPE, name, transposed(), image, value(I8, 2, 3, 3)),
        refused("O-21", SHAPE, name, transposed(), value(I8, 5, 5, 2), w),
        refused(
            "O-21", SHAPE, name, transposed(), value(I8, 1, SYMBOLIC, 5, 2), value(I8, 2, 3, 3)
        ),
        refused("O-21", NOT_SYMBOLIC, name, transposed(), value(I8, 1, SYMBOLIC, 5, 2), w),
        refused("O-21", VALUE, name, transposed(strides=[0, 1]), image, w),
        refused("O-21", VALUE, name, transposed(dilations=[0, 1]), image, w),
        refused("O-21", VALUE, name, transposed(padding=[0, 0, 0, 3]), image, w),
        refused("O-21", VALUE, name, transposed(output_padding=[2, 0]), image, w),
        refused("O-21", SHAPE, name, transposed(padding=[2, 2, 2, 2]), value(I8, 1, 1, 1, 2), w),
        refused("O-21", SHAPE, name, transposed(groups=2), image, w),
        refused("O-21", SHAPE, name, transposed(groups=0), image, w),
        refused("O-21", VALUE, name, transposed(bias=[1]), image, w),
        refused("O-21", ACCUMULATOR, name, transposed(), image, value(I16, 2, 300, 300, 2)),
        *nms_refusals(),
        refused("O-42", DTYPE, "VALID_ROWS", {"column": 0, "threshold": 0}, value(U8, 2, 3)),
        refused("O-42", SHAPE, "VALID_ROWS", {"column": 0, "threshold": 0}, value(I8, 2)),
        refused("O-42", DTYPE, "VALID_ROWS", {"column": 0, "threshold": 0}, value(U8, 2)),
        refused(
            "O-42",
            NOT_SYMBOLIC,
            "VALID_ROWS",
            {"column": 0, "threshold": 0},
            value(I8, 2, SYMBOLIC),
        ),
        refused("O-42", VALUE, "VALID_ROWS", {"column": 3, "threshold": 0}, a),
    ]


def nms_refusals() -> list[Case]:
    name, boxes, scores = "NON_MAX_SUPPRESSION", value(I16, 5, 4), value(I8, 5)
    most = select(0, 65536, 5)
    return [
        refused("O-41", DTYPE, name, most, value(I8, 5, 4), scores),
        refused("O-41", DTYPE, name, most, value(I8, 5, 5), scores),
        refused("O-41", DTYPE, name, most, boxes, scores, value(I16, 5)),
        refused("O-41", SHAPE, name, most, value(I16, 5, 5), scores),
        refused("O-41", SHAPE, name, most, value(I16, 20), scores),
        refused("O-41", SHAPE, name, most, boxes, value(I8, 4)),
        refused("O-41", SHAPE, name, most, boxes, value(I8, 5, 1)),
        refused("O-41", SHAPE, name, most, boxes, scores, value(I32, 1)),
        refused("O-41", NOT_SYMBOLIC, name, most, value(I16, SYMBOLIC, 4), value(I8, SYMBOLIC)),
        refused("O-41", VALUE, name, select(0, 65537, 5), boxes, scores),
        {
            **refused("O-41", VALUE, name, select(0, 0, 0), boxes, scores),
            "why": "no result at all: Cortex's back ends disagreed about max_output_size 0",
        },
        refused("O-41", VALUE, name, select(0, 0, 6), boxes, scores),
    ]


def intervals() -> list[Case]:
    few = value(I8, 2, 3, low=0, high=5)
    exact = {"transpose_b": 0, **IDENTITY}
    rows = {"column": 0, "threshold": 0}
    return [
        proved("O-20", "MATMUL", exact, [-3 * 5 * 128, 3 * 5 * 127], few, value(I8, 3, 4)),
        proved(
            "O-20", "MATMUL", exact, [3 * 2 * 3, 3 * 4 * 9], BETWEEN, value(U8, 3, 1, low=3, high=9)
        ),
        proved(
            "O-21",
            "CONV_TRANSPOSE2D",
            transposed(),
            [-5 * 8 * 128, 5 * 8 * 128],
            IMAGE,
            value(I8, 1, 2, 2, 2),
        ),
        proved(
            "O-41", "NON_MAX_SUPPRESSION", select(0, 0, 2), [-1, 4], value(I16, 5, 4), value(I8, 5)
        ),
        proved("O-42", "VALID_ROWS", rows, [-1, 5], few),
    ]


BETWEEN = value(I8, 2, 3, low=2, high=4)
IMAGE = value(I8, 1, 3, 3, 2, low=0, high=5)
