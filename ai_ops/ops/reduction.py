"""Reductions over several dimensions: what SUM, MAX, MIN and MEAN share.

Source: docs/spec/02-operators.md O-36.
"""

from __future__ import annotations

from math import prod

from ai_ops import cost
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
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
    """One comparison for each element of x, cheaper along a row than between rows."""
    del outputs
    x = inputs[0].type
    along = len(x.shape) - 1 in node.integers("axes")
    work = {"element_copy": cost.elements(x), "rows": _runs(node, x)}
    return work if along else {**work, "element_cheap": cost.elements(x)}


def summed(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One addition for each element of x, and for each result one rescale or a division."""
    x = inputs[0].type
    return {
        "element_copy": cost.elements(x),
        "element_heavy": cost.elements(outputs[0].type, 3 if node.operator == "MEAN" else 1),
        "rows": _runs(node, x),
    }


def _runs(node: Node, x: TensorType) -> cost.Polynomial:
    """Count the runs of elements that lie together and are all reduced, or all kept."""
    axes = node.integers("axes")
    sizes = [(size, axis in axes) for axis, size in enumerate(x.shape) if size != 1]
    last = len(sizes)
    while last > 0 and sizes[last - 1][1] == sizes[-1][1]:
        last -= 1
    return cost.product(tuple(size for size, _ in sizes[:last]))
