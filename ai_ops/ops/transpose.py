"""TRANSPOSE: permute the dimensions; dimension i of the result is ``permutation[i]`` of x.

Source: docs/spec/02-operators.md O-12.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field, Operator


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Every dimension appears exactly once."""
    (x,) = inputs
    permutation = node.integers("permutation")
    if sorted(permutation) != list(range(len(x.type.shape))):
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            f"TRANSPOSE: {permutation} is no permutation of {len(x.type.shape)} dimensions",
        )
    shape = tuple(x.type.shape[axis] for axis in permutation)
    result = TensorType(dtype=x.type.dtype, shape=shape)
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Every element moves, far unless only dimensions of one element change places."""
    shape = inputs[0].type.shape
    moved = [axis for axis in node.integers("permutation") if shape[axis] != 1]
    factor = 1 if moved == sorted(moved) else 3
    return {"element_copy": cost.elements(outputs[0].type, factor)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Permute, in row-major order."""
    del outputs
    return (np.ascontiguousarray(arrays[0].transpose(node.integers("permutation"))),)


TRANSPOSE = Operator(
    name="TRANSPOSE",
    code=0x0402,
    arity=(1, 1),
    fields=(Field(name="permutation", element="u8", count=LIST),),
    infer=infer,
    work=work,
    reference=reference,
)
