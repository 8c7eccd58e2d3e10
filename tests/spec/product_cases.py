"""Vectors of products of activations, transposed convolution and box selection."""

from __future__ import annotations

from typing import Any

from tests.spec.movement_cases import symbolic
from tests.spec.operator_cases import (
    HALF,
    I8,
    I16,
    I32,
    IDENTITY,
    U8,
    Case,
    case,
    ramp,
    scaled,
    tensor,
)


def matmul_cases() -> list[Case]:
    plain, turned = {"transpose_b": 0}, {"transpose_b": 1}
    low = {"multipliers": [2**30, 2**31 - 1], "shifts": [33, 36]}
    return [
        case(
            "O-20",
            "MATMUL",
            "exact sums",
            {**plain, **IDENTITY},
            ramp(I8, (2, 3), -128, 51, 256),
            ramp(I8, (3, 4), -90, 37, 211),
        ),
        case(
            "O-20",
            "MATMUL",
            "the second matrix turned",
            {**turned, **IDENTITY},
            ramp(I8, (2, 3), -128, 51, 256),
            ramp(I8, (4, 3), -90, 37, 211),
        ),
        case(
            "O-20",
            "MATMUL",
            "one matrix against several, a scale for each column",
            {**plain, **low, "dtype": I8, "minimum": -128, "maximum": 127},
            ramp(I16, (2, 1, 2, 3), -3000, 1009, 6001),
            ramp(I8, (3, 3, 2), -128, 19, 256),
        ),
        case(
            "O-20",
            "MATMUL",
            "unsigned by unsigned",
            {**turned, **scaled(2**30, 34, U8, 0, 255)},
            ramp(U8, (1, 5), 0, 97, 256),
            ramp(U8, (2, 5), 3, 61, 253),
        ),
        case(
            "O-20",
            "MATMUL",
            "n rows, halves up",
            {**plain, **HALF},
            symbolic(0, tensor(I8, (4, 1), [-3, -1, 1, 3])),
            tensor(I8, (1, 2), [1, -1]),
        ),
        case(
            "O-20",
            "MATMUL",
            "n matrices",
            {**turned, **scaled(2**30, 37)},
            symbolic(0, ramp(I8, (3, 2, 4), -128, 77, 256)),
            symbolic(0, ramp(I8, (3, 3, 4), -128, 53, 256)),
        ),
    ]


def transposed(**change: Any) -> Case:
    return {
        "strides": [2, 2],
        "padding": [0, 0, 0, 0],
        "output_padding": [0, 0],
        "dilations": [1, 1],
        "groups": 1,
        "bias": [],
        **IDENTITY,
        **change,
    }


def conv_transpose2d_cases() -> list[Case]:
    name = "CONV_TRANSPOSE2D"
    image = ramp(I8, (1, 2, 3, 2), -100, 37, 201)
    kernel = ramp(I8, (3, 3, 2, 2), -128, 29, 256)
    return [
        case(
            "O-21",
            name,
            "windows lie side by side",
            transposed(),
            ramp(I8, (1, 2, 2, 1), 1, 1, 4),
            tensor(I8, (1, 2, 2, 1), [1, 10, 100, -128]),
        ),
        case("O-21", name, "windows overlap and add", transposed(strides=[1, 1]), image, kernel),
        case(
            "O-21",
            name,
            "uneven padding cuts the result, output padding lengthens it",
            transposed(strides=[2, 3], padding=[1, 0, 0, 1], output_padding=[1, 2]),
            image,
            kernel,
        ),
        case(
            "O-21",
            name,
            "gaps that no window covers hold the bias",
            transposed(strides=[3, 4], bias=[7, -7, 1000]),
            ramp(I8, (1, 2, 2, 2), -4, 1, 8),
            ramp(I8, (3, 1, 2, 2), -6, 5, 13),
        ),
        case(
            "O-21",
            name,
            "dilation beyond the stride",
            transposed(dilations=[3, 2], strides=[2, 1], padding=[2, 1, 3, 0]),
            image,
            kernel,
        ),
        case(
            "O-21",
            name,
            "two groups, scaled for each channel, i16",
            transposed(
                groups=2,
                bias=[100, 0, -100, 5],
                multipliers=[2**30, 2**31 - 1, 2**30, 3],
                shifts=[36, 37, 35, 10],
                dtype=I8,
                minimum=-128,
                maximum=127,
            ),
            ramp(I16, (2, 2, 2, 4), -3000, 777, 6000),
            ramp(I8, (4, 2, 3, 2), -128, 41, 256),
        ),
        case(
            "O-21",
            name,
            "n images, depthwise",
            transposed(groups=2, **scaled(2**30, 34)),
            symbolic(0, ramp(I8, (2, 2, 1, 2), -128, 83, 256)),
            ramp(I8, (2, 3, 3, 1), -128, 47, 256),
        ),
    ]


def select(score: int, overlap: int, most: int) -> Case:
    return {"score_threshold": score, "iou_threshold": overlap, "maximum_outputs": most}


def boxes_of(*rows: tuple[int, int, int, int]) -> Case:
    return tensor(I16, (len(rows), 4), [corner for row in rows for corner in row])


def nms_cases() -> list[Case]:
    name, half = "NON_MAX_SUPPRESSION", 32768
    # Two pairs that share half of their union's area, and one box by itself.
    boxes = boxes_of(
        (0, 0, 30, 10), (10, 0, 40, 10), (50, 0, 60, 10), (0, 0, 30, 10), (9, 9, 9, 99)
    )
    scores = tensor(I8, (5,), [5, 7, 7, 5, 100])
    far = 32767
    corner = boxes_of(
        (-far - 1, -far - 1, far, far), (-far - 1, -far - 1, far, far - 1), (0, 0, far, far)
    )
    classes = tensor(I32, (5,), [1, 1, 1, -1, -1])
    return [
        case(
            "O-41",
            name,
            "equal scores: the lower index first; an overlap equal to the threshold is kept",
            select(-128, half, 5),
            boxes,
            scores,
        ),
        case(
            "O-41",
            name,
            "an overlap above the threshold is not",
            select(-128, half - 1, 5),
            boxes,
            scores,
        ),
        case("O-41", name, "threshold 0: any shared area", select(-128, 0, 5), boxes, scores),
        case(
            "O-41", name, "threshold 1: none is ever too much", select(0, 65536, 5), boxes, scores
        ),
        case(
            "O-41",
            name,
            "a score equal to its threshold is kept",
            select(7, half, 4),
            boxes,
            scores,
        ),
        case("O-41", name, "fewer results than boxes", select(-128, half, 2), boxes, scores),
        case(
            "O-41",
            name,
            "only boxes of one class suppress each other, and -1 is a class like any other: one of "
            "Cortex's back ends dropped such a row, another stopped at it",
            select(-128, half - 1, 5),
            boxes,
            scores,
            classes,
        ),
        case(
            "O-41",
            name,
            "no score is high enough: every result is written all the same (Cortex returned early "
            "and left what had been there)",
            select(101, half, 3),
            boxes,
            scores,
        ),
        case(
            "O-41",
            name,
            "the largest boxes: areas beyond i32, products with the threshold beyond 2^48",
            select(0, 65534, 3),
            corner,
            tensor(I32, (3,), [0, 2**31 - 1, 1]),
        ),
        case(
            "O-41",
            name,
            "a box inside out has no area and shares none",
            select(0, 0, 4),
            boxes_of((10, 10, 0, 0), (0, 0, 10, 10), (10, 0, 0, 10), (5, 5, 5, 5)),
            tensor(U8, (4,), [4, 3, 255, 1]),
        ),
    ]


def valid_rows_cases() -> list[Case]:
    name = "VALID_ROWS"
    rows = tensor(I16, (4, 3), [1, -5, 9, 2, 7, 8, 3, -6, 0, 4, 7, -1])
    return [
        case("O-42", name, "in order, the rest -1", {"column": 1, "threshold": -6}, rows),
        case(
            "O-42",
            name,
            "a threshold below -1 counts no row that is not there: Cortex's GPU did",
            {"column": 1, "threshold": -7},
            rows,
        ),
        case("O-42", name, "none", {"column": 2, "threshold": 9}, rows),
        case(
            "O-42",
            name,
            "a row whose class is -1 is valid if its score is: Cortex's GPU dropped it",
            {"column": 1, "threshold": 0},
            tensor(I32, (2, 2), [-1, 5, 6, 0]),
        ),
        case("O-42", name, "of n rows", {"column": 0, "threshold": 1}, symbolic(0, rows)),
        case(
            "O-42",
            name,
            "a threshold beyond the dtype",
            {"column": 0, "threshold": -1000},
            tensor(I8, (2, 1), [-128, 127]),
        ),
    ]


ALL = {
    "matmul": matmul_cases,
    "conv_transpose2d": conv_transpose2d_cases,
    "non_max_suppression": nms_cases,
    "valid_rows": valid_rows_cases,
}
