"""CONCAT: join tensors along one dimension.

Source: docs/spec/02-operators.md O-13.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator

MAXIMUM_INPUTS = 1_024


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """All dimensions but `axis` agree; `axis` is not symbolic."""
    first = inputs[0].type
    axis = node.integer("axis")
    if axis >= len(first.shape):
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, f"CONCAT: there is no dimension {axis}")
    for value in inputs:
        shape = value.type.shape
        if value.type.dtype is not first.dtype:
            raise InvalidModel(ModelFault.DTYPE, "CONCAT: the inputs have different dtypes")
        if (
            len(shape) != len(first.shape)
            or shape[:axis] != first.shape[:axis]
            or shape[axis + 1 :] != first.shape[axis + 1 :]
        ):
            raise InvalidModel(
                ModelFault.SHAPE, f"CONCAT: {first.shape} and {shape} do not join at {axis}"
            )
        if shape[axis] == SYMBOLIC:
            raise InvalidModel(ModelFault.SYMBOLIC, "CONCAT: the joined dimension is symbolic")
    joined = sum(value.type.shape[axis] for value in inputs)
    result = TensorType(
        dtype=first.dtype, shape=(*first.shape[:axis], joined, *first.shape[axis + 1 :])
    )
    return (
        Value(
            type=result,
            minimum=min(value.minimum for value in inputs),
            maximum=max(value.maximum for value in inputs),
        ),
    )


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Every element moves."""
    del node, inputs
    return {"element_copy": cost.elements(outputs[0].type)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Join in input order."""
    del outputs
    return (np.concatenate(arrays, axis=node.integer("axis")),)


CONCAT = Operator(
    name="CONCAT",
    code=0x0403,
    arity=(1, MAXIMUM_INPUTS),
    fields=(Field(name="axis", element="u8"),),
    infer=infer,
    work=work,
    reference=reference,
)
