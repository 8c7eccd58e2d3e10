"""DYNAMIC_QUANTIZE: i8 elements and one scale for each row, ``q = D(127 * x, max |x|)``.

Source: docs/spec/02-operators.md O-52.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import divide
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.epilogue import check_interval

LARGEST = 127
MAGNITUDE_LIMIT = 32_767


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (..., K) to q i8 (..., K) and a i32 (..., 1); K is not symbolic."""
    (x,) = inputs
    if x.type.dtype not in {DType.I8, DType.I16}:
        raise InvalidModel(ModelFault.DTYPE, "DYNAMIC_QUANTIZE: x must be i8 or i16")
    if x.type.shape[-1] == SYMBOLIC:
        raise InvalidModel(ModelFault.SYMBOLIC, "DYNAMIC_QUANTIZE: a row has symbolic length")
    check_interval(node, x, -MAGNITUDE_LIMIT, MAGNITUDE_LIMIT)
    q = TensorType(dtype=DType.I8, shape=x.type.shape)
    a = TensorType(dtype=DType.I32, shape=(*x.type.shape[:-1], 1))
    return (
        Value(
            type=q,
            minimum=-LARGEST if x.minimum < 0 else 0,
            maximum=LARGEST if x.maximum > 0 else 0,
        ),
        Value(type=a, minimum=1, maximum=max(1, x.magnitude)),
    )


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One comparison and one product for each element: a row has one divisor."""
    del node, inputs
    result = outputs[0].type
    return {"element_cheap": cost.elements(result, 2), "rows": cost.rows(result, 2)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Divide each row by its largest magnitude."""
    del node
    x = arrays[0].astype(np.int64)
    largest = np.maximum(1, np.abs(x).max(axis=-1, keepdims=True))
    q = divide(LARGEST * x, largest)
    return (q.astype(outputs[0].type.dtype.numpy), largest.astype(outputs[1].type.dtype.numpy))


DYNAMIC_QUANTIZE = Operator(
    name="DYNAMIC_QUANTIZE",
    code=0x0105,
    arity=(1, 1),
    fields=(),
    infer=infer,
    work=work,
    reference=reference,
)
