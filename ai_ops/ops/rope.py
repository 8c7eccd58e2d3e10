"""ROPE: pairs of elements turned by an angle that grows with the row's position.

Source: docs/spec/02-operators.md O-59.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import check_index

FRACTION_BITS = 15
HALF = 1 << (FRACTION_BITS - 1)

# Finding the angles of a call takes as long as this many rows.
CALL_ROWS = 500


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (..., T, H*D), cos and sin (P, D/2) to x's shape and dtype."""
    x, cos, sin = inputs[:3]
    if len(x.type.shape) < 2 or len(cos.type.shape) != 2 or cos.type.shape != sin.type.shape:
        raise InvalidModel(
            ModelFault.SHAPE, "ROPE: x must be (..., T, H * D), cos and sin equal (P, D / 2)"
        )
    if SYMBOLIC in {x.type.shape[-1], *cos.type.shape}:
        raise InvalidModel(ModelFault.SYMBOLIC, "ROPE: only x's rows may be symbolic")
    depth = 2 * cos.type.shape[1]
    if x.type.shape[-1] % depth:
        raise InvalidModel(
            ModelFault.SHAPE,
            f"ROPE: {x.type.shape[-1]} elements do not split into heads of {depth}",
        )
    if x.type.dtype not in {DType.I8, DType.I16} or any(
        table.type.dtype is not DType.I16 for table in (cos, sin)
    ):
        raise InvalidModel(ModelFault.DTYPE, "ROPE: x must be i8 or i16, cos and sin i16")
    for offset in inputs[3:]:
        check_index(node, offset, "offset")
    if node.integer("interleaved") not in {0, 1}:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, "ROPE: interleaved is not 0 or 1")
    bound = x.magnitude * (cos.magnitude + sin.magnitude)
    low, high = ((end + HALF) >> FRACTION_BITS for end in (-bound, bound))
    dtype = x.type.dtype
    return (Value(type=x.type, minimum=max(low, dtype.minimum), maximum=min(high, dtype.maximum)),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Two products, one rounding and one clamp for each element."""
    del node, inputs
    result = outputs[0].type
    rows = cost.plus(cost.rows(result), cost.constant(CALL_ROWS))
    return {"element_heavy": cost.elements(result, 2), "rows": rows}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Row i has the position i + offset, clamped to the tables."""
    x, cos, sin = (array.astype(np.int64) for array in arrays[:3])
    offset = int(arrays[3][0]) if len(arrays) > 3 else 0
    rows = x.shape[-2]
    positions = np.clip(np.arange(rows, dtype=np.int64) + offset, 0, len(cos) - 1)
    # One axis for the heads, one for the two elements of a pair.
    pairs = cos.shape[1]
    last = (pairs, 2) if node.integer("interleaved") else (2, pairs)
    split: Wide = x.reshape(*x.shape[:-1], -1, *last)
    axis = -1 if node.integer("interleaved") else -2
    first, second = np.take(split, 0, axis=axis), np.take(split, 1, axis=axis)
    c, s = cos[positions][:, None, :], sin[positions][:, None, :]
    turned = np.stack((first * c - second * s, first * s + second * c), axis=axis)
    dtype = outputs[0].type.dtype
    y = np.clip((turned + HALF) >> FRACTION_BITS, dtype.minimum, dtype.maximum)
    return (y.reshape(x.shape).astype(dtype.numpy),)


ROPE = Operator(
    name="ROPE",
    code=0x0604,
    arity=(3, 4),
    fields=(Field(name="interleaved", element="u8"),),
    infer=infer,
    work=work,
    reference=reference,
)
