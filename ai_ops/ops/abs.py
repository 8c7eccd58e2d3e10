"""ABS: ``y = |x|``, saturating: the smallest element of a dtype becomes the largest.

Source: docs/spec/02-operators.md O-23.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.sign import check_signed, work


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Keep shape and dtype; the interval begins at 0 or at the end that is nearer to it."""
    (x,) = inputs
    most = check_signed(node, x).maximum
    least = max(0, x.minimum, -x.maximum)
    return (Value(type=x.type, minimum=min(least, most), maximum=min(x.magnitude, most)),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Take the absolute value in int64, where every element has one, then saturate."""
    del node
    dtype = outputs[0].type.dtype
    return (np.minimum(np.abs(arrays[0].astype(np.int64)), dtype.maximum).astype(dtype.numpy),)


ABS = Operator(
    name="ABS",
    code=0x0308,
    arity=(1, 1),
    fields=(),
    infer=infer,
    work=work,
    reference=reference,
)
