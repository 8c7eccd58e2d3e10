"""GATHER: take the elements, rows or planes of a tensor that another tensor names.

An index outside the dimension is clamped to its nearest end. A word embedding is a GATHER along
dimension 0 of a weight. Source: docs/spec/02-operators.md O-30.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.movement import axis_of, require_fixed


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Put the shape of the indices in the place of `axis`, which is not symbolic."""
    data, indices = inputs
    axis = axis_of(node, data)
    before, size, after = (
        data.type.shape[:axis],
        data.type.shape[axis],
        data.type.shape[axis + 1 :],
    )
    require_fixed(node, size)
    result = TensorType(dtype=data.type.dtype, shape=(*before, *indices.type.shape, *after))
    return (Value(type=result, minimum=data.minimum, maximum=data.maximum),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Every element of the result moves, and every index is clamped."""
    return {
        "element_copy": cost.elements(outputs[0].type, 2 if node.integer("axis") else 1),
        "element_cheap": cost.elements(inputs[1].type),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Clamp, never wrap: NumPy would count a negative index from the end."""
    del outputs
    data, indices = arrays
    axis = node.integer("axis")
    clamped = np.clip(indices.astype(np.int64), 0, data.shape[axis] - 1)
    return (np.take(data, clamped, axis=axis),)


GATHER = Operator(
    name="GATHER",
    code=0x0404,
    arity=(2, 2),
    fields=(Field(name="axis", element="u8"),),
    infer=infer,
    work=work,
    reference=reference,
)
