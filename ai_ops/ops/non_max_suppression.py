"""NON_MAX_SUPPRESSION: the best boxes, without those that overlap a better one.

Source: docs/spec/02-operators.md O-41.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator

ONE = 2**16  # of a threshold
NONE = -1

# Keys of one type sort faster than the pairs that TOP_K keeps.
SORTED_AT_ONCE = 5


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take boxes i16 (N, 4), scores (N) and perhaps classes i32 (N) to indices i32 (M)."""
    boxes, scores, *classes = inputs
    if boxes.type.dtype is not DType.I16 or any(c.type.dtype is not DType.I32 for c in classes):
        raise InvalidModel(
            ModelFault.DTYPE, "NON_MAX_SUPPRESSION: boxes must be i16 and classes i32"
        )
    count = scores.type.shape[0]
    if boxes.type.shape != (count, 4) or any(
        value.type.shape != (count,) for value in (scores, *classes)
    ):
        raise InvalidModel(
            ModelFault.SHAPE, "NON_MAX_SUPPRESSION: the operands are not (N, 4), (N) and (N)"
        )
    if count == SYMBOLIC:
        raise InvalidModel(
            ModelFault.SYMBOLIC, "NON_MAX_SUPPRESSION: the number of boxes is symbolic"
        )
    most = node.integer("maximum_outputs")
    if node.integer("iou_threshold") > ONE or not 1 <= most <= count:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            "NON_MAX_SUPPRESSION: iou_threshold is above 2^16 or maximum_outputs not 1 to N",
        )
    result = TensorType(dtype=DType.I32, shape=(most,))
    return (Value(type=result, minimum=NONE, maximum=count - 1),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Sort N scores, then hold at most N boxes against M that were kept."""
    del node
    count, most = inputs[1].type.shape[0], outputs[0].type.shape[0]
    return {
        "comparison": cost.constant(count * (count - 1).bit_length() // SORTED_AT_ONCE),
        "element_cheap": cost.constant(2 * count * most),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Keep the first box that is left, drop what it suppresses, and so on."""
    boxes, scores = (array.astype(np.int64) for array in arrays[:2])
    classes = arrays[2] if len(arrays) > 2 else np.zeros(len(scores), np.int64)
    # A stable sort leaves the lower index first among equal scores.
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= node.integer("score_threshold")]
    kept = np.full(outputs[0].type.shape, NONE, dtype=np.int32)
    for at in range(len(kept)):
        if not len(order):
            break
        first, rest = order[0], order[1:]
        kept[at] = first
        shared, union = overlaps(boxes[first], boxes[rest])
        dropped = shared * ONE > node.integer("iou_threshold") * union
        order = rest[~(dropped & (classes[rest] == classes[first]))]
    return (kept,)


def overlaps(box: Wide, others: Wide) -> tuple[Wide, Wide]:
    """Return the areas of intersection and union; both times 2^16 stay below 2^50."""
    size = np.maximum(np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2]), 0)
    shared: Wide = size[:, 0] * size[:, 1]
    return shared, area(box[np.newaxis]) + area(others) - shared


def area(boxes: Wide) -> Wide:
    """Return width times height, 0 where a box is inside out."""
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    product: Wide = size[:, 0] * size[:, 1]
    return product


NON_MAX_SUPPRESSION = Operator(
    name="NON_MAX_SUPPRESSION",
    code=0x0701,
    arity=(2, 3),
    fields=(
        Field(name="score_threshold", element="i32"),
        Field(name="iou_threshold", element="u32"),
        Field(name="maximum_outputs", element="u32"),
    ),
    infer=infer,
    work=work,
    reference=reference,
)
