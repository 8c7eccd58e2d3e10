"""ARGMAX: the index of the largest element along a dimension; the lowest index wins a tie.

Source: docs/spec/02-operators.md O-14.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Drop `axis`, which is not symbolic; a tensor of rank 1 gives shape (1,)."""
    (x,) = inputs
    axis = node.integer("axis")
    if axis >= len(x.type.shape):
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, f"ARGMAX: there is no dimension {axis}")
    size = x.type.shape[axis]
    if size == SYMBOLIC:
        raise InvalidModel(ModelFault.SYMBOLIC, "ARGMAX: the dimension searched is symbolic")
    shape = x.type.shape[:axis] + x.type.shape[axis + 1 :]
    result = TensorType(dtype=DType.I32, shape=shape or (1,))
    return (Value(type=result, minimum=0, maximum=size - 1),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One comparison for each element of x, one loop for each result."""
    del node
    return {
        "element_cheap": cost.elements(inputs[0].type),
        "rows": cost.elements(outputs[0].type),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """NumPy's argmax returns the first of equal maxima."""
    indexes = np.argmax(arrays[0], axis=node.integer("axis"))
    return (np.atleast_1d(indexes).astype(outputs[0].type.dtype.numpy),)


ARGMAX = Operator(
    name="ARGMAX",
    code=0x0501,
    arity=(1, 1),
    fields=(Field(name="axis", element="u8"),),
    infer=infer,
    work=work,
    reference=reference,
)
