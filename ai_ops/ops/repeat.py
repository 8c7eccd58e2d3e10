"""REPEAT: repeat each element along one dimension.

Source: docs/spec/02-operators.md O-35.
"""

from __future__ import annotations

from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.movement import axis_of, multiplied, repeated


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Multiply dimension `axis`; a symbolic one only by 1."""
    (x,) = inputs
    axis, shape = axis_of(node, x), list(x.type.shape)
    shape[axis] = multiplied(node, shape[axis], node.integer("count"))
    result = TensorType(dtype=x.type.dtype, shape=tuple(shape))
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Element i along the dimension is element i // count."""
    del outputs
    return (arrays[0].repeat(node.integer("count"), axis=node.integer("axis")),)


REPEAT = Operator(
    name="REPEAT",
    code=0x0409,
    arity=(1, 1),
    fields=(Field(name="axis", element="u8"), Field(name="count", element="u32")),
    infer=infer,
    work=repeated,
    reference=reference,
)
