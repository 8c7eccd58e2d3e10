"""Nodes of O-50 to O-62 that are refused, each with its code, and intervals of some accepted."""

from __future__ import annotations

from typing import Any

from tests.spec.operator_cases import I8, I16, I32, U8, scaled
from tests.spec.refusal_cases import (
    ACCUMULATOR,
    DTYPE,
    NOT_SYMBOLIC,
    SHAPE,
    SYMBOLIC,
    VALUE,
    Case,
    refused,
)
from tests.spec.refusal_cases import value as signed_value
from tests.spec.sequence_cases import NARROW, UNIT, attention

INTERVAL = 305
FIXED = -(2**31), 2**31 - 1


def value(dtype: int, *shape: int, low: int | None = None, high: int | None = None) -> Case:
    if dtype == U8:
        ends = {"minimum": 0 if low is None else low, "maximum": 255 if high is None else high}
        return {"dtype": U8, "shape": list(shape), **ends}
    return signed_value(dtype, *shape, low=low, high=high)


def accepted(
    rule: str, operator: str, intervals: list[list[int]], attributes: Case, *inputs: Case
) -> Case:
    case = refused(rule, 0, operator, attributes, *inputs)
    return {**case, "fault": None, "intervals": intervals}


def dynamic_refusals() -> list[Case]:
    plain = {"bias": [], "multipliers": [1], "shifts": [30], **NARROW}
    q, a, w = value(I8, 2, 4), value(I32, 2, 1, low=1, high=32_767), value(I8, 3, 4)
    rows = value(I16, 2, 4, low=-32_767)
    near = value(I16, 2, 4, low=-32_767, high=0)

    def dense(fault: int, q: Case, a: Case, w: Case, **change: Any) -> Case:
        return refused("O-53", fault, "GEMM_DYNAMIC", {**plain, **change}, q, a, w)

    def quantize(fault: int, x: Case) -> Case:
        return refused("O-52", fault, "DYNAMIC_QUANTIZE", {}, x)

    return [
        quantize(DTYPE, value(I32, 2, 4)),
        quantize(DTYPE, value(U8, 2, 4)),
        quantize(NOT_SYMBOLIC, value(I8, 2, SYMBOLIC)),
        quantize(INTERVAL, value(I16, 2, 4)),
        accepted("O-52", "DYNAMIC_QUANTIZE", [[-127, 127], [1, 32_767]], {}, rows),
        accepted("O-52", "DYNAMIC_QUANTIZE", [[-127, 0], [1, 32_767]], {}, near),
        accepted("O-52", "DYNAMIC_QUANTIZE", [[-127, 127], [1, 128]], {}, q),
        accepted("O-52", "DYNAMIC_QUANTIZE", [[0, 0], [1, 1]], {}, value(I8, 1, 3, low=0, high=0)),
        dense(SHAPE, q, a, value(I8, 3, 5)),
        dense(SHAPE, q, a, value(I8, 3, 4, 1)),
        dense(SHAPE, q, a, value(I8, SYMBOLIC, 4)),
        dense(SHAPE, q, value(I32, 2, 2, low=1, high=9), w),
        dense(SHAPE, q, value(I32, 2, low=1, high=9), w),
        dense(SHAPE, q, value(I32, SYMBOLIC, 1, low=1, high=9), w),
        dense(DTYPE, value(I16, 2, 4), a, w),
        dense(DTYPE, q, value(I16, 2, 1, low=1), w),
        dense(DTYPE, q, a, value(I16, 3, 4)),
        dense(INTERVAL, q, value(I32, 2, 1, low=0, high=9), w),
        dense(INTERVAL, q, value(I32, 2, 1, low=1, high=32_768), w),
        dense(ACCUMULATOR, value(I8, 2, 131_072), a, value(I8, 1, 131_072)),
        dense(VALUE, q, a, w, bias=[1]),
        dense(VALUE, q, a, w, multipliers=[1, 1]),
        dense(VALUE, q, a, w, shifts=[30, 30, 30]),
        dense(VALUE, q, a, w, multipliers=[2**31]),
        dense(VALUE, q, a, w, shifts=[8]),
        dense(VALUE, q, a, w, shifts=[49]),
        dense(DTYPE, q, a, w, dtype=7),
        dense(VALUE, q, a, w, minimum=-129),
    ]


def attention_refusals() -> list[Case]:
    q, k = value(I8, 3, 4), value(I8, 5, 2)
    length = value(I32, 1)

    def refuse(fault: int, *inputs: Case, heads: int = 2, kv_heads: int = 1, **change: Any) -> Case:
        return refused("O-54", fault, "ATTENTION", attention(heads, kv_heads, **change), *inputs)

    return [
        refuse(SHAPE, value(I8, 4), value(I8, 2), value(I8, 2)),
        refuse(SHAPE, q, k, value(I8, 4, 2)),
        refuse(SHAPE, value(I8, 2, 3, 4), k, k),
        refuse(SHAPE, value(I8, 2, 3, 4), value(I8, 3, 5, 2), value(I8, 3, 5, 2)),
        refuse(NOT_SYMBOLIC, value(I8, 3, SYMBOLIC), k, k),
        refuse(SHAPE, q, k, k, heads=3),
        refuse(SHAPE, q, k, k, heads=0),
        refuse(SHAPE, q, k, k, kv_heads=0),
        refuse(SHAPE, q, k, k, heads=2, kv_heads=2),
        refuse(SHAPE, value(I8, 3, 6), value(I8, 5, 4), value(I8, 5, 4), heads=3, kv_heads=2),
        refuse(SHAPE, q, value(I8, 65_537, 2), value(I8, 65_537, 2)),
        refuse(DTYPE, value(I16, 3, 4), k, k),
        refuse(DTYPE, q, k, value(U8, 5, 2)),
        refuse(DTYPE, q, k, k, value(I16, 1)),
        refuse(SHAPE, q, k, k, value(I32, 1, 1)),
        refuse(VALUE, q, k, k, length, causal=2),
        refuse(VALUE, q, k, k, length, probability_bits=6),
        refuse(VALUE, q, k, k, length, probability_bits=13),
        refuse(VALUE, q, k, k, shift=0),
        refuse(
            ACCUMULATOR,
            value(I8, 1, 131_072),
            value(I8, 1, 131_072),
            value(I8, 1, 131_072),
            heads=1,
        ),
        refuse(VALUE, q, k, k, maximum=2**31 - 1, dtype=I16),
        accepted(
            "O-54",
            "ATTENTION",
            [[-2_560, 0]],
            attention(2, 1),
            value(I8, SYMBOLIC, 4),
            value(I8, SYMBOLIC, 2),
            value(I8, SYMBOLIC, 2, low=-10, high=-1),
        ),
    ]


def row_refusals() -> list[Case]:
    x = value(I16, 2, 4)
    share = {**UNIT, "one": 127, "dtype": I8}
    layer = {"gamma": [1], "beta": [], "epsilon": 1, "shift": 1, **NARROW}
    rms = {name: entry for name, entry in layer.items() if name != "beta"}

    def norm(fault: int, x: Case, **change: Any) -> Case:
        return refused("O-56", fault, "LAYER_NORM", {**layer, **change}, x)

    return [
        refused("O-55", VALUE, "SOFTMAX", {**share, "one": 0}, x),
        refused("O-55", VALUE, "SOFTMAX", {**share, "one": 128}, x),
        refused("O-55", DTYPE, "SOFTMAX", {**share, "dtype": 0}, x),
        refused("O-50", VALUE, "SOFTMAX", {**share, "shift": 63}, x),
        accepted("O-55", "SOFTMAX", [[0, 127]], share, value(I32, 2, SYMBOLIC)),
        norm(NOT_SYMBOLIC, value(I8, 2, SYMBOLIC)),
        norm(SHAPE, value(I8, 2, 16_385)),
        norm(INTERVAL, value(I32, 2, 4)),
        norm(INTERVAL, value(I32, 2, 4, low=-(2**21) - 1, high=0)),
        norm(VALUE, x, gamma=[1, 1]),
        norm(VALUE, x, gamma=[]),
        norm(VALUE, x, beta=[1]),
        norm(VALUE, x, beta=[0, 0, 0, 2**60]),
        norm(VALUE, x, beta=[0, -(2**60), 0, 0]),
        norm(VALUE, x, epsilon=-1),
        norm(VALUE, x, epsilon=2**60 + 1),
        norm(VALUE, x, shift=0),
        norm(VALUE, x, shift=41),
        norm(VALUE, x, minimum=1, maximum=0),
        refused("O-57", INTERVAL, "RMS_NORM", rms, value(I32, 2, 4, low=0, high=2**21 + 1)),
        refused("O-57", VALUE, "RMS_NORM", {**rms, "gamma": [1, 2, 3]}, x),
        accepted("O-57", "RMS_NORM", [[-128, 127]], rms, x),
    ]


def curve_refusals() -> list[Case]:
    x, cos = value(I16, 3, 8), value(I16, 5, 2)
    halves, curve = {"interleaved": 0}, {"table": [0] * 513, **scaled(2**30, 37)}
    steps = {"table": list(range(513)), **scaled(2**30, 37, I32, *FIXED)}

    def rope(fault: int, *inputs: Case, interleaved: int = 0) -> Case:
        return refused("O-59", fault, "ROPE", {"interleaved": interleaved}, *inputs)

    return [
        refused("O-58", DTYPE, "TABLE16", curve, value(I8, 2)),
        refused("O-58", VALUE, "TABLE16", {**curve, "shifts": [63]}, value(I16, 2)),
        accepted("O-58", "TABLE16", [[0, 512]], steps, value(I16, 2)),
        accepted("O-58", "TABLE16", [[256, 258]], steps, value(I16, 2, low=127, high=128)),
        rope(SHAPE, value(I16, 8), cos, cos),
        rope(SHAPE, x, value(I16, 2), value(I16, 2)),
        rope(SHAPE, x, cos, value(I16, 4, 2)),
        rope(NOT_SYMBOLIC, value(I16, 3, SYMBOLIC), cos, cos),
        rope(NOT_SYMBOLIC, x, value(I16, SYMBOLIC, 2), value(I16, SYMBOLIC, 2)),
        rope(SHAPE, value(I16, 3, 6), cos, cos),
        rope(DTYPE, value(I32, 3, 8), cos, cos),
        rope(DTYPE, x, cos, value(I8, 5, 2)),
        rope(DTYPE, x, cos, cos, value(I16, 1)),
        rope(SHAPE, x, cos, cos, value(I32, 2)),
        rope(VALUE, x, cos, cos, interleaved=2),
        accepted(
            "O-59",
            "ROPE",
            [[-150, 150]],
            halves,
            value(I16, SYMBOLIC, 8, low=-100, high=100),
            value(I16, 5, 2, low=-32_767),
            value(I16, 5, 2, low=-16_384, high=16_384),
        ),
    ]


def choice_refusals() -> list[Case]:
    cache, rows, position = value(I8, 4, 2), value(I8, 2, 2), value(I32, 1)
    logits, seed = value(I32, 9), value(U8, 32)
    drawn = {"top_k": 3, **UNIT}

    def update(fault: int, *inputs: Case) -> Case:
        return refused("O-60", fault, "UPDATE_ROWS", {}, *inputs)

    def sample(fault: int, *inputs: Case, **change: int) -> Case:
        return refused("O-62", fault, "SAMPLE", {**drawn, **change}, *inputs)

    return [
        update(NOT_SYMBOLIC, value(I8, SYMBOLIC, 2), rows, position),
        update(NOT_SYMBOLIC, cache, value(I8, SYMBOLIC, 2), position),
        update(SHAPE, cache, value(I8, 5, 2), position),
        update(SHAPE, cache, value(I8, 2, 3), position),
        update(SHAPE, cache, value(I8, 2, 2, 1), position),
        update(DTYPE, cache, value(I16, 2, 2), position),
        update(SHAPE, cache, rows, value(I32, 2)),
        update(DTYPE, cache, rows, value(I16, 1)),
        accepted(
            "O-60",
            "UPDATE_ROWS",
            [[-7, 9]],
            {},
            value(I8, 4, 2, low=-7, high=0),
            value(I8, 2, 2, low=1, high=9),
            position,
        ),
        refused("O-61", NOT_SYMBOLIC, "TOP_K", {"k": 1}, value(I8, 2, SYMBOLIC)),
        refused("O-61", VALUE, "TOP_K", {"k": 0}, value(I8, 2, 4)),
        refused("O-61", VALUE, "TOP_K", {"k": 5}, value(I8, 2, 4)),
        accepted("O-61", "TOP_K", [[-3, 5], [0, 6]], {"k": 2}, value(I8, 2, 7, low=-3, high=5)),
        sample(SHAPE, value(I32, 2, 9), seed, position),
        sample(SHAPE, logits, value(U8, 31), position),
        sample(NOT_SYMBOLIC, value(I32, SYMBOLIC), seed, position),
        sample(DTYPE, logits, value(I8, 32), position),
        sample(DTYPE, logits, seed, value(I8, 1)),
        sample(VALUE, logits, seed, position, top_k=0),
        sample(VALUE, logits, seed, position, top_k=10),
        sample(VALUE, logits, seed, position, shift=0),
        accepted("O-62", "SAMPLE", [[0, 8]], drawn, logits, seed, position),
    ]


def sequence_refusals() -> list[Case]:
    return [
        *dynamic_refusals(),
        *attention_refusals(),
        *row_refusals(),
        *curve_refusals(),
        *choice_refusals(),
    ]
