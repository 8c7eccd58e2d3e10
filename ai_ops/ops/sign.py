"""Sign changes of one tensor: what NEGATE and ABS share."""

from __future__ import annotations

from ai_ops import cost
from ai_ops.dtype import DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, Value


def check_signed(node: Node, x: Value) -> DType:
    """Return the dtype of x, which must have a sign.

    Raises
    ------
    InvalidModel
        `DTYPE`.
    """
    if x.type.dtype is DType.U8:
        raise InvalidModel(ModelFault.DTYPE, f"{node.operator}: x must have a signed dtype")
    return x.type.dtype


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One change of sign for each element."""
    del node, inputs
    return {"element_cheap": cost.elements(outputs[0].type)}
