"""BIT_LENGTH: how many bits the magnitude of an element has; 0 has 1.

Source: docs/spec/02-operators.md O-29.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array, DType
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Operator


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take any dtype to u8; the least and the largest magnitude make the interval."""
    del node
    (x,) = inputs
    least = max(0, x.minimum, -x.maximum)
    result = TensorType(dtype=DType.U8, shape=x.type.shape)
    low, high = (max(1, size.bit_length()) for size in (least, x.magnitude))
    return (Value(type=result, minimum=low, maximum=high),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One count for each element."""
    del node, inputs
    return {"element_cheap": cost.elements(outputs[0].type)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Count the powers of two that do not exceed the magnitude; |-2^31| has 32 bits."""
    del node
    magnitude = np.abs(arrays[0].astype(np.int64))
    count = np.searchsorted(1 << np.arange(32, dtype=np.int64), magnitude, side="right")
    return (np.maximum(count, 1).astype(outputs[0].type.dtype.numpy),)


BIT_LENGTH = Operator(
    name="BIT_LENGTH",
    code=0x030E,
    arity=(1, 1),
    fields=(),
    infer=infer,
    work=work,
    reference=reference,
)
