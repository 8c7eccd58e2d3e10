"""TILE: repeat a whole tensor along each dimension.

Source: docs/spec/02-operators.md O-34.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field, Operator
from ai_ops.ops.movement import multiplied, per_dimension, repeated


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Multiply each dimension; a symbolic one only by 1."""
    (x,) = inputs
    (counts,) = per_dimension(node, x, "repetitions")
    shape = tuple(multiplied(node, *pair) for pair in zip(x.type.shape, counts, strict=True))
    result = TensorType(dtype=x.type.dtype, shape=shape)
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Element i along a dimension is element i modulo its size."""
    del outputs
    return (np.tile(arrays[0], node.integers("repetitions")),)


TILE = Operator(
    name="TILE",
    code=0x0408,
    arity=(1, 1),
    fields=(Field(name="repetitions", element="u32", count=LIST),),
    infer=infer,
    work=repeated,
    reference=reference,
)
