"""SUM: the rescaled sum along some dimensions.

Source: docs/spec/02-operators.md O-37.
"""

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array, DType
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.epilogue import RESCALE_FIELDS, apply_rescale, infer_rescaled
from ai_ops.ops.reduction import AXES_FIELDS, bounded_sum, over_symbolic, reduced_shape, summed


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Bound the sum; over a symbolic dimension it is clamped to i32, as n has no bound here."""
    (x,) = inputs
    shape = reduced_shape(node, x)
    low, high = bounded_sum(node, x)
    if over_symbolic(node, x.type.shape):
        # One unit at least: a sum of elements that are never negative is none less than one.
        low = low if low >= 0 else DType.I32.minimum
        high = high if high <= 0 else DType.I32.maximum
    return (infer_rescaled(node, shape, low, high),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Sum in int64, clamp to i32 (only a sum over n can leave it), rescale."""
    (x,) = arrays
    axes, keep = node.integers("axes"), bool(node.integer("keep"))
    total: Wide = np.asarray(x.sum(axis=axes, keepdims=keep, dtype=np.int64))
    total = np.clip(total, DType.I32.minimum, DType.I32.maximum)
    return (apply_rescale(node, total.reshape(total.shape or (1,)), outputs[0]),)


SUM = Operator(
    name="SUM",
    code=0x0502,
    arity=(1, 1),
    fields=(*AXES_FIELDS, *RESCALE_FIELDS),
    infer=infer,
    work=summed,
    reference=reference,
)
