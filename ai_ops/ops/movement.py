"""Operators that only move elements: what they share."""

from __future__ import annotations

from math import prod

from ai_ops import cost
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, Value

SHORT_ROW = 8


def per_dimension(node: Node, x: Value, *names: str) -> list[tuple[int, ...]]:
    """Return the named lists, each of which must have one entry for each dimension of x.

    Raises
    ------
    InvalidModel
        `ATTRIBUTE_VALUE`.
    """
    rank = len(x.type.shape)
    lists = [node.integers(name) for name in names]
    for name, values in zip(names, lists, strict=True):
        if len(values) != rank:
            raise InvalidModel(
                ModelFault.ATTRIBUTE_VALUE,
                f"{node.operator}: {name} has {len(values)} entries, x has {rank} dimensions",
            )
    return lists


def axis_of(node: Node, x: Value) -> int:
    """Return the field `axis`, which must be a dimension of x.

    Raises
    ------
    InvalidModel
        `ATTRIBUTE_VALUE`.
    """
    axis = node.integer("axis")
    if axis >= len(x.type.shape):
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE, f"{node.operator}: there is no dimension {axis}"
        )
    return axis


def multiplied(node: Node, size: int, count: int) -> int:
    """Return a dimension `count` times as large; a symbolic one stays as it is.

    Raises
    ------
    InvalidModel
        `ATTRIBUTE_VALUE` for a count of 0, `SYMBOLIC` for a symbolic size and a count above 1.
    """
    if count < 1:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, f"{node.operator}: a count is 0")
    if size == SYMBOLIC:
        require_fixed(node, size if count > 1 else 1)
        return SYMBOLIC
    return size * count


def require_fixed(node: Node, *sizes: int) -> None:
    """Refuse a symbolic dimension where none may stand.

    Raises
    ------
    InvalidModel
        `SYMBOLIC`.
    """
    if SYMBOLIC in sizes:
        raise InvalidModel(
            ModelFault.SYMBOLIC, f"{node.operator}: a dimension it works on is symbolic"
        )


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Every element of the result moves."""
    del node, inputs
    return {"element_copy": cost.elements(outputs[0].type)}


def repeated(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Every element of the result moves, one by one where rows are short or grow themselves."""
    (x,) = inputs
    shape, result = x.type.shape, outputs[0].type
    alone = shape[-1] < SHORT_ROW
    if node.operator == "REPEAT":
        after = shape[node.integer("axis") + 1 :]
        alone = SYMBOLIC not in after and prod(after) < SHORT_ROW
    factor = 3 if node.operator == "TILE" else 2
    return {"element_copy": cost.elements(result, factor if alone else 1)}
