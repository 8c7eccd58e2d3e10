"""What the `native` products share: their struct and its sizes, which mirror src/product.h."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.native_site import PANEL
from ai_ops.dtype import Array, DType
from ai_ops.graph import Value
from ai_ops.native.library import Variant, aligned, call, given
from ai_ops.native.steps import Members, make_step

LINE = 64
NARROW, WIDE, FULL = range(3)
# Left operands in scratch stay in the second-level cache beside a panel of weights.
BLOCK_BYTES = 1 << 18
TILE_ROWS = 8
# Panels, biases and offsets of one product may take so many bytes for each byte of the right
# operand, and so many on top. Few columns, short runs and single filters fill panels with zeros:
# a model of many would hold, and take the time of, a hundred times what it paid for.
MOST_SPREAD = 12
SMALL_BYTES = 1 << 16


def path_of(left: Value, right: Value) -> int:
    """Choose how operands are multiplied, by their dtypes."""
    x, w = left.type.dtype, right.type.dtype
    if w is DType.I8 and x in {DType.I8, DType.U8}:
        return NARROW
    return FULL if DType.I32 in {x, w} else WIDE


def left_bytes(variant: Variant, path: int) -> int:
    """Bytes of an element of the left operand in scratch."""
    return (variant.narrow_bytes, 2, 4)[path]


def row_bytes(variant: Variant, path: int, depth: int) -> int:
    """Bytes of a row of the left operand in scratch: an odd number of cache lines."""
    group = (4, 2, 1)[path]
    lines = -(-(-(-depth // group) * group * left_bytes(variant, path)) // LINE)
    return (lines | 1) * LINE


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """`struct product`: sums over `offsets.size` runs of `depth` elements.

    Parameters
    ----------
    left, right : Value
        The operands; only the dtypes matter.
    units, depth : int
        Columns, and elements of a run.
    unit_stride, depth_stride : int
        Between columns and between elements of a run in the right operand, in elements.
    offsets : int64 (S,)
        Where the runs of a column begin.
    raw_bias : int32
        One for each column of each group.
    groups : int
        Products beside each other, each with `units` columns.
    panels, bias : array, optional
        What `packed` made.
    """

    left: Value
    right: Value
    units: int
    depth: int
    unit_stride: int
    offsets: Wide
    raw_bias: Array
    depth_stride: int = 1
    groups: int = 1
    panels: Array | None = None
    bias: Array | None = None

    @property
    def path(self) -> int:
        """How the operands are multiplied."""
        return path_of(self.left, self.right)

    @property
    def reach(self) -> int:
        """The largest size of a sum with its bias."""
        depth = self.depth * self.offsets.size
        bias = max(abs(int(self.raw_bias.min())), abs(int(self.raw_bias.max())))
        return depth * self.left.magnitude * self.right.magnitude + bias

    @property
    def padded(self) -> int:
        """Columns of all groups, with those that fill panels up."""
        return -(-self.units // PANEL) * PANEL * self.groups

    @property
    def column_bytes(self) -> int:
        """Bytes of a column in its panel: four for each group of elements."""
        return self.offsets.size * -(-self.depth // (4, 2, 1)[self.path]) * 4

    @property
    def packed_bytes(self) -> int:
        """Bytes of all panels."""
        return self.padded * self.column_bytes

    @property
    def scratch(self) -> int:
        """Bytes a call needs for packing."""
        return self.packed_bytes + self.padded * 4 if self.panels is None else 0

    @property
    def spread_bytes(self) -> int:
        """Bytes that the right operand takes in the form that kernels read."""
        return self.packed_bytes + 8 * self.padded + 16 * self.offsets.size

    @property
    def worth_packing(self) -> bool:
        """Whether that is no more than its own size explains."""
        return self.spread_bytes <= MOST_SPREAD * self.right.type.size(1) + SMALL_BYTES

    def members(self) -> Members:
        """Return the members of the struct."""
        return {
            "path": self.path,
            "x_dtype": self.left.type.dtype.code,
            "w_dtype": self.right.type.dtype.code,
            "segments": self.offsets.size,
            "depth": self.depth,
            "units": self.units,
            "unit_stride": self.unit_stride,
            "depth_stride": self.depth_stride,
            "w_offsets": self.offsets,
            "panels": self.panels,
            "raw_bias": self.raw_bias,
        }

    def filled_bias(self) -> Array:
        """Return the bias that goes with the panels; zeros where a call packs."""
        return np.zeros(self.padded, np.int32) if self.bias is None else self.bias

    def packed(self, variant: Variant, w: Array) -> Product:
        """Pack the right operand now, for all calls."""
        panels, bias = aligned(self.packed_bytes), np.zeros(self.padded, np.int32)
        step = make_step("pack_step", {"groups": self.groups}, self.members())
        call(
            variant.address("pack_weights"), step.values, [given(w), self.raw_bias], (panels, bias)
        )
        return replace(self, panels=panels, bias=bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Rows that are put into scratch at once, and the bytes that they take."""

    rows: int
    size: int


def block_of(variant: Variant, product: Product, rows: int | None) -> Block:
    """Choose a block for some rows, or for a number that is not known yet."""
    size = row_bytes(variant, product.path, product.depth)
    most = min(max(1, BLOCK_BYTES // (size * TILE_ROWS)), 16) * TILE_ROWS
    chosen = most if rows is None else min(most, rows)
    return Block(rows=chosen, size=chosen * size)
