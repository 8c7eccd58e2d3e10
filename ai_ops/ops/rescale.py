"""RESCALE: change a tensor's scale and type, ``y = clamp(R(x))``, per tensor or per channel.

Source: docs/spec/02-operators.md O-8.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.epilogue import RESCALE_FIELDS, apply_rescale, infer_rescaled


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Any type to any type, the shape unchanged."""
    (x,) = inputs
    return (infer_rescaled(node, x.type.shape, x.minimum, x.maximum),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One rescale for each element; channels are taken row by row."""
    del inputs
    result = outputs[0].type
    if len(node.integers("multipliers")) == 1:
        return {"element_cheap": cost.elements(result)}
    return {"element_cheap": cost.elements(result, 2), "rows": cost.rows(result, 8)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Rescale, clamp, narrow."""
    return (apply_rescale(node, arrays[0].astype(np.int64), outputs[0]),)


RESCALE = Operator(
    name="RESCALE",
    code=0x0304,
    arity=(1, 1),
    fields=RESCALE_FIELDS,
    infer=infer,
    work=work,
    reference=reference,
)
