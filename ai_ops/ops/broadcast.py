"""Several tensors element by element: what ADD, MUL, COMPARE, WHERE and the like share.

Shapes are aligned at their last dimension; a dimension of 1, or one that is missing at the front,
is repeated. Only a symbolic or repeated dimension may stand against a symbolic one.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide, rescale
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import Field
from ai_ops.ops.epilogue import CLAMP_FIELDS, check_multiplier, clamp_range, output_dtype

SUM_FIELDS = (
    Field(name="multiplier_a", element="u32"),
    Field(name="shift_a", element="u8"),
    Field(name="multiplier_b", element="u32"),
    Field(name="shift_b", element="u8"),
    Field(name="dtype", element="u8"),
    *CLAMP_FIELDS,
)


def broadcast_shape(node: Node, *values: Value) -> tuple[int, ...]:
    """Return the common shape of tensors.

    Raises
    ------
    InvalidModel
        `SHAPE`: two dimensions differ and neither is 1.
    """
    return common_shape(node, *(value.type.shape for value in values))


def common_shape(node: Node, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the common shape of some dimensions of tensors; raises as `broadcast_shape`."""
    common = shapes[0]
    for other in shapes[1:]:
        rank = max(len(common), len(other))
        left, right = ((1,) * (rank - len(shape)) + shape for shape in (common, other))
        for p, q in zip(left, right, strict=True):
            if p != q and 1 not in {p, q}:
                raise InvalidModel(
                    ModelFault.SHAPE,
                    f"{node.operator}: shapes {common} and {other} do not broadcast",
                )
        common = tuple(q if p == 1 else p for p, q in zip(left, right, strict=True))
    return common


def check_one_dtype(node: Node, a: Value, b: Value) -> DType:
    """Return the dtype of a and b, which must be one.

    Raises
    ------
    InvalidModel
        `DTYPE`.
    """
    if a.type.dtype is not b.type.dtype:
        raise InvalidModel(ModelFault.DTYPE, f"{node.operator}: a and b have different dtypes")
    return a.type.dtype


def infer_sum(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Check ADD or SUB; the interval is the clamp's (its terms are rescaled separately)."""
    a, b = inputs
    dtype = output_dtype(node)
    low, high = clamp_range(node, dtype)
    for side in ("a", "b"):
        check_multiplier(node, node.integer(f"multiplier_{side}"), node.integer(f"shift_{side}"))
    result = TensorType(dtype=dtype, shape=broadcast_shape(node, a, b))
    return (Value(type=result, minimum=low, maximum=high),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Two operands for each result."""
    del node, inputs
    return {"element_cheap": cost.elements(outputs[0].type, 2)}


def chosen(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """One comparison for each result, many at once."""
    del node, inputs
    return {"element_copy": cost.elements(outputs[0].type)}


def rescaled_terms(node: Node, arrays: tuple[Array, ...]) -> tuple[Wide, Wide]:
    """Return R(a) and R(b) in int64."""
    a, b = arrays
    return _rescaled(node, a, "a"), _rescaled(node, b, "b")


def _rescaled(node: Node, array: Array, side: str) -> Wide:
    multiplier = np.array(node.integer(f"multiplier_{side}"), dtype=np.int64)
    shift = np.array(node.integer(f"shift_{side}"), dtype=np.int64)
    return rescale(array.astype(np.int64), multiplier, shift)
