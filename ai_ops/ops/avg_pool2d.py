"""AVG_POOL2D: the mean under each window, rounded half up.

``y = D(sum of the real elements, count)``; count is the number of real elements under the window,
or the whole window's size when `count_padding` is 1. Source: docs/spec/02-operators.md O-4.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import divide
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import check_accumulator
from ai_ops.ops.max_pool2d import LONG_ROW, kernel_of
from ai_ops.ops.window import WINDOW_FIELDS, axes, check_axes


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (N, H, W, C) to (N, OH, OW, C) of the same dtype; a mean stays in the interval."""
    (x,) = inputs
    height, width = kernel_of(node)
    rows, columns = check_axes(node, x, (height, width))
    if node.integer("count_padding") not in {0, 1}:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, "AVG_POOL2D: count_padding is not 0 or 1")
    elements = height * width
    check_accumulator(node, elements * min(x.minimum, 0), elements * max(x.maximum, 0))
    batch, _, _, channels = x.type.shape
    shape = (batch, rows.output, columns.output, channels)
    result = TensorType(dtype=x.type.dtype, shape=shape)
    # Padding that counts pulls the mean towards 0.
    return (Value(type=result, minimum=min(x.minimum, 0), maximum=max(x.maximum, 0)),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One addition per element under each window, one division per result."""
    del inputs
    height, width = kernel_of(node)
    result = outputs[0].type
    taps = "element_cheap" if result.shape[3] < LONG_ROW else "element_copy"
    return {
        taps: cost.elements(result, height * width),
        "element_heavy": cost.elements(result),
        "rows": cost.rows(result, 6 + height * width // 2),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Sum one position of the window at a time, counting the real ones beside."""
    x = arrays[0].astype(np.int64)
    height, width = kernel_of(node)
    rows, columns = axes(node, x.shape, (height, width), (1, 1))
    total = np.zeros((x.shape[0], rows.output, columns.output, x.shape[3]), dtype=np.int64)
    count = np.zeros((rows.output, columns.output, 1), dtype=np.int64)
    for p in rows.taps():
        for q in columns.taps():
            total[:, p.writes, q.writes] += x[:, p.reads, q.reads]
            count[p.writes, q.writes] += 1
    if node.integer("count_padding"):
        count[:] = height * width
    return (divide(total, count).astype(outputs[0].type.dtype.numpy),)


AVG_POOL2D = Operator(
    name="AVG_POOL2D",
    code=0x0202,
    arity=(1, 1),
    fields=(
        Field(name="kernel", element="u16", count=2),
        *WINDOW_FIELDS,
        Field(name="count_padding", element="u8"),
    ),
    infer=infer,
    work=work,
    reference=reference,
)
