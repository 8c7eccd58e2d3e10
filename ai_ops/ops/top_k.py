"""TOP_K: the k largest elements along the last dimension, and where they are.

Source: docs/spec/02-operators.md O-61.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator

# Cheap reads of an element that select the k largest, whatever their order: 5 for each byte,
# because equal bytes are counted one after another.
SELECTION_PASSES = 24


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (..., N) to values (..., k) of its dtype and indices (..., k)."""
    (x,) = inputs
    *lead, size = x.type.shape
    if size == SYMBOLIC:
        raise InvalidModel(ModelFault.SYMBOLIC, "TOP_K: the dimension searched is symbolic")
    k = node.integer("k")
    if not 1 <= k <= size:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, f"TOP_K: k is {k}, outside 1 to {size}")
    values = TensorType(dtype=x.type.dtype, shape=(*lead, k))
    indices = TensorType(dtype=DType.I32, shape=(*lead, k))
    return (
        Value(type=values, minimum=x.minimum, maximum=x.maximum),
        Value(type=indices, minimum=0, maximum=size - 1),
    )


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Find the k-th largest by its four bytes, then sort the k that are kept."""
    x, kept = inputs[0].type, outputs[0].type
    # Whole rows are sorted without a selection.
    passes = SELECTION_PASSES if node.integer("k") < x.shape[-1] else 0
    return {
        "element_cheap": cost.elements(x, passes),
        "comparison": cost.elements(kept, kept.shape[-1].bit_length()),
    }


def first_largest(x: Array, k: int) -> Array:
    """Return the indices (..., k) of the largest elements, among equals the lowest first."""
    order = np.argsort(-x.astype(np.int64), axis=-1, kind="stable")
    return order[..., :k]


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Sort whole rows; a stable sort keeps equal elements in order."""
    (x,) = arrays
    indices = first_largest(x, node.integer("k"))
    values = np.take_along_axis(x, indices, axis=-1)
    return (values, indices.astype(outputs[1].type.dtype.numpy))


TOP_K = Operator(
    name="TOP_K",
    code=0x0507,
    arity=(1, 1),
    fields=(Field(name="k", element="u32"),),
    infer=infer,
    work=work,
    reference=reference,
)
