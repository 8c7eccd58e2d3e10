"""Makers of the `native` convolutions; the struct is `window` of src/kernels.h."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.native_matrices import matrix_kernel
from ai_ops.backends.native_products import (
    BLOCK_BYTES,
    LINE,
    WIDE,
    Product,
    left_bytes,
)
from ai_ops.backends.native_site import NativeSite, bias_of, elements_of, epilogue_of
from ai_ops.dtype import DType
from ai_ops.graph import TensorType
from ai_ops.native.library import NativeKernel, given
from ai_ops.native.steps import Members, make_step
from ai_ops.ops.conv2d import dilations_of
from ai_ops.ops.window import Axis, axes

LANES = 32  # the widest vector of i16
MOST_BAND = 8
"""Bytes of a band for each byte of an image, beyond a band that stays in the cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Where the windows of a node lie, and how many rows of results a band makes."""

    rows: Axis
    columns: Axis
    channels: int
    filters: int
    images: tuple[int, int]
    pixel: int  # bytes in a band

    @property
    def band_width(self) -> int:
        """Columns of a band: those that some window reads."""
        return (self.columns.output - 1) * self.columns.stride + self.columns.extent

    def band_bytes(self, rows: int) -> int:
        """Bytes of a band for some rows of results; mirrors src/conv.h."""
        height = (rows - 1) * self.rows.stride + self.rows.extent
        size = height * self.band_width * self.pixel + LINE
        return -(-size // LINE) * LINE

    @property
    def band_rows(self) -> int:
        """Rows of results from a band that stays in the second-level cache."""
        rows = self.rows.output
        while rows > 1 and self.band_bytes(rows) > BLOCK_BYTES:
            rows = -(-rows // 2)
        return rows

    def fits(self, x: TensorType) -> bool:
        """Say whether a band is no larger than the image explains.

        Windows that are mostly gaps or padding need a band of their whole extent, zeros that
        nobody paid for.
        """
        image = prod(x.shape[1:]) * x.dtype.itemsize
        return self.band_bytes(self.band_rows) <= BLOCK_BYTES + MOST_BAND * image

    def tap_offsets(self, together: int) -> Wide:
        """Where in a band taps begin, row by row, one for each `together` columns."""
        down = self.rows.dilation * self.band_width * self.pixel
        right = self.columns.dilation * self.pixel
        return np.add.outer(
            np.arange(self.rows.kernel, dtype=np.int64) * down,
            np.arange(0, self.columns.kernel, together, dtype=np.int64) * right,
        ).reshape(-1)

    def members(self, offsets: Wide) -> Members:
        """Return the members of the struct."""
        return {
            "images_fixed": self.images[0],
            "images_unit": self.images[1],
            "height": self.rows.size,
            "width": self.columns.size,
            "channels": self.channels,
            "out_height": self.rows.output,
            "out_width": self.columns.output,
            "stride_rows": self.rows.stride,
            "stride_columns": self.columns.stride,
            "top": self.rows.before,
            "left": self.columns.before,
            "reach": self.rows.extent,
            "band_width": self.band_width,
            "band_rows": self.band_rows,
            "y_first": 0,
            "y_column": self.filters,
            "y_row": self.columns.output * self.filters,
            "y_image": self.rows.output * self.columns.output * self.filters,
            "offsets": offsets,
        }


def make_conv2d(site: NativeSite) -> NativeKernel | None:
    """Make CONV2D: a matrix product where a window is one pixel, else windows in bands.

    None where bands or panels would be out of proportion to the operands.
    """
    x, w = site.inputs
    filters, height, width, depth = w.type.shape
    groups = site.node.integer("groups")
    channels = x.type.shape[3]
    rows, columns = axes(site.node, x.type.shape, (height, width), dilations_of(site.node))
    wide = DType.I32 not in {x.type.dtype, w.type.dtype}
    if groups == filters == channels > 1 and wide and 1 in site.weights:
        return make_depthwise(site, rows, columns)
    together = width if columns.dilation == groups == 1 else 1
    product = Product(
        left=x,
        right=w,
        units=filters // groups,
        depth=together * depth,
        unit_stride=height * width * depth,
        offsets=np.arange(0, height * width * depth, together * depth, dtype=np.int64),
        raw_bias=bias_of(site.node, filters),
        groups=groups,
    )
    if all(axis.kernel == axis.stride == 1 for axis in (rows, columns)) and groups == 1:
        return matrix_kernel(site, product, *elements_of(x.type, channels))
    window = Window(
        rows=rows,
        columns=columns,
        channels=channels,
        filters=filters,
        images=elements_of(x.type, x.type.unit_elements // abs(x.type.shape[0])),
        pixel=channels * left_bytes(site.variant, product.path),
    )
    if not (product.worth_packing and window.fits(x.type)):
        return None
    if 1 in site.weights:
        product = product.packed(site.variant, site.weights[1])
    step = make_step(
        "conv_step",
        window.members(window.tap_offsets(together)),
        {"groups": groups},
        product.members(),
        epilogue_of(site.node, product.filled_bias(), product.reach, groups),
    )
    return site.kernel("conv2d", step, window.band_bytes(window.band_rows) + product.scratch)


def make_depthwise(site: NativeSite, rows: Axis, columns: Axis) -> NativeKernel | None:
    """Make the CONV2D of one filter for each channel."""
    x = site.inputs[0]
    channels = x.type.shape[3]
    window = Window(
        rows=rows,
        columns=columns,
        channels=channels,
        filters=channels,
        images=elements_of(x.type, x.type.unit_elements // abs(x.type.shape[0])),
        pixel=channels * left_bytes(site.variant, WIDE),
    )
    if not window.fits(x.type):
        return None
    taps = rows.kernel * columns.kernel
    even = taps + taps % 2
    weights = np.zeros((even, -(-channels // LANES) * LANES), np.int16)
    weights[:taps, :channels] = given(site.weights[1]).reshape(channels, taps).T
    offsets = np.zeros(even, np.int64)
    offsets[:taps] = window.tap_offsets(1)
    bias = np.zeros(weights.shape[1], np.int32)
    reach = taps * x.magnitude * site.inputs[1].magnitude + max(
        map(abs, site.node.integers("bias")), default=0
    )
    bias[:channels] = bias_of(site.node, channels)
    step = make_step(
        "depthwise_step",
        window.members(offsets),
        {"x_dtype": x.type.dtype.code, "taps": even, "weights": weights},
        epilogue_of(site.node, bias, reach),
    )
    return site.kernel("depthwise", step, window.band_bytes(window.band_rows))
