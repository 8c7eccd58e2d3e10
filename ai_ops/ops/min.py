"""MIN: the smallest element along some dimensions.

Source: docs/spec/02-operators.md O-39.
"""

from __future__ import annotations

from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.reduction import AXES_FIELDS, compared, reduced_shape


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Keep dtype and interval."""
    (x,) = inputs
    result = TensorType(dtype=x.type.dtype, shape=reduced_shape(node, x))
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Every dimension has at least one element."""
    del outputs
    (x,) = arrays
    found = x.min(axis=node.integers("axes"), keepdims=bool(node.integer("keep")))
    return (found.reshape(found.shape or (1,)),)


MIN = Operator(
    name="MIN",
    code=0x0504,
    arity=(1, 1),
    fields=AXES_FIELDS,
    infer=infer,
    work=compared,
    reference=reference,
)
