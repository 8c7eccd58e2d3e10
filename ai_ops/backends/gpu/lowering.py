"""Which operators the card computes, and how each becomes launches.

An operator that is missing here is computed by `reference` in between: right, but it costs the
way to the host and back.
"""

from __future__ import annotations

from ai_ops.backends.gpu.axes import lower_argmax, lower_pool
from ai_ops.backends.gpu.job import Lowering
from ai_ops.backends.gpu.movement import lower_concat, lower_reshape, lower_transpose
from ai_ops.backends.gpu.pointwise import (
    lower_paired,
    lower_rescale,
    lower_table8,
    lower_unary,
)
from ai_ops.backends.gpu.products import lower_conv2d, lower_gemm

LOWERINGS: dict[str, Lowering] = {
    "GEMM": lower_gemm,
    "CONV2D": lower_conv2d,
    "MAX_POOL2D": lower_pool,
    "AVG_POOL2D": lower_pool,
    "ADD": lower_paired,
    "SUB": lower_paired,
    "MUL": lower_paired,
    "RESCALE": lower_rescale,
    "CLAMP": lower_unary,
    "TABLE8": lower_table8,
    "RESHAPE": lower_reshape,
    "TRANSPOSE": lower_transpose,
    "CONCAT": lower_concat,
    "ARGMAX": lower_argmax,
}

ON_THE_HOST: tuple[str, ...] = (
    "ATTENTION",
    "DYNAMIC_QUANTIZE",
    "GEMM_DYNAMIC",
    "LAYER_NORM",
    "RMS_NORM",
    "ROPE",
    "SAMPLE",
    "SOFTMAX",
    "TABLE16",
    "TOP_K",
    "UPDATE_ROWS",
)
"""Operators that are left to the host on purpose."""
