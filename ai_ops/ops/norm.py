"""What LAYER_NORM and RMS_NORM share: a row divided by its deviation, scaled, shifted, clamped.

With x within 2^21 and rows of at most 16,384, |d| <= 2^22, V <= 2^58, M <= 2^56 and |n| <= 2^23:
|n * gamma| <= 2^54, so nothing leaves 64 bits. Source: docs/spec/02-operators.md O-51, O-56, O-57.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide, divide
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field
from ai_ops.ops.epilogue import (
    CLAMP_FIELDS,
    apply_clamp,
    check_channels,
    check_interval,
    clamp_range,
    output_dtype,
)

ROW_MAXIMUM = 16_384
MAGNITUDE_LIMIT = 2**21
WIDE_LIMIT = 2**60
SHIFT_RANGE = (1, 40)
ROOT_BITS = 31

GAMMA_FIELD = Field(name="gamma", element="i32", count=LIST)
NORM_FIELDS = (
    Field(name="epsilon", element="i64"),
    Field(name="shift", element="u8"),
    Field(name="dtype", element="u8"),
    *CLAMP_FIELDS,
)


def infer_norm(node: Node, inputs: tuple[Value, ...], beta: tuple[int, ...]) -> tuple[Value, ...]:
    """Keep the shape; the interval is the clamp's."""
    (x,) = inputs
    row = x.type.shape[-1]
    if row == SYMBOLIC:
        raise InvalidModel(ModelFault.SYMBOLIC, f"{node.operator}: a row has symbolic length")
    if row > ROW_MAXIMUM:
        raise InvalidModel(
            ModelFault.SHAPE, f"{node.operator}: a row has {row} elements, above {ROW_MAXIMUM}"
        )
    check_interval(node, x, -MAGNITUDE_LIMIT, MAGNITUDE_LIMIT)
    check_channels(node, "gamma", (1, row))
    if beta:
        check_channels(node, "beta", (row,))
    least, most = SHIFT_RANGE
    if (
        max(map(abs, beta), default=0) >= WIDE_LIMIT
        or not 0 <= node.integer("epsilon") <= WIDE_LIMIT
        or not least <= node.integer("shift") <= most
    ):
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            f"{node.operator}: beta, epsilon or shift is outside its range",
        )
    dtype = output_dtype(node)
    low, high = clamp_range(node, dtype)
    result = TensorType(dtype=dtype, shape=x.type.shape)
    return (Value(type=result, minimum=low, maximum=high),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Two sums and one division for each element."""
    del node, inputs
    result = outputs[0].type
    return {"element_wide": cost.elements(result), "rows": cost.rows(result, 24)}


def normalized(node: Node, d: Wide, beta: tuple[int, ...], out: Value) -> Array:
    """Divide rows d (..., N) by their deviation, then scale, shift and clamp."""
    mean_square = (((d * d).sum(axis=-1, keepdims=True) << 4) // d.shape[-1]) << 8
    deviation = np.maximum(1, integer_root(mean_square + node.integer("epsilon")))
    n = divide(d << 18, deviation)
    gamma = np.array(node.integers("gamma"), dtype=np.int64)
    offset = np.array(beta or (0,), dtype=np.int64)
    shift = node.integer("shift")
    return apply_clamp(node, (n * gamma + offset + (1 << (shift - 1))) >> shift, out)


def integer_root(v: Wide) -> Wide:
    """Return the largest r with r * r <= v, for 0 <= v < 2^62, bit by bit."""
    root = np.zeros_like(v)
    for bit in range(ROOT_BITS - 1, -1, -1):
        candidate = root | (1 << bit)
        root = np.where(candidate * candidate <= v, candidate, root)
    return root
