"""PAD: surround a tensor with a constant.

Source: docs/spec/02-operators.md O-32.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field, Operator
from ai_ops.ops.movement import per_dimension, require_fixed, work


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Grow each dimension; the interval then holds the constant as well."""
    (x,) = inputs
    dtype, value = x.type.dtype, node.integer("value")
    before, after = per_dimension(node, x, "before", "after")
    if not dtype.minimum <= value <= dtype.maximum:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, f"PAD: {value} leaves {dtype.name}")
    shape = []
    for size, left, right in zip(x.type.shape, before, after, strict=True):
        require_fixed(node, size if left + right else 1)
        shape.append(size if size == SYMBOLIC else size + left + right)
    low, high = x.minimum, x.maximum
    if any((*before, *after)):
        low, high = min(low, value), max(high, value)
    result = TensorType(dtype=dtype, shape=tuple(shape))
    return (Value(type=result, minimum=low, maximum=high),)


def surrounded(node: Node, shape: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[slice, ...]]:
    """Return the result's shape for an x of this shape, and where x lies in it."""
    before, after = node.integers("before"), node.integers("after")
    extents = zip(shape, before, after, strict=True)
    grown = tuple(size + left + right for size, left, right in extents)
    inside = (slice(left, left + size) for size, left in zip(shape, before, strict=True))
    return grown, tuple(inside)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Fill the result, whose size validation has bounded, and write x into it."""
    (x,) = arrays
    shape, inside = surrounded(node, x.shape)
    result = np.full(shape, node.integer("value"), dtype=outputs[0].type.dtype.numpy)
    result[inside] = x
    return (result,)


PAD = Operator(
    name="PAD",
    code=0x0406,
    arity=(1, 1),
    fields=(
        Field(name="before", element="u32", count=LIST),
        Field(name="after", element="u32", count=LIST),
        Field(name="value", element="i32"),
    ),
    infer=infer,
    work=work,
    reference=reference,
)
