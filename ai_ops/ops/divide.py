"""DIVIDE: a rounded quotient, ``y = clamp((a << shift) / b)``, 0 where b is 0.

Source: docs/spec/02-operators.md O-28.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide, divide
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.broadcast import broadcast_shape
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import CLAMP_FIELDS, apply_clamp, clamp_interval, output_dtype

HALF_UP, TOWARD_ZERO, FLOOR = 0, 1, 2
# |a| <= 2^31, so a doubled numerator stays below 2^62.
MAXIMUM_SHIFT = 29


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Bound the quotient at the ends of a and of each sign of b, where it is extreme."""
    a, b = inputs
    rounding, shift = node.integer("rounding"), node.integer("shift")
    if shift > MAXIMUM_SHIFT or rounding > FLOOR:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE, "DIVIDE: shift is above 29 or rounding above 2"
        )
    dtype = output_dtype(node)
    divisors = [
        *((b.minimum, min(b.maximum, -1)) if b.minimum < 0 else ()),
        *((max(b.minimum, 1), b.maximum) if b.maximum > 0 else ()),
    ]
    ends = [
        quotient((end if d > 0 else -end) << shift, abs(d), rounding)
        for end in (a.minimum, a.maximum)
        for d in divisors
    ]
    if b.minimum <= 0 <= b.maximum:
        ends.append(0)
    low, high = clamp_interval(node, dtype, min(ends), max(ends))
    result = TensorType(dtype=dtype, shape=broadcast_shape(node, a, b))
    return (Value(type=result, minimum=low, maximum=high),)


def quotient(n: int, d: int, rounding: int) -> int:
    """Divide n by d > 0 with a rounding of this operator."""
    if rounding == HALF_UP:
        return divide(n, d)
    return n // d if rounding == FLOOR or n >= 0 else -(-n // d)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One division for each result, and what follows it."""
    del node, inputs
    result = cost.elements(outputs[0].type)
    return {"element_wide": result, "element_heavy": result}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Move the sign of b to a, divide by |b| or by 1, and blank what was divided by 0."""
    a, b = (array.astype(np.int64) for array in arrays)
    numerator: Wide = np.where(b < 0, -a, a) << node.integer("shift")
    divisor: Wide = np.maximum(np.abs(b), 1)
    rounding = node.integer("rounding")
    if rounding == HALF_UP:
        result = divide(numerator, divisor)
    elif rounding == FLOOR:
        result = numerator // divisor
    else:
        result = np.sign(numerator) * (np.abs(numerator) // divisor)
    return (apply_clamp(node, np.where(b == 0, 0, result), outputs[0]),)


DIVIDE = Operator(
    name="DIVIDE",
    code=0x030D,
    arity=(2, 2),
    fields=(
        Field(name="shift", element="u8"),
        Field(name="rounding", element="u8"),
        Field(name="dtype", element="u8"),
        *CLAMP_FIELDS,
    ),
    infer=infer,
    work=work,
    reference=reference,
)
