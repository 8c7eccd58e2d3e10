"""MUL: the product of two tensors, ``y = clamp(R(a * b))``.

Source: docs/spec/02-operators.md O-7.
"""

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import rescale
from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.broadcast import broadcast_shape, work
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import (
    CLAMP_FIELDS,
    apply_clamp,
    check_accumulator,
    check_multiplier,
    clamp_interval,
    output_dtype,
)


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Require the product to fit i32, as an accumulator does."""
    a, b = inputs
    corners = [p * q for p in (a.minimum, a.maximum) for q in (b.minimum, b.maximum)]
    check_accumulator(node, min(corners), max(corners))
    multiplier, shift = node.integer("multiplier"), node.integer("shift")
    check_multiplier(node, multiplier, shift)
    dtype = output_dtype(node)
    low, high = clamp_interval(
        node, dtype, *(rescale(end, multiplier, shift) for end in (min(corners), max(corners)))
    )
    result = TensorType(dtype=dtype, shape=broadcast_shape(node, a, b))
    return (Value(type=result, minimum=low, maximum=high),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Multiply, rescale, clamp."""
    a, b = (array.astype(np.int64) for array in arrays)
    multiplier = np.array(node.integer("multiplier"), dtype=np.int64)
    shift = np.array(node.integer("shift"), dtype=np.int64)
    return (apply_clamp(node, rescale(a * b, multiplier, shift), outputs[0]),)


MUL = Operator(
    name="MUL",
    code=0x0303,
    arity=(2, 2),
    fields=(
        Field(name="multiplier", element="u32"),
        Field(name="shift", element="u8"),
        Field(name="dtype", element="u8"),
        *CLAMP_FIELDS,
    ),
    infer=infer,
    work=work,
    reference=reference,
)
