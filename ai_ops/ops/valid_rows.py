"""VALID_ROWS: the rows whose score is high enough, in order, and how many they are.

Source: docs/spec/02-operators.md O-42.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator

NONE = -1


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (N, K) to rows (N, K) and count i32 (1); N may be symbolic."""
    (x,) = inputs
    if x.type.dtype is DType.U8:
        raise InvalidModel(ModelFault.DTYPE, "VALID_ROWS: u8 does not hold the -1 of unused rows")
    if len(x.type.shape) != 2:
        raise InvalidModel(ModelFault.SHAPE, "VALID_ROWS: x must be (N, K)")
    rows, columns = x.type.shape
    if columns == SYMBOLIC:
        raise InvalidModel(ModelFault.SYMBOLIC, "VALID_ROWS: the length of a row is symbolic")
    if node.integer("column") >= columns:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE, f"VALID_ROWS: there is no column {node.integer('column')}"
        )
    most = DType.I32.maximum if rows == SYMBOLIC else rows
    count = TensorType(dtype=DType.I32, shape=(1,))
    return (
        Value(type=x.type, minimum=min(x.minimum, NONE), maximum=max(x.maximum, NONE)),
        Value(type=count, minimum=0, maximum=most),
    )


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Every element moves."""
    del node
    rows = cost.rows(inputs[0].type)
    return {"element_copy": cost.elements(outputs[0].type), "rows": rows}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Compare in int64; what is not filled stays -1."""
    (x,) = arrays
    valid = x[:, node.integer("column")].astype(np.int64) > node.integer("threshold")
    count = int(np.count_nonzero(valid))
    rows = np.full(x.shape, NONE, dtype=outputs[0].type.dtype.numpy)
    rows[:count] = x[valid]
    return rows, np.array([count], dtype=outputs[1].type.dtype.numpy)


VALID_ROWS = Operator(
    name="VALID_ROWS",
    code=0x0702,
    arity=(1, 1),
    fields=(Field(name="column", element="u32"), Field(name="threshold", element="i32")),
    infer=infer,
    work=work,
    reference=reference,
)
