"""Makers of the `native` products of matrices: GEMM, GEMM_DYNAMIC and MATMUL."""

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.native_products import Product, block_of
from ai_ops.backends.native_site import NativeSite, bias_of, elements_of, epilogue_of, stay_below
from ai_ops.dtype import Array
from ai_ops.graph import SYMBOLIC, Value
from ai_ops.native.library import NativeKernel
from ai_ops.native.steps import make_step
from ai_ops.ops.gemm_dynamic import BIAS_BITS


def make_gemm(site: NativeSite) -> NativeKernel | None:
    """Make GEMM; weights are packed now, another right operand at each call."""
    x, w = site.inputs
    product = dense(x, w, bias_of(site.node, w.type.shape[0]))
    return matrix_kernel(site, product, *elements_of(x.type, w.type.shape[1]))


def dense(x: Value, w: Value, raw_bias: Array) -> Product:
    """Describe the product of rows x (..., K) and w (N, K)."""
    units, depth = w.type.shape
    return Product(
        left=x,
        right=w,
        units=units,
        depth=depth,
        unit_stride=depth,
        offsets=np.zeros(1, np.int64),
        raw_bias=raw_bias,
    )


def matrix_kernel(
    site: NativeSite, product: Product, rows_fixed: int, rows_unit: int
) -> NativeKernel | None:
    """Bind `gemm` to rows that lie one after another; None where packing is out of proportion."""
    if not product.worth_packing:
        return None
    if 1 in site.weights:
        product = product.packed(site.variant, site.weights[1])
    block = block_of(site.variant, product, None if rows_unit else rows_fixed)
    step = make_step(
        "gemm_step",
        {"rows_fixed": rows_fixed, "rows_unit": rows_unit, "block_rows": block.rows},
        product.members(),
        epilogue_of(site.node, product.filled_bias(), product.reach),
    )
    return site.kernel("gemm", step, block.size + product.scratch)


def make_gemm_dynamic(site: NativeSite) -> NativeKernel | None:
    """Make GEMM_DYNAMIC: GEMM with another end."""
    q, _, w = site.inputs
    units, depth = w.type.shape
    product = dense(q, w, np.zeros(units, np.int32))
    if not product.worth_packing:
        return None
    if 2 in site.weights:
        product = product.packed(site.variant, site.weights[2])
    rows_fixed, rows_unit = elements_of(q.type, depth)
    block = block_of(site.variant, product, None if rows_unit else rows_fixed)
    fine_bias = np.zeros(product.padded, np.int32)
    fine_bias[:units] = bias_of(site.node, units)
    multipliers, shifts = site.node.integers("multipliers"), site.node.integers("shifts")
    # What is shifted by BIAS_BITS in the end may have as many bits more than an i32; one is left
    # for the bias.
    most = 1 << (31 + BIAS_BITS - 1)
    fits = stay_below(
        most, product.reach, multipliers, tuple(shift - BIAS_BITS for shift in shifts)
    )
    step = make_step(
        "dynamic_step",
        {"rows_fixed": rows_fixed, "rows_unit": rows_unit, "block_rows": block.rows},
        product.members(),
        epilogue_of(site.node, product.filled_bias(), product.reach) | {"fits": int(fits)},
        {"fine_bias": fine_bias},
    )
    return site.kernel("gemm_dynamic", step, block.size + product.scratch)


def make_matmul(site: NativeSite) -> NativeKernel | None:
    """Make MATMUL: matrix by matrix, or as one where all rows of a meet one matrix."""
    a, b = site.inputs
    *lead_a, rows, depth = a.type.shape
    *lead_b, first, second = b.type.shape
    transposed = bool(site.node.integer("transpose_b"))
    units = first if transposed else second
    product = Product(
        left=a,
        right=b,
        units=abs(units),
        depth=depth,
        unit_stride=depth if transposed else 1,
        depth_stride=1 if transposed else max(units, 0),
        offsets=np.zeros(1, np.int64),
        raw_bias=np.zeros(abs(units), np.int32),
    )
    if not product.worth_packing:
        return None
    lead = site.outputs[0].type.shape[:-2]
    if all(size == 1 for size in lead_b):
        lead_a, lead_b, lead = [], [], ()
        counts = elements_of(a.type, depth)
        if 1 in site.weights:
            product = product.packed(site.variant, site.weights[1])
    else:
        counts = linear(rows)
    block = block_of(site.variant, product, None if counts[1] else counts[0])
    step = make_step(
        "matmul_step",
        {"rows_fixed": counts[0], "rows_unit": counts[1], "block_rows": block.rows},
        dict(zip(("units_fixed", "units_unit"), linear(units), strict=True)),
        {
            "rank": len(lead),
            "y_sizes": sizes_of(lead, len(lead)),
            "a_sizes": sizes_of(tuple(lead_a), len(lead)),
            "b_sizes": sizes_of(tuple(lead_b), len(lead)),
        },
        product.members() | {"raw_bias": None},
        epilogue_of(site.node, product.filled_bias(), product.reach),
    )
    # A column that n adds takes its part of a panel, and of the bias.
    column = product.column_bytes + 4 if units == SYMBOLIC else 0
    return site.kernel("matmul", step, block.size + product.scratch, column)


def linear(size: int) -> tuple[int, int]:
    """Return a dimension as (fixed, per unit)."""
    return (0, 1) if size == SYMBOLIC else (size, 0)


def sizes_of(shape: tuple[int, ...], rank: int) -> Wide:
    """Return leading dimensions, with 1 in front of those that are missing."""
    return np.array((1,) * (rank - len(shape)) + shape, np.int64)
