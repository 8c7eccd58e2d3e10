"""What movement, comparisons, divisions and reductions refuse, and the intervals they prove."""

from __future__ import annotations

from tests.spec.movement_cases import I32_HIGH, I32_LOW, cut, divide_by, over
from tests.spec.operator_cases import HALF, I8, I16, I32, IDENTITY, U8, Case
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


def proved(
    rule: str, operator: str, attributes: Case, interval: list[int], *inputs: Case, why: str = ""
) -> Case:
    """Make a case that is accepted, with the interval that follows."""
    accepted = {**refused(rule, 0, operator, attributes, *inputs), "fault": None}
    return {**accepted, "interval": interval, **({"why": why} if why else {})}


def refusals() -> list[Case]:
    x, byte, word = value(I8, 2, 4), value(U8, 2, 4), value(I16, 2, 4)
    many, image = value(I8, SYMBOLIC, 4), value(I8, 1, 5, 5, 2)
    pad = {"before": [0, 0], "after": [0, 0], "value": 0}
    return [
        refused("O-22", DTYPE, "NEGATE", {}, byte),
        refused("O-23", DTYPE, "ABS", {}, byte),
        refused("O-24", DTYPE, "MAXIMUM", {}, x, word),
        refused("O-24", SHAPE, "MAXIMUM", {}, x, value(I8, 3)),
        refused("O-25", DTYPE, "MINIMUM", {}, x, byte),
        refused("O-26", VALUE, "COMPARE", {"relation": 6}, x, x),
        refused("O-26", SHAPE, "COMPARE", {"relation": 0}, x, value(I8, 3)),
        refused("O-27", DTYPE, "WHERE", {}, x, x, word),
        refused("O-27", SHAPE, "WHERE", {}, value(I8, 3), x, x),
        refused("O-27", SHAPE, "WHERE", {}, many, x, x),
        refused("O-28", VALUE, "DIVIDE", divide_by(3), x, x),
        refused("O-28", VALUE, "DIVIDE", divide_by(0, shift=30), x, x),
        refused("O-28", DTYPE, "DIVIDE", {**divide_by(0), "dtype": 9}, x, x),
        refused("O-28", VALUE, "DIVIDE", {**divide_by(0), "minimum": 5, "maximum": 4}, x, x),
        refused("O-28", SHAPE, "DIVIDE", divide_by(0), x, value(I8, 3)),
        refused("O-30", VALUE, "GATHER", {"axis": 2}, x, x),
        refused("O-30", NOT_SYMBOLIC, "GATHER", {"axis": 0}, many, x),
        refused("O-31", VALUE, "SLICE", cut([0], [1], [1]), x),
        refused("O-31", VALUE, "SLICE", cut([0, 0], [1, 1, 1], [1, 1]), x),
        refused("O-31", VALUE, "SLICE", cut([0, 0], [1, 0], [1, 1]), x),
        refused("O-31", VALUE, "SLICE", cut([0, 0], [1, -1], [1, 1]), x),
        refused("O-31", VALUE, "SLICE", cut([0, 0], [1, 1], [1, 0]), x),
        refused("O-31", VALUE, "SLICE", cut([0, 4], [1, 1], [1, 1]), x),
        refused("O-31", VALUE, "SLICE", cut([0, -1], [1, 1], [1, 1]), x),
        refused("O-31", VALUE, "SLICE", cut([0, 1], [1, 3], [1, 2]), x),
        refused("O-31", VALUE, "SLICE", cut([0, 1], [1, 3], [1, -1]), x),
        refused("O-31", VALUE, "SLICE", cut([0, 1], [1, I32_HIGH], [1, I32_HIGH]), x),
        refused("O-31", NOT_SYMBOLIC, "SLICE", cut([1, 0], [-1, 4], [1, 1]), many),
        refused("O-31", NOT_SYMBOLIC, "SLICE", cut([0, 0], [2, 4], [1, 1]), many),
        refused("O-31", NOT_SYMBOLIC, "SLICE", cut([-1, 0], [-1, 4], [-1, 1]), many),
        refused("O-31", NOT_SYMBOLIC, "SLICE", cut([1, 9], [-1, 4], [1, 1]), many),
        refused("O-31", VALUE, "SLICE", cut([9, 1], [4, -1], [1, 1]), value(I8, 4, SYMBOLIC)),
        refused("O-32", VALUE, "PAD", {**pad, "before": [0]}, x),
        refused("O-32", VALUE, "PAD", {**pad, "after": [1, 0], "value": 128}, many),
        refused("O-32", VALUE, "PAD", {**pad, "value": 128}, x),
        refused("O-32", NOT_SYMBOLIC, "PAD", {**pad, "after": [1, 0]}, many),
        refused("O-33", SHAPE, "UPSAMPLE", {"scales": [1, 1]}, x),
        refused("O-33", VALUE, "UPSAMPLE", {"scales": [0, 1]}, image),
        refused("O-33", NOT_SYMBOLIC, "UPSAMPLE", {"scales": [1, 1]}, value(I8, 1, 5, SYMBOLIC, 2)),
        refused("O-34", VALUE, "TILE", {"repetitions": [1]}, x),
        refused("O-34", VALUE, "TILE", {"repetitions": [1, 0]}, x),
        refused("O-34", NOT_SYMBOLIC, "TILE", {"repetitions": [2, 1]}, many),
        refused("O-34", NOT_SYMBOLIC, "TILE", {"repetitions": [2, 0]}, many),
        refused("O-34", VALUE, "TILE", {"repetitions": [0, 2]}, value(I8, 4, SYMBOLIC)),
        refused("O-35", VALUE, "REPEAT", {"axis": 2, "count": 1}, x),
        refused("O-35", VALUE, "REPEAT", {"axis": 0, "count": 0}, x),
        refused("O-35", NOT_SYMBOLIC, "REPEAT", {"axis": 0, "count": 2}, many),
        refused("O-36", VALUE, "SUM", {**over(), **HALF}, x),
        refused("O-36", VALUE, "SUM", {**over(1, 0), **HALF}, x),
        refused("O-36", VALUE, "MAX", over(0, 0), x),
        refused("O-36", VALUE, "MIN", over(2), x),
        refused("O-36", VALUE, "MEAN", over(0, keep=2), x),
        refused("O-37", ACCUMULATOR, "SUM", {**over(0), **HALF}, value(I32, 2, 4)),
        refused("O-37", VALUE, "SUM", {**over(0), **HALF, "shifts": [0]}, x),
        refused("O-37", VALUE, "SUM", {**over(1), **HALF, "multipliers": [1] * 4}, x),
        refused("O-40", ACCUMULATOR, "MEAN", over(0), value(I32, 2, 4)),
        refused("O-40", ACCUMULATOR, "MEAN", over(0, 1), value(I32, SYMBOLIC, 2)),
    ]


def intervals() -> list[Case]:
    x, few = value(I8, 2, 4), value(I8, 2, 4, low=-3, high=5)
    wide, bits = value(I16, 2, 4, low=-500, high=1000), value(I8, 2, 4, low=0, high=1)
    many = value(I32, SYMBOLIC, 2, low=7, high=9)
    pad = {"before": [0, 1], "after": [0, 0], "value": 9}
    halves = divide_by(1)
    return [
        proved("O-9", "CLAMP", {"minimum": -127, "maximum": 127}, [-127, 127], x, why=CLIP),
        proved("O-22", "NEGATE", {}, [-127, 127], x),
        proved("O-22", "NEGATE", {}, [-5, 3], few),
        proved("O-23", "ABS", {}, [0, 127], x),
        proved("O-23", "ABS", {}, [2, 127], value(I8, 2, low=-128, high=-2)),
        proved("O-24", "MAXIMUM", {}, [-3, 127], x, few),
        proved("O-25", "MINIMUM", {}, [-128, 5], x, few),
        proved("O-26", "COMPARE", {"relation": 0}, [0, 1], x, few),
        proved("O-27", "WHERE", {}, [-500, 1000], bits, wide, wide, why=CONDITION),
        proved("O-28", "DIVIDE", halves, [-128, 127], x, value(I8, 1, low=1, high=5)),
        proved("O-28", "DIVIDE", halves, [-5, 5], few, x),
        proved("O-28", "DIVIDE", halves, [3, 10], value(I8, 1, low=9, high=20), BETWEEN),
        proved("O-28", "DIVIDE", halves, [-10, -3], value(I8, 1, low=-20, high=-9), BETWEEN),
        proved("O-28", "DIVIDE", halves, [0, 0], few, value(I8, 1, low=0, high=0)),
        proved("O-29", "BIT_LENGTH", {}, [1, 8], x),
        proved("O-29", "BIT_LENGTH", {}, [4, 5], value(I8, 2, low=-16, high=-8)),
        proved("O-30", "GATHER", {"axis": 0}, [-3, 5], few, x),
        proved("O-32", "PAD", pad, [-3, 9], few),
        proved("O-32", "PAD", {**pad, "before": [0, 0]}, [-3, 5], few),
        proved("O-37", "SUM", {**over(1), **IDENTITY}, [-12, 20], few),
        proved("O-37", "SUM", {**over(0), **IDENTITY}, [7, I32_HIGH], many),
        proved("O-37", "SUM", {**over(0, 1), **IDENTITY}, [14, I32_HIGH], many),
        proved("O-37", "SUM", {**over(0), **IDENTITY}, [I32_LOW, I32_HIGH], value(I8, SYMBOLIC, 2)),
        proved("O-38", "MAX", over(1), [-3, 5], few),
        proved("O-39", "MIN", over(1), [-3, 5], few),
        proved("O-40", "MEAN", over(0), [7, 9], many),
    ]


BETWEEN = value(I8, 1, low=2, high=3)
CLIP = (
    "a clip to 127 on both sides leaves an 8-bit range: Cortex counted a ninth bit, so that its "
    "convolution refused the result"
)
CONDITION = (
    "the interval is that of what is chosen: Cortex declared the condition's precision for it and "
    "so accepted operands that do not fit what follows"
)
