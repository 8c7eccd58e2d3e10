"""GEMM: a dense layer, ``y[..., j] = clamp(R(sum_k x[..., k] * w[j, k] + bias[j]))``.

Source: docs/spec/02-operators.md O-1.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import LIST, Field, Operator
from ai_ops.ops.epilogue import (
    RESCALE_FIELDS,
    apply_rescale,
    check_channels,
    infer_rescaled,
)


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (..., K) and w (N, K) to (..., N); K and N are not symbolic."""
    x, w = inputs
    if len(w.type.shape) != 2 or w.type.symbolic:
        raise InvalidModel(ModelFault.SHAPE, "GEMM: w must be a fixed matrix (N, K)")
    units, depth = w.type.shape
    if x.type.shape[-1] != depth:
        raise InvalidModel(
            ModelFault.SHAPE,
            f"GEMM: the last dimension of x is {x.type.shape[-1]} and K of w is {depth}",
        )
    check_channels(node, "bias", (0, units))
    bound = depth * x.magnitude * w.magnitude
    shape = (*x.type.shape[:-1], units)
    return (infer_rescaled(node, shape, -bound, bound, node.integers("bias")),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """M * N * K multiply-accumulates, one rescale per result."""
    del node
    x, w = (value.type for value in inputs)
    result = outputs[0].type
    return {
        **cost.dense_macs(result, x, w),
        "weight_bytes": cost.constant(w.size(1)),
        "element_heavy": cost.elements(result),
        "rows": cost.rows(result, 2),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """X (..., K), w (N, K) to (..., N)."""
    x, w = arrays
    accumulator: Wide = x.astype(np.int64) @ w.astype(np.int64).T
    if bias := node.integers("bias"):
        accumulator += np.array(bias, dtype=np.int64)
    return (apply_rescale(node, accumulator, outputs[0]),)


GEMM = Operator(
    name="GEMM",
    code=0x0101,
    arity=(2, 2),
    fields=(Field(name="bias", element="i32", count=LIST), *RESCALE_FIELDS),
    infer=infer,
    work=work,
    reference=reference,
)
