"""MAX_POOL2D: the largest real element under each window; padding never wins.

Source: docs/spec/02-operators.md O-3.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.window import WINDOW_FIELDS, axes, check_axes

# Channels that fill vectors on every machine; fewer are compared one by one on some.
LONG_ROW = 128


def kernel_of(node: Node) -> tuple[int, int]:
    """Return the window's size (rows, columns)."""
    rows, columns = node.integers("kernel")
    return rows, columns


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (N, H, W, C) to (N, OH, OW, C) of the same dtype and interval."""
    (x,) = inputs
    rows, columns = check_axes(node, x, kernel_of(node))
    batch, _, _, channels = x.type.shape
    shape = (batch, rows.output, columns.output, channels)
    result = TensorType(dtype=x.type.dtype, shape=shape)
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One comparison per element under each window."""
    del inputs
    height, width = kernel_of(node)
    result = outputs[0].type
    factor = 4 if result.shape[3] < LONG_ROW else 1
    return {
        "element_cheap": cost.elements(result, factor * height * width),
        "rows": cost.rows(result, 3),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Take the maximum over one position of the window at a time."""
    (x,) = arrays
    rows, columns = axes(node, x.shape, kernel_of(node), (1, 1))
    dtype = outputs[0].type.dtype
    shape = (x.shape[0], rows.output, columns.output, x.shape[3])
    result = np.full(shape, dtype.minimum, dtype=dtype.numpy)
    for p in rows.taps():
        for q in columns.taps():
            target = result[:, p.writes, q.writes]
            np.maximum(target, x[:, p.reads, q.reads], out=target)
    return (result,)


MAX_POOL2D = Operator(
    name="MAX_POOL2D",
    code=0x0201,
    arity=(1, 1),
    fields=(Field(name="kernel", element="u16", count=2), *WINDOW_FIELDS),
    infer=infer,
    work=work,
    reference=reference,
)
