"""Which operators the card computes, and how each becomes launches.

An operator that is missing here is computed by `reference` in between: right, but it costs the
way to the host and back.
"""

from __future__ import annotations

from ai_ops.backends.gpu.axes import lower_argmax, lower_pool, lower_reduction
from ai_ops.backends.gpu.job import Lowering
from ai_ops.backends.gpu.movement import (
    lower_concat,
    lower_gather,
    lower_pad,
    lower_repeated,
    lower_reshape,
    lower_slice,
    lower_transpose,
    lower_update_rows,
)
from ai_ops.backends.gpu.pointwise import (
    lower_paired,
    lower_rescale,
    lower_table8,
    lower_table16,
    lower_unary,
    lower_where,
)
from ai_ops.backends.gpu.products import (
    lower_conv2d,
    lower_conv_transpose2d,
    lower_gemm,
    lower_matmul,
)
from ai_ops.backends.gpu.sequences import (
    lower_attention,
    lower_dynamic_quantize,
    lower_norm,
    lower_rope,
    lower_softmax,
    lower_top_k,
)

LOWERINGS: dict[str, Lowering] = {
    "GEMM": lower_gemm,
    "CONV2D": lower_conv2d,
    "MATMUL": lower_matmul,
    "CONV_TRANSPOSE2D": lower_conv_transpose2d,
    "DYNAMIC_QUANTIZE": lower_dynamic_quantize,
    "GEMM_DYNAMIC": lower_gemm,
    "ATTENTION": lower_attention,
    "MAX_POOL2D": lower_pool,
    "AVG_POOL2D": lower_pool,
    "ADD": lower_paired,
    "SUB": lower_paired,
    "MUL": lower_paired,
    "RESCALE": lower_rescale,
    "CLAMP": lower_unary,
    "TABLE8": lower_table8,
    "NEGATE": lower_unary,
    "ABS": lower_unary,
    "MAXIMUM": lower_paired,
    "MINIMUM": lower_paired,
    "COMPARE": lower_paired,
    "WHERE": lower_where,
    "DIVIDE": lower_paired,
    "BIT_LENGTH": lower_unary,
    "TABLE16": lower_table16,
    "RESHAPE": lower_reshape,
    "TRANSPOSE": lower_transpose,
    "CONCAT": lower_concat,
    "GATHER": lower_gather,
    "SLICE": lower_slice,
    "PAD": lower_pad,
    "UPSAMPLE": lower_repeated,
    "TILE": lower_repeated,
    "REPEAT": lower_repeated,
    "UPDATE_ROWS": lower_update_rows,
    "ARGMAX": lower_argmax,
    "SUM": lower_reduction,
    "MAX": lower_reduction,
    "MIN": lower_reduction,
    "MEAN": lower_reduction,
    "TOP_K": lower_top_k,
    "SOFTMAX": lower_softmax,
    "LAYER_NORM": lower_norm,
    "RMS_NORM": lower_norm,
    "ROPE": lower_rope,
}

ON_THE_HOST = ("SAMPLE", "NON_MAX_SUPPRESSION", "VALID_ROWS")
"""Operators that are left to the host on purpose: one row of work, no place for a card."""
