"""The table of generators: one for each operator, guarded by tests/fuzz/test_operators.py."""

from __future__ import annotations

from tests.fuzz.draw import Generator
from tests.fuzz.generators import movement, pointwise, products

GENERATORS: dict[str, Generator] = {
    "GEMM": products.propose_gemm,
    "CONV2D": products.propose_conv2d,
    "MAX_POOL2D": movement.propose_max_pool2d,
    "AVG_POOL2D": movement.propose_avg_pool2d,
    "ADD": pointwise.propose_sum,
    "SUB": pointwise.propose_sum,
    "MUL": pointwise.propose_mul,
    "RESCALE": pointwise.propose_rescale,
    "CLAMP": pointwise.propose_clamp,
    "TABLE8": pointwise.propose_table8,
    "RESHAPE": movement.propose_reshape,
    "TRANSPOSE": movement.propose_transpose,
    "CONCAT": movement.propose_concat,
    "ARGMAX": pointwise.propose_argmax,
}
