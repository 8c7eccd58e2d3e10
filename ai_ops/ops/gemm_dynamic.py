"""GEMM_DYNAMIC: a dense layer on rows that DYNAMIC_QUANTIZE scaled one by one.

The sum is scaled by its row's factor a, then by its channel's; the bias joins in 1/256 of the
result's unit. Source: docs/spec/02-operators.md O-53.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide, rescale
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field, Operator
from ai_ops.ops.epilogue import (
    RESCALE_FIELDS,
    apply_clamp,
    check_accumulator,
    check_channels,
    check_interval,
    check_multiplier,
    clamp_range,
    output_dtype,
)

ROW_BITS = 15
SHIFT_RANGE = (9, 48)
BIAS_BITS = 8


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take q (..., K), a (..., 1) and w (N, K) to (..., N); the interval is the clamp's."""
    q, a, w = inputs
    if len(w.type.shape) != 2 or w.type.symbolic:
        raise InvalidModel(ModelFault.SHAPE, "GEMM_DYNAMIC: w must be a fixed matrix (N, K)")
    units, depth = w.type.shape
    if q.type.shape[-1] != depth or a.type.shape != (*q.type.shape[:-1], 1):
        raise InvalidModel(
            ModelFault.SHAPE,
            f"GEMM_DYNAMIC: q {q.type.shape}, a {a.type.shape} and w {w.type.shape} do not fit",
        )
    if (q.type.dtype, a.type.dtype, w.type.dtype) != (DType.I8, DType.I32, DType.I8):
        raise InvalidModel(ModelFault.DTYPE, "GEMM_DYNAMIC: q and w must be i8, a must be i32")
    check_interval(node, a, 1, 2**ROW_BITS - 1)
    bound = depth * q.magnitude * w.magnitude
    check_accumulator(node, -bound, bound)
    _check_fields(node, units)
    dtype = output_dtype(node)
    low, high = clamp_range(node, dtype)
    result = TensorType(dtype=dtype, shape=(*q.type.shape[:-1], units))
    return (Value(type=result, minimum=low, maximum=high),)


def _check_fields(node: Node, units: int) -> None:
    check_channels(node, "bias", (0, units))
    check_channels(node, "multipliers", (1, units))
    check_channels(node, "shifts", (len(node.integers("multipliers")),))
    least, most = SHIFT_RANGE
    for multiplier, shift in zip(
        node.integers("multipliers"), node.integers("shifts"), strict=True
    ):
        check_multiplier(node, multiplier, shift)
        if not least <= shift <= most:
            raise InvalidModel(
                ModelFault.ATTRIBUTE_VALUE,
                f"GEMM_DYNAMIC: shift {shift} is outside {least} to {most}",
            )


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """As GEMM."""
    del node
    x, _, w = (value.type for value in inputs)
    result = outputs[0].type
    return {
        **cost.dense_macs(result, x, w),
        "weight_bytes": cost.constant(w.size(1)),
        "element_heavy": cost.elements(result),
        "rows": cost.rows(result, 8),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Bring a to 15 bits, so that the row's factor costs no precision and no overflow."""
    q, a, w = (array.astype(np.int64) for array in arrays)
    e = ROW_BITS - _bit_length(a)
    t = rescale(q @ w.T, a << e, np.array(ROW_BITS, dtype=np.int64))
    multipliers = np.array(node.integers("multipliers"), dtype=np.int64)
    shifts = np.array(node.integers("shifts"), dtype=np.int64)
    fine = rescale(t, multipliers, shifts + e - BIAS_BITS)
    bias = np.array(node.integers("bias") or (0,), dtype=np.int64)
    y = (fine + bias + (1 << (BIAS_BITS - 1))) >> BIAS_BITS
    return (apply_clamp(node, y, outputs[0]),)


def _bit_length(a: Wide) -> Wide:
    """Count the bits of 1 <= a < 2^15."""
    bits = np.zeros_like(a)
    for k in range(ROW_BITS):
        bits += a >> k > 0
    return bits


GEMM_DYNAMIC = Operator(
    name="GEMM_DYNAMIC",
    code=0x0106,
    arity=(3, 3),
    fields=(Field(name="bias", element="i32", count=LIST), *RESCALE_FIELDS),
    infer=infer,
    work=work,
    reference=reference,
)
