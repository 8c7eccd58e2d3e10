"""RMS_NORM: rows divided by the root of their mean square, then scaled.

Source: docs/spec/02-operators.md O-57.
"""

from __future__ import annotations

import numpy as np

from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.norm import GAMMA_FIELD, NORM_FIELDS, infer_norm, normalized, work


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (..., N) to the same shape."""
    return infer_norm(node, inputs, ())


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """As LAYER_NORM without a mean and without an offset."""
    return (normalized(node, arrays[0].astype(np.int64), (), outputs[0]),)


RMS_NORM = Operator(
    name="RMS_NORM",
    code=0x0603,
    arity=(1, 1),
    fields=(GAMMA_FIELD, *NORM_FIELDS),
    infer=infer,
    work=work,
    reference=reference,
)
