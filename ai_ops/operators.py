"""The table of operators: the one place where an operator is listed.

To add one: a file in `ai_ops/ops`, a row here, a section in docs/spec/02-operators.md and its
vectors. tests/spec/test_engine_vectors.py fails when one of them is missing.
"""

from __future__ import annotations

from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import AttributeValue, Node
from ai_ops.ops.abs import ABS
from ai_ops.ops.add import ADD
from ai_ops.ops.argmax import ARGMAX
from ai_ops.ops.attention import ATTENTION
from ai_ops.ops.avg_pool2d import AVG_POOL2D
from ai_ops.ops.bit_length import BIT_LENGTH
from ai_ops.ops.clamp import CLAMP
from ai_ops.ops.compare import COMPARE
from ai_ops.ops.concat import CONCAT
from ai_ops.ops.conv2d import CONV2D
from ai_ops.ops.conv_transpose2d import CONV_TRANSPOSE2D
from ai_ops.ops.definition import SCALAR, Operator
from ai_ops.ops.divide import DIVIDE
from ai_ops.ops.dynamic_quantize import DYNAMIC_QUANTIZE
from ai_ops.ops.gather import GATHER
from ai_ops.ops.gemm import GEMM
from ai_ops.ops.gemm_dynamic import GEMM_DYNAMIC
from ai_ops.ops.layer_norm import LAYER_NORM
from ai_ops.ops.matmul import MATMUL
from ai_ops.ops.max import MAX
from ai_ops.ops.max_pool2d import MAX_POOL2D
from ai_ops.ops.maximum import MAXIMUM
from ai_ops.ops.mean import MEAN
from ai_ops.ops.min import MIN
from ai_ops.ops.minimum import MINIMUM
from ai_ops.ops.mul import MUL
from ai_ops.ops.negate import NEGATE
from ai_ops.ops.non_max_suppression import NON_MAX_SUPPRESSION
from ai_ops.ops.pad import PAD
from ai_ops.ops.repeat import REPEAT
from ai_ops.ops.rescale import RESCALE
from ai_ops.ops.reshape import RESHAPE
from ai_ops.ops.rms_norm import RMS_NORM
from ai_ops.ops.rope import ROPE
from ai_ops.ops.sample import SAMPLE
from ai_ops.ops.slice import SLICE
from ai_ops.ops.softmax import SOFTMAX
from ai_ops.ops.sub import SUB
from ai_ops.ops.sum import SUM
from ai_ops.ops.table8 import TABLE8
from ai_ops.ops.table16 import TABLE16
from ai_ops.ops.tile import TILE
from ai_ops.ops.top_k import TOP_K
from ai_ops.ops.transpose import TRANSPOSE
from ai_ops.ops.update_rows import UPDATE_ROWS
from ai_ops.ops.upsample import UPSAMPLE
from ai_ops.ops.valid_rows import VALID_ROWS
from ai_ops.ops.where import WHERE

OPERATORS: dict[str, Operator] = {
    "GEMM": GEMM,
    "CONV2D": CONV2D,
    "MATMUL": MATMUL,
    "CONV_TRANSPOSE2D": CONV_TRANSPOSE2D,
    "DYNAMIC_QUANTIZE": DYNAMIC_QUANTIZE,
    "GEMM_DYNAMIC": GEMM_DYNAMIC,
    "ATTENTION": ATTENTION,
    "MAX_POOL2D": MAX_POOL2D,
    "AVG_POOL2D": AVG_POOL2D,
    "ADD": ADD,
    "SUB": SUB,
    "MUL": MUL,
    "RESCALE": RESCALE,
    "CLAMP": CLAMP,
    "TABLE8": TABLE8,
    "NEGATE": NEGATE,
    "ABS": ABS,
    "MAXIMUM": MAXIMUM,
    "MINIMUM": MINIMUM,
    "COMPARE": COMPARE,
    "WHERE": WHERE,
    "DIVIDE": DIVIDE,
    "BIT_LENGTH": BIT_LENGTH,
    "TABLE16": TABLE16,
    "RESHAPE": RESHAPE,
    "TRANSPOSE": TRANSPOSE,
    "CONCAT": CONCAT,
    "GATHER": GATHER,
    "SLICE": SLICE,
    "PAD": PAD,
    "UPSAMPLE": UPSAMPLE,
    "TILE": TILE,
    "REPEAT": REPEAT,
    "UPDATE_ROWS": UPDATE_ROWS,
    "ARGMAX": ARGMAX,
    "SUM": SUM,
    "MAX": MAX,
    "MIN": MIN,
    "MEAN": MEAN,
    "TOP_K": TOP_K,
    "SAMPLE": SAMPLE,
    "SOFTMAX": SOFTMAX,
    "LAYER_NORM": LAYER_NORM,
    "RMS_NORM": RMS_NORM,
    "ROPE": ROPE,
    "NON_MAX_SUPPRESSION": NON_MAX_SUPPRESSION,
    "VALID_ROWS": VALID_ROWS,
}
BY_CODE = {operator.code: operator for operator in OPERATORS.values()}


def make_node(operator: str, inputs: tuple[int, ...], **attributes: AttributeValue) -> Node:
    """Build a node with its attributes in the operator's order.

    Parameters
    ----------
    operator : str
        A key of `OPERATORS`.
    inputs : tuple of int
        Value ids.
    **attributes : int or tuple of int
        Exactly the operator's fields.

    Raises
    ------
    InvalidModel
        `UNKNOWN_OPERATOR` or `ATTRIBUTES`.
    """
    if operator not in OPERATORS:
        raise InvalidModel(ModelFault.UNKNOWN_OPERATOR, f"there is no operator {operator!r}")
    fields = OPERATORS[operator].fields
    if sorted(attributes) != sorted(field.name for field in fields):
        raise InvalidModel(
            ModelFault.ATTRIBUTES,
            f"{operator} has the attributes {', '.join(field.name for field in fields)}; "
            f"got {', '.join(attributes)}",
        )
    node = Node(
        operator=operator,
        inputs=inputs,
        attributes=tuple((field.name, attributes[field.name]) for field in fields),
    )
    for field in fields:
        value = node.attribute(field.name)
        if isinstance(value, int) is not (field.count == SCALAR):
            raise InvalidModel(
                ModelFault.ATTRIBUTES, f"{operator}: {field.name} has the wrong kind of value"
            )
    return node
