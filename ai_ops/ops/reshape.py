"""RESHAPE: the same elements in row-major order under another shape; FLATTEN is a case of it.

Source: docs/spec/02-operators.md O-11.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field, Operator


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Require as many elements in the new shape, for every n."""
    (x,) = inputs
    shape = node.integers("shape")
    if not shape or min(shape) < SYMBOLIC or 0 in shape:
        raise InvalidModel(ModelFault.SHAPE, f"RESHAPE: {shape} is no shape of positive dimensions")
    result = TensorType(dtype=x.type.dtype, shape=shape)
    if shape.count(SYMBOLIC) != x.type.shape.count(SYMBOLIC):
        raise InvalidModel(
            ModelFault.SYMBOLIC, "RESHAPE: the symbolic dimension must stay exactly one dimension"
        )
    if result.unit_elements != x.type.unit_elements:
        raise InvalidModel(
            ModelFault.SHAPE,
            f"RESHAPE: {x.type.shape} and {shape} have different numbers of elements",
        )
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """No element moves; the digest is paid for as for every step."""
    del node, inputs, outputs
    return {}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Row-major order is kept."""
    del outputs
    (x,) = arrays
    return (np.reshape(x, node.integers("shape")),)


RESHAPE = Operator(
    name="RESHAPE",
    code=0x0401,
    arity=(1, 1),
    fields=(Field(name="shape", element="i32", count=LIST),),
    infer=infer,
    work=work,
    reference=reference,
)
