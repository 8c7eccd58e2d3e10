"""The start-up self test: a backend must equal `reference` on this very machine.

Each case names one loop or shape class; inputs are the corners of the intervals (the worst
accumulators) and bytes drawn from BLAKE3, the same on every machine.
"""

from __future__ import annotations

import numpy as np
from blake3 import blake3

from ai_ops.backends.base import Backend
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.backends.selftest_case import Case, rescaled
from ai_ops.backends.selftest_lines import LINE_CASES
from ai_ops.backends.selftest_sequences import SEQUENCE_CASES
from ai_ops.dtype import Array, DType
from ai_ops.errors import AiOpsError, BackendFault
from ai_ops.graph import Value
from ai_ops.operators import OPERATORS, make_node

# i8: 131,071 * 128 * 128 = 2^31 - 16,384, the deepest product an accumulator holds.
DEEPEST = 131_071
UNITS = 3  # of a symbolic dimension


def _gemm(rows: int, depth: int, units: int, x: DType, out: DType, shift: int) -> Case:
    node = make_node("GEMM", (0, 1), bias=(3,) * units, **rescaled(units, shift, out))
    return Case(node=node, types=((x, (rows, depth)), (DType.I8, (units, depth))), weight=True)


def _conv(
    size: int,
    channels: int,
    filters: int,
    kernel: int,
    groups: int,
    dilation: int,
    stride: int,
    x: DType = DType.I8,
) -> Case:
    node = make_node(
        "CONV2D",
        (0, 1),
        strides=(stride, 1),
        padding=(1, 0, 0, 1),
        dilations=(1, dilation),
        groups=groups,
        bias=tuple(range(filters)),
        **rescaled(filters, 40, DType.I8),
    )
    w = (filters, kernel, kernel, channels // groups)
    return Case(node=node, types=((x, (2, size, size, channels)), (DType.I8, w)), weight=True)


def _pool(operator: str, **extra: int) -> Case:
    node = make_node(operator, (0,), kernel=(3, 2), strides=(2, 1), padding=(1, 1, 1, 0), **extra)
    return Case(node=node, types=((DType.I8, (2, 7, 6, 19)),))


def _sum(operator: str) -> Case:
    scale_a = {"multiplier_a": 2**31 - 1, "shift_a": 1}
    scale_b = {"multiplier_b": 2**30, "shift_b": 62}
    clamp = {"dtype": DType.I16.code, "minimum": -32_768, "maximum": 32_767}
    node = make_node(operator, (0, 1), **scale_a, **scale_b, **clamp)
    return Case(node=node, types=((DType.I8, (3, 5, 7)), (DType.I16, (5, 1))))


CASES = (
    _gemm(1, DEEPEST, 1, DType.I8, DType.I8, 62),
    _gemm(1, 1_000, 33, DType.I8, DType.I32, 31),
    _gemm(37, 70, 19, DType.I8, DType.I8, 40),
    _gemm(37, 31, 19, DType.I8, DType.I8, 40),  # wide
    _gemm(5, 65, 3, DType.I16, DType.I16, 40),
    _gemm(130, 192, 140, DType.I8, DType.I8, 40),  # several tiles, aligned rows
    _conv(9, 8, 5, 3, 1, 1, 1),  # deep
    _conv(9, 16, 20, 3, 1, 1, 1),  # deep, aligned taps
    _conv(8, 1, 6, 5, 1, 1, 2),  # deep, one channel
    _conv(9, 3, 16, 3, 1, 1, 1),  # wide
    _conv(9, 6, 4, 3, 1, 2, 1),  # dilated
    _conv(9, 6, 6, 3, 6, 1, 1),  # depthwise
    _conv(9, 8, 8, 3, 8, 1, 2),  # depthwise, four channels at a time
    _conv(9, 6, 4, 3, 2, 1, 1),  # grouped
    _gemm(37, 64, 19, DType.U8, DType.I8, 40),
    _gemm(3, 70, 19, DType.U8, DType.I8, 40),
    _conv(9, 16, 20, 3, 1, 1, 1, DType.U8),
    _conv(9, 8, 8, 3, 8, 1, 2, DType.U8),
    _conv(9, 6, 4, 3, 2, 1, 1, DType.U8),
    _pool("MAX_POOL2D"),
    _pool("AVG_POOL2D", count_padding=0),
    _pool("AVG_POOL2D", count_padding=1),
    _sum("ADD"),
    _sum("SUB"),
    Case(
        node=make_node(
            "MUL", (0, 1), multiplier=2**31 - 1, shift=46, dtype=1, minimum=-128, maximum=127
        ),
        types=((DType.I16, (4, 33)), (DType.I8, (33,))),
    ),
    Case(
        node=make_node("RESCALE", (0,), **rescaled(1, 62, DType.I8)),
        types=((DType.I32, (3, 67)),),
    ),
    Case(
        node=make_node("RESCALE", (0,), **rescaled(67, 33, DType.I16)),
        types=((DType.I16, (3, 67)),),
    ),
    Case(node=make_node("ARGMAX", (0,), axis=1), types=((DType.I8, (3, 41, 5)),)),
    Case(node=make_node("CLAMP", (0,), minimum=0, maximum=6), types=((DType.I8, (99,)),)),
    Case(
        node=make_node("TABLE8", (0,), dtype=2, table=tuple(range(-300, -300 + 5 * 256, 5))),
        types=((DType.I8, (7, 99)),),
    ),
    *SEQUENCE_CASES,
    *LINE_CASES,
)


def check_backend(backend: Backend) -> None:
    """Run every case on `backend` and on `reference`.

    Raises
    ------
    BackendFault
        A result differs, or the backend failed.
    """
    for number, case in enumerate(CASES):
        try:
            _check_case(backend, case, number)
        except AiOpsError:
            raise
        except Exception as error:
            raise BackendFault(
                f"{backend.name} fails self test {number} ({case.node.operator}): {error!r}"
            ) from error


def _check_case(backend: Backend, case: Case, number: int) -> None:
    operator = OPERATORS[case.node.operator]
    values = case.values()
    outputs = operator.infer(case.node, values)
    for pattern in ("lowest", "highest", "mixed", "random"):
        arrays = tuple(
            _fill(value, pattern, number * 8 + position) for position, value in enumerate(values)
        )
        weights = {len(arrays) - 1: arrays[-1]} if case.weight else {}
        expected = ReferenceBackend().prepare(case.node, values, outputs, weights)(arrays)
        results = backend.prepare(case.node, values, outputs, weights)(arrays)
        for got, want in zip(results, expected, strict=True):
            if got.dtype != want.dtype or not np.array_equal(got, want):
                raise BackendFault(
                    f"{backend.name} fails self test {number} ({case.node.operator}, {pattern})"
                )


def _fill(value: Value, pattern: str, seed: int) -> Array:
    """Make one input; in "mixed" the first input is lowest and the others highest."""
    shape, dtype = value.type.concrete(UNITS), value.type.dtype
    if pattern == "random":
        size = value.type.size(UNITS)
        drawn = blake3(seed.to_bytes(4, "little")).digest(length=size)
        elements = np.frombuffer(drawn, dtype.numpy).reshape(shape)
        return np.clip(elements, value.minimum, value.maximum).astype(dtype.numpy)
    lowest = pattern == "lowest" or (pattern == "mixed" and seed % 8 == 0)
    return np.full(shape, value.minimum if lowest else value.maximum, dtype.numpy)
