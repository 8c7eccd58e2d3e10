"""MAXIMUM: the larger of two elements, ``y = max(a, b)``.

Source: docs/spec/02-operators.md O-24.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.broadcast import broadcast_shape, check_one_dtype, chosen
from ai_ops.ops.definition import Operator


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take two tensors of one dtype; the larger ends make the interval."""
    a, b = inputs
    dtype = check_one_dtype(node, a, b)
    result = TensorType(dtype=dtype, shape=broadcast_shape(node, a, b))
    low, high = max(a.minimum, b.minimum), max(a.maximum, b.maximum)
    return (Value(type=result, minimum=low, maximum=high),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Compare element by element."""
    del node, outputs
    a, b = arrays
    return (np.maximum(a, b),)


MAXIMUM = Operator(
    name="MAXIMUM",
    code=0x0309,
    arity=(2, 2),
    fields=(),
    infer=infer,
    work=chosen,
    reference=reference,
)
