"""UPDATE_ROWS: a copy of a cache with some of its rows replaced.

Source: docs/spec/02-operators.md O-60.
"""

from __future__ import annotations

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, Value
from ai_ops.ops.definition import Operator
from ai_ops.ops.epilogue import check_index


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take cache (S, C...) and rows (T, C...), T <= S, both fixed, to (S, C...)."""
    cache, rows, position = inputs
    if cache.type.symbolic or rows.type.symbolic:
        raise InvalidModel(ModelFault.SYMBOLIC, "UPDATE_ROWS: cache and rows must be fixed")
    if (
        cache.type.shape[1:] != rows.type.shape[1:]
        or rows.type.shape[0] > cache.type.shape[0]
        or len(cache.type.shape) != len(rows.type.shape)
    ):
        raise InvalidModel(
            ModelFault.SHAPE,
            f"UPDATE_ROWS: rows {rows.type.shape} do not fit into {cache.type.shape}",
        )
    if cache.type.dtype is not rows.type.dtype:
        raise InvalidModel(ModelFault.DTYPE, "UPDATE_ROWS: cache and rows have different dtypes")
    check_index(node, position, "position")
    return (
        Value(
            type=cache.type,
            minimum=min(cache.minimum, rows.minimum),
            maximum=max(cache.maximum, rows.maximum),
        ),
    )


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Every element moves."""
    del node, inputs
    return {"element_copy": cost.elements(outputs[0].type)}


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Clamp the position so that all rows fit."""
    del node, outputs
    cache, rows, position = arrays
    start = min(max(int(position[0]), 0), len(cache) - len(rows))
    result = cache.copy()
    result[start : start + len(rows)] = rows
    return (result,)


UPDATE_ROWS = Operator(
    name="UPDATE_ROWS",
    code=0x040A,
    arity=(3, 3),
    fields=(),
    infer=infer,
    work=work,
    reference=reference,
)
