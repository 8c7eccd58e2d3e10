"""MINIMUM: the smaller of two elements, ``y = min(a, b)``.

Source: docs/spec/02-operators.md O-25.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.broadcast import broadcast_shape, check_one_dtype, chosen
from ai_ops.ops.definition import Operator


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take two tensors of one dtype; the smaller ends make the interval."""
    a, b = inputs
    dtype = check_one_dtype(node, a, b)
    result = TensorType(dtype=dtype, shape=broadcast_shape(node, a, b))
    low, high = min(a.minimum, b.minimum), min(a.maximum, b.maximum)
    return (Value(type=result, minimum=low, maximum=high),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Compare element by element."""
    del node, outputs
    a, b = arrays
    return (np.minimum(a, b),)


MINIMUM = Operator(
    name="MINIMUM",
    code=0x030A,
    arity=(2, 2),
    fields=(),
    infer=infer,
    work=chosen,
    reference=reference,
)
