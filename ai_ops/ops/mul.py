"""MUL: the product of two tensors, ``y = clamp(R(a * b))``.

Source: docs/spec/02-operators.md O-7.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.ops.broadcast import broadcast_shape, work
from ai_ops.ops.definition import Operator
from ai_ops.ops.epilogue import RESCALE_FIELDS, apply_rescale, infer_rescaled


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Require the product to fit i32, as an accumulator does."""
    a, b = inputs
    corners = [p * q for p in (a.minimum, a.maximum) for q in (b.minimum, b.maximum)]
    shape = broadcast_shape(node, a, b)
    return (infer_rescaled(node, shape, min(corners), max(corners)),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Multiply, rescale per tensor or per channel, clamp."""
    a, b = (array.astype(np.int64) for array in arrays)
    return (apply_rescale(node, a * b, outputs[0]),)


MUL = Operator(
    name="MUL",
    code=0x0303,
    arity=(2, 2),
    fields=RESCALE_FIELDS,
    infer=infer,
    work=work,
    reference=reference,
)
