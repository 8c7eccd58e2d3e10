"""MATMUL: products of two tensors' matrices, neither of which need be a weight.

``y[..., i, j] = clamp(R(sum_k a[..., i, k] * b[..., k, j]))``, or ``b[..., j, k]`` with
`transpose_b`. Source: docs/spec/02-operators.md O-20.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, Value
from ai_ops.ops.broadcast import common_shape
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import RESCALE_FIELDS, apply_rescale, infer_rescaled


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take a (..., M, K) and b (..., K, N) to (..., M, N); leading dimensions are repeated."""
    a, b = inputs
    if min(len(a.type.shape), len(b.type.shape)) < 2:
        raise InvalidModel(ModelFault.SHAPE, "MATMUL: an operand is no matrix")
    if DType.I32 in {a.type.dtype, b.type.dtype}:
        raise InvalidModel(ModelFault.DTYPE, "MATMUL: an operand is i32")
    if node.integer("transpose_b") not in {0, 1}:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, "MATMUL: transpose_b is not 0 or 1")
    *lead_a, rows, depth = a.type.shape
    *lead_b, inner, columns = b.type.shape
    if node.integer("transpose_b"):
        inner, columns = columns, inner
    if SYMBOLIC in {depth, inner}:
        raise InvalidModel(ModelFault.SYMBOLIC, "MATMUL: the dimension summed over is symbolic")
    if depth != inner:
        raise InvalidModel(ModelFault.SHAPE, f"MATMUL: a sums over {depth}, b over {inner}")
    lead = common_shape(node, tuple(lead_a), tuple(lead_b))
    corners = [p * q for p in (a.minimum, a.maximum) for q in (b.minimum, b.maximum)]
    low, high = depth * min(corners), depth * max(corners)
    return (infer_rescaled(node, (*lead, rows, columns), low, high),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """M * N * K multiply-accumulates a matrix; both operands are picked up, b perhaps turned."""
    a, b = (value.type for value in inputs)
    result = outputs[0].type
    picked = (p + q for p, q in zip(cost.elements(a), cost.elements(b), strict=True))
    c0, c1, c2 = picked
    return {
        "mac_general": cost.elements(result, a.shape[-1]),
        "element_copy": (c0, c1, c2),
        "element_cheap": cost.elements(b, 0 if node.integer("transpose_b") else 2),
        "element_heavy": cost.elements(result),
        "rows": cost.rows(result, 3),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Multiply matrices of int64."""
    a, b = (array.astype(np.int64) for array in arrays)
    if node.integer("transpose_b"):
        b = np.swapaxes(b, -1, -2)
    accumulator: Wide = a @ b
    return (apply_rescale(node, accumulator, outputs[0]),)


MATMUL = Operator(
    name="MATMUL",
    code=0x0103,
    arity=(2, 2),
    fields=(Field(name="transpose_b", element="u8"), *RESCALE_FIELDS),
    infer=infer,
    work=work,
    reference=reference,
)
