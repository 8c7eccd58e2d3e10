"""SOFTMAX: each element's share of the exponentials along the last dimension.

Source: docs/spec/02-operators.md O-55.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import divide
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import output_dtype
from ai_ops.ops.exponential import SCORE_FIELDS, check_scale, scores, weights


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Keep the shape; a share lies between 0 and `one`."""
    (x,) = inputs
    dtype, one = output_dtype(node), node.integer("one")
    if not 1 <= one <= dtype.maximum:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            f"SOFTMAX: one is {one}, outside 1 to {dtype.maximum} of {dtype.name}",
        )
    check_scale(node)
    result = TensorType(dtype=dtype, shape=x.type.shape)
    return (Value(type=result, minimum=0, maximum=one),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One exponential and one division for each element."""
    del node, inputs
    result = outputs[0].type
    return {"element_wide": cost.elements(result, 2), "rows": cost.rows(result, 2)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Divide by the sum, which the largest element alone brings to 2^15."""
    t = scores(node, arrays[0].astype(np.int64))
    z = weights(t.max(axis=-1, keepdims=True) - t)
    y = divide(z * node.integer("one"), z.sum(axis=-1, keepdims=True))
    return (y.astype(outputs[0].type.dtype.numpy),)


SOFTMAX = Operator(
    name="SOFTMAX",
    code=0x0601,
    arity=(1, 1),
    fields=(
        *SCORE_FIELDS,
        Field(name="one", element="i32"),
        Field(name="dtype", element="u8"),
    ),
    infer=infer,
    work=work,
    reference=reference,
)
