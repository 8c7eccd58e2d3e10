"""CLAMP: limit every element to [minimum, maximum]; ReLU and ReLU6 that could not be fused.

Source: docs/spec/02-operators.md O-9.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.epilogue import CLAMP_FIELDS, apply_clamp, clamp_interval


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Keep shape and dtype and shrink the interval."""
    (x,) = inputs
    low, high = clamp_interval(node, x.type.dtype, x.minimum, x.maximum)
    return (Value(type=x.type, minimum=low, maximum=high),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One comparison pair for each element."""
    del node, inputs
    return {"element_cheap": cost.elements(outputs[0].type)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Clamp in int64."""
    return (apply_clamp(node, arrays[0].astype(np.int64), outputs[0]),)


CLAMP = Operator(
    name="CLAMP",
    code=0x0305,
    arity=(1, 1),
    fields=CLAMP_FIELDS,
    infer=infer,
    work=work,
    reference=reference,
)
