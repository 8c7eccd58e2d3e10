"""LAYER_NORM: rows brought to mean 0 and deviation 1, then scaled and shifted.

Source: docs/spec/02-operators.md O-56.
"""

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import divide
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import LIST, Field, Operator
from ai_ops.ops.norm import GAMMA_FIELD, NORM_FIELDS, infer_norm, normalized, work


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (..., N) to the same shape."""
    return infer_norm(node, inputs, node.integers("beta"))


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Subtract the rounded mean of each row first."""
    x = arrays[0].astype(np.int64)
    d = x - divide(x.sum(axis=-1, keepdims=True), np.array(x.shape[-1], dtype=np.int64))
    return (normalized(node, d, node.integers("beta"), outputs[0]),)


LAYER_NORM = Operator(
    name="LAYER_NORM",
    code=0x0602,
    arity=(1, 1),
    fields=(GAMMA_FIELD, Field(name="beta", element="i64", count=LIST), *NORM_FIELDS),
    infer=infer,
    work=work,
    reference=reference,
)
