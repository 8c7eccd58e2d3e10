"""TABLE16: any unary function of an i16 element, by straight lines between 513 points.

Source: docs/spec/02-operators.md O-58.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import RESCALE_FIELDS, apply_rescale, infer_rescaled

POINTS = 513
STEP_BITS = 7
OFFSET = 32_768


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Keep the shape; the interval is that of the points which x's interval reaches."""
    (x,) = inputs
    if x.type.dtype is not DType.I16:
        raise InvalidModel(ModelFault.DTYPE, "TABLE16: x must be i16")
    first = (x.minimum + OFFSET) >> STEP_BITS
    last = ((x.maximum + OFFSET) >> STEP_BITS) + 1
    reachable = node.integers("table")[first : last + 1]
    ends = (min(reachable) << STEP_BITS, max(reachable) << STEP_BITS)
    return (infer_rescaled(node, x.type.shape, *ends),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Two look-ups, one product and one rescale for each element."""
    del node, inputs
    return {"element_wide": cost.elements(outputs[0].type)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Read the point at or below x and go towards the next."""
    x = arrays[0].astype(np.int64)
    table = np.array(node.integers("table"), dtype=np.int64)
    at, part = (x + OFFSET) >> STEP_BITS, x & ((1 << STEP_BITS) - 1)
    value = (table[at] << STEP_BITS) + (table[at + 1] - table[at]) * part
    return (apply_rescale(node, value, outputs[0]),)


TABLE16 = Operator(
    name="TABLE16",
    code=0x030F,
    arity=(1, 1),
    fields=(Field(name="table", element="i16", count=POINTS), *RESCALE_FIELDS),
    infer=infer,
    work=work,
    reference=reference,
)
