"""COMPARE: 1 where a relation between two elements holds, else 0.

Source: docs/spec/02-operators.md O-26.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.broadcast import broadcast_shape, chosen
from ai_ops.ops.definition import Field, Operator

RELATIONS = (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take tensors of any two dtypes to u8, 0 or 1."""
    a, b = inputs
    if node.integer("relation") >= len(RELATIONS):
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, "COMPARE: relation is not 0 to 5")
    result = TensorType(dtype=DType.U8, shape=broadcast_shape(node, a, b))
    return (Value(type=result, minimum=0, maximum=1),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Compare in int64, so that a sign never meets a type without one."""
    a, b = (array.astype(np.int64) for array in arrays)
    holds = RELATIONS[node.integer("relation")](a, b)
    return (holds.astype(outputs[0].type.dtype.numpy),)


COMPARE = Operator(
    name="COMPARE",
    code=0x030B,
    arity=(2, 2),
    fields=(Field(name="relation", element="u8"),),
    infer=infer,
    work=chosen,
    reference=reference,
)
