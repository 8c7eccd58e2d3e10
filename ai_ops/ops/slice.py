"""SLICE: every stride-th element of each dimension, forwards or backwards.

Source: docs/spec/02-operators.md O-31.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field, Operator
from ai_ops.ops.movement import per_dimension, work

WHOLE = (0, -1, 1)  # start, size, stride of a symbolic dimension that stays
FIRST, LAST = (0, 1, 1), (-1, 1, 1)


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Require every position read to exist, whatever n is."""
    (x,) = inputs
    starts, sizes, strides = per_dimension(node, x, "starts", "sizes", "strides")
    cuts = zip(x.type.shape, starts, sizes, strides, strict=True)
    shape = tuple(_cut(size, cut) for size, *cut in cuts)
    result = TensorType(dtype=x.type.dtype, shape=shape)
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def _cut(size: int, cut: list[int]) -> int:
    """Return the size that is left of a dimension."""
    start, count, stride = cut
    if size == SYMBOLIC:
        if tuple(cut) not in {WHOLE, FIRST, LAST}:
            raise InvalidModel(
                ModelFault.SYMBOLIC, "SLICE: a symbolic dimension stays, or gives one end"
            )
        return SYMBOLIC if tuple(cut) == WHOLE else 1
    last = start + (count - 1) * stride
    if count < 1 or stride == 0 or not (0 <= start < size and 0 <= last < size):
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            f"SLICE: {count} elements from {start} in steps of {stride} leave a dimension of "
            f"{size}",
        )
    return count


def selection(node: Node, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return a checked node's cut of an x of this shape, as NumPy spells it."""
    fields = (node.integers(name) for name in ("starts", "sizes", "strides"))
    selected = []
    for size, start, count, stride in zip(shape, *fields, strict=True):
        first = start if start >= 0 else size - 1
        stop = first + (count if count >= 0 else size) * stride
        selected.append(slice(first, stop if stop >= 0 else None, stride))
    return tuple(selected)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Copy what NumPy's slices select."""
    del outputs
    (x,) = arrays
    return (np.ascontiguousarray(x[selection(node, x.shape)]),)


SLICE = Operator(
    name="SLICE",
    code=0x0405,
    arity=(1, 1),
    fields=(
        Field(name="starts", element="i32", count=LIST),
        Field(name="sizes", element="i32", count=LIST),
        Field(name="strides", element="i32", count=LIST),
    ),
    infer=infer,
    work=work,
    reference=reference,
)
