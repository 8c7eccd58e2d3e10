"""TABLE8: any unary function of an 8-bit element, ``y = table[x - smallest x]``.

Source: docs/spec/02-operators.md O-10.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import output_dtype

ENTRIES = 256


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take i8 or u8 to i8, u8 or i16; the interval is that of the reachable entries."""
    (x,) = inputs
    dtype = output_dtype(node)
    if x.type.dtype.itemsize != 1 or dtype is DType.I32:
        raise InvalidModel(ModelFault.DTYPE, "TABLE8: x must have 8 bits, its result 8 or i16")
    table = node.integers("table")
    if min(table) < dtype.minimum or max(table) > dtype.maximum:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, f"TABLE8: an entry leaves {dtype.name}")
    base = x.type.dtype.minimum
    reachable = table[x.minimum - base : x.maximum - base + 1]
    result = TensorType(dtype=dtype, shape=x.type.shape)
    return (Value(type=result, minimum=min(reachable), maximum=max(reachable)),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One look-up for each element."""
    del node, inputs
    return {"element_cheap": cost.elements(outputs[0].type)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Look every element up."""
    (x,) = arrays
    table = np.array(node.integers("table"), dtype=outputs[0].type.dtype.numpy)
    return (table[x.astype(np.int64) - int(np.iinfo(x.dtype).min)],)


TABLE8 = Operator(
    name="TABLE8",
    code=0x0306,
    arity=(1, 1),
    fields=(Field(name="dtype", element="u8"), Field(name="table", element="i16", count=ENTRIES)),
    infer=infer,
    work=work,
    reference=reference,
)
