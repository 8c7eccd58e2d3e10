"""MEAN: the mean along some dimensions, rounded half up, ``y = D(sum, count)``.

Source: docs/spec/02-operators.md O-40.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ai_ops.arithmetic import Wide, divide
from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.reduction import AXES_FIELDS, bounded_sum, reduced_shape, summed


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Keep dtype and interval: a mean lies between its elements."""
    (x,) = inputs
    result = TensorType(dtype=x.type.dtype, shape=reduced_shape(node, x))
    bounded_sum(node, x)
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Sum in int64; the count holds n where a symbolic dimension is among the axes."""
    (x,) = arrays
    axes, keep = node.integers("axes"), bool(node.integer("keep"))
    total: Wide = np.asarray(x.sum(axis=axes, keepdims=keep, dtype=np.int64))
    count = np.array(prod(x.shape[axis] for axis in axes), dtype=np.int64)
    mean = divide(total.reshape(total.shape or (1,)), count)
    return (mean.astype(outputs[0].type.dtype.numpy),)


MEAN = Operator(
    name="MEAN",
    code=0x0505,
    arity=(1, 1),
    fields=AXES_FIELDS,
    infer=infer,
    work=summed,
    reference=reference,
)
