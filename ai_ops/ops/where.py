"""WHERE: choose between two elements, ``y = a if condition != 0 else b``.

Source: docs/spec/02-operators.md O-27.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.broadcast import broadcast_shape, check_one_dtype
from ai_ops.ops.definition import Operator

# Bringing three operands to one shape takes as long as this many rows.
CALL_ROWS = 4_000


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take a and b of one dtype; both intervals count, the condition's does not."""
    condition, a, b = inputs
    dtype = check_one_dtype(node, a, b)
    result = TensorType(dtype=dtype, shape=broadcast_shape(node, condition, a, b))
    low, high = min(a.minimum, b.minimum), max(a.maximum, b.maximum)
    return (Value(type=result, minimum=low, maximum=high),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One choice for each result."""
    del node, inputs
    return {"element_cheap": cost.elements(outputs[0].type), "rows": cost.constant(CALL_ROWS)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Choose element by element."""
    del node, outputs
    condition, a, b = arrays
    return (np.where(condition != 0, a, b),)


WHERE = Operator(
    name="WHERE",
    code=0x030C,
    arity=(3, 3),
    fields=(),
    infer=infer,
    work=work,
    reference=reference,
)
