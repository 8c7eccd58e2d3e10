"""UPSAMPLE: repeat every pixel of an image, the nearest-neighbour enlargement.

Source: docs/spec/02-operators.md O-33.
"""

from __future__ import annotations

from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.movement import multiplied, repeated, require_fixed


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (N, H, W, C) to (N, H * rows, W * columns, C); only N may be symbolic."""
    (x,) = inputs
    if len(x.type.shape) != 4:
        raise InvalidModel(ModelFault.SHAPE, "UPSAMPLE: x must be (N, H, W, C)")
    batch, height, width, channels = x.type.shape
    require_fixed(node, height, width, channels)
    rows, columns = node.integers("scales")
    shape = (batch, multiplied(node, height, rows), multiplied(node, width, columns), channels)
    result = TensorType(dtype=x.type.dtype, shape=shape)
    return (Value(type=result, minimum=x.minimum, maximum=x.maximum),)


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Repeat rows, then columns."""
    del outputs
    rows, columns = node.integers("scales")
    return (arrays[0].repeat(rows, axis=1).repeat(columns, axis=2),)


UPSAMPLE = Operator(
    name="UPSAMPLE",
    code=0x0407,
    arity=(1, 1),
    fields=(Field(name="scales", element="u16", count=2),),
    infer=infer,
    work=repeated,
    reference=reference,
)
