"""NEGATE: ``y = -x``, saturating: the smallest element of a dtype becomes the largest.

Source: docs/spec/02-operators.md O-22.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.sign import check_signed, work


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Keep shape and dtype and mirror the interval."""
    (x,) = inputs
    most = check_signed(node, x).maximum
    return (Value(type=x.type, minimum=min(-x.maximum, most), maximum=min(-x.minimum, most)),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Negate in int64, then saturate; only the smallest element can."""
    del node
    dtype = outputs[0].type.dtype
    return (np.minimum(-arrays[0].astype(np.int64), dtype.maximum).astype(dtype.numpy),)


NEGATE = Operator(
    name="NEGATE",
    code=0x0307,
    arity=(1, 1),
    fields=(),
    infer=infer,
    work=work,
    reference=reference,
)
