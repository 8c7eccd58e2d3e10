"""Reductions over several dimensions: what SUM, MAX, MIN and MEAN share.

Source: docs/spec/02-operators.md O-36.
"""

from __future__ import annotations

from math import prod

from ai_ops import cost
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, Value
from ai_ops.ops.definition import LIST, Field
from ai_ops.ops.epilogue import check_accumulator

AXES_FIELDS = (
    Field(name="axes", element="u8", count=LIST),
    Field(name="keep", element="u8"),
)


def reduced_shape(node: Node, x: Value) -> tuple[int, ...]:
    """Check `axes` and `keep` and return the result's shape.

    Raises
    ------
    InvalidModel
        `ATTRIBUTE_VALUE`: the axes are not dimensions in rising order, or keep is not 0 or 1.
    """
    axes, shape = node.integers("axes"), x.type.shape
    if not axes or list(axes) != sorted(set(axes)) or axes[-1] >= len(shape):
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            f"{node.operator}: {axes} are not dimensions of {shape} in rising order",
        )
    if node.integer("keep") not in {0, 1}:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, f"{node.operator}: keep is not 0 or 1")
    if node.integer("keep"):
        return tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return tuple(size for axis, size in enumerate(shape) if axis not in axes) or (1,)


def bounded_sum(node: Node, x: Value) -> tuple[int, int]:
    """Return the interval of a sum over the fixed dimensions among `axes`.

    Raises
    ------
    InvalidModel
        `ACCUMULATOR`: it leaves i32.
    """
    sizes = (x.type.shape[axis] for axis in node.integers("axes"))
    count = prod(size for size in sizes if size != SYMBOLIC)
    check_accumulator(node, count * x.minimum, count * x.maximum)
    return count * x.minimum, count * x.maximum


def over_symbolic(node: Node, shape: tuple[int, ...]) -> bool:
    """Say whether a symbolic dimension is among `axes`."""
    return any(shape[axis] == SYMBOLIC for axis in node.integers("axes"))


def compared(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One comparison for each element of x."""
    del node, outputs
    return {"element_cheap": cost.elements(inputs[0].type)}


def summed(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One addition for each element of x, one rescale or division for each result."""
    del node
    return {
        "element_cheap": cost.elements(inputs[0].type),
        "element_heavy": cost.elements(outputs[0].type),
    }
