"""Makers of the `native` kernels that sum products; sizes here mirror src/product.h."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ai_ops.backends.native_site import NativeSite, bias_of, elements_of, epilogue_of
from ai_ops.dtype import DType
from ai_ops.graph import Value
from ai_ops.native.library import NativeKernel, aligned, call, given
from ai_ops.native.steps import make_step

PANEL = 16
NARROW, WIDE, FULL = range(3)
LINE = 64
# Left operands in scratch stay in the second-level cache beside a panel of weights.
BLOCK_BYTES = 1 << 18
TILE_ROWS = 8


def path_of(left: Value, right: Value) -> int:
    """Choose how operands are multiplied, by their dtypes."""
    x, w = left.type.dtype, right.type.dtype
    if w is DType.I8 and x in {DType.I8, DType.U8}:
        return NARROW
    return FULL if DType.I32 in {x, w} else WIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes of one product: x (rows, depth) times panels of w (units, depth)."""

    path: int
    row_bytes: int
    panels: int
    panel_bytes: int
    block_rows: int

    @property
    def packed_bytes(self) -> int:
        """Bytes of all panels."""
        return self.panels * self.panel_bytes

    @property
    def padded(self) -> int:
        """Channels, with those that fill the last panel."""
        return self.panels * PANEL


def sizes_of(narrow_bytes: int, path: int, depth: int, units: int) -> Sizes:
    """Compute the sizes of a product."""
    group = (4, 2, 1)[path]
    groups = -(-depth // group)
    lines = -(-groups * group * (narrow_bytes, 2, 4)[path] // LINE)
    row_bytes = (lines | 1) * LINE
    blocks = max(1, BLOCK_BYTES // (row_bytes * TILE_ROWS))
    return Sizes(
        path=path,
        row_bytes=row_bytes,
        panels=-(-units // PANEL),
        panel_bytes=groups * PANEL * 4,
        block_rows=min(blocks, 16) * TILE_ROWS,
    )


def make_gemm(site: NativeSite) -> NativeKernel:
    """Make GEMM; weights are packed now, another right operand at each call."""
    x, w = site.inputs
    units, depth = w.type.shape
    sizes = sizes_of(site.variant.narrow_bytes, path_of(x, w), depth, units)
    raw, bias = bias_of(site.node, units), np.zeros(sizes.padded, np.int32)
    rows_fixed, rows_unit = elements_of(x.type, depth)
    panels = aligned(sizes.packed_bytes) if 1 in site.weights else None

    made = make_step(
        "gemm_step",
        rows_fixed=rows_fixed,
        rows_unit=rows_unit,
        depth=depth,
        units=units,
        x_dtype=x.type.dtype.code,
        w_dtype=w.type.dtype.code,
        path=sizes.path,
        block_rows=sizes.block_rows,
        panels=panels,
        raw_bias=raw,
        **epilogue_of(site.node, units, sizes.padded, bias),
    )
    scratch = sizes.block_rows * sizes.row_bytes
    if panels is None:
        scratch += sizes.packed_bytes + sizes.padded * 4
    else:
        pack = site.variant.address("pack_weights")
        call(pack, made.values, [given(site.weights[1]), raw], (panels, bias))
    return site.kernel("gemm", made, scratch)
