"""Maker of the `native` CONV_TRANSPOSE2D: a convolution of its own for each phase of the strides.

Results whose positions (padding included) leave the same remainder, divided by the stride, meet
the same taps of a filter, and successive ones meet successive elements of x: a convolution with
stride 1 over x by those taps, in reverse.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product as pairs

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends.native_products import (
    MOST_SPREAD,
    SMALL_BYTES,
    Product,
    left_bytes,
)
from ai_ops.backends.native_site import NativeSite, bias_of, elements_of, epilogue_of
from ai_ops.backends.native_windows import Window
from ai_ops.native.library import NativeKernel
from ai_ops.native.steps import Members, Step, make_step
from ai_ops.ops.conv_transpose2d import grown
from ai_ops.ops.window import Axis

MOST_PHASES = 64
"""Strides of more phases have results that mostly meet no tap at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """One direction of a phase.

    Parameters
    ----------
    taps : tuple of int
        Which taps of a filter its results meet.
    behind : tuple of int
        How many elements of x before the last one each of them reads.
    first, stride : int
        Where its results lie.
    axis : Axis
        The windows over x.
    """

    taps: tuple[int, ...]
    behind: tuple[int, ...]
    first: int
    stride: int
    axis: Axis

    @property
    def places(self) -> tuple[int, ...]:
        """Where in a window its taps lie."""
        return tuple(self.axis.extent - 1 - (at - min(self.behind)) for at in self.behind)


def phases_of(result: Axis, size: int) -> list[Phase]:
    """Split one direction of the result over x of some size; phases without a result are left out.

    Parameters
    ----------
    result : Axis
        The windows of x's elements over the result (`grown`).
    size : int
        Of x.
    """
    phases = []
    for remainder in range(result.stride):
        taps = tuple(
            tap
            for tap in range(result.kernel)
            if tap * result.dilation % result.stride == remainder
        )
        behind = tuple((tap * result.dilation - remainder) // result.stride for tap in taps)
        # Position m * stride + remainder - before of the result reads element m - behind of x.
        m = -((remainder - result.before) // result.stride)
        first = m * result.stride + remainder - result.before
        count = -((first - result.size) // result.stride)
        if count <= 0:
            continue
        least, most = (min(behind), max(behind)) if behind else (0, 0)
        extent, before = most - least + 1, most - m
        axis = Axis(
            size=size,
            kernel=extent,
            stride=1,
            dilation=1,
            before=before,
            after=count - 1 + extent - size - before,
        )
        phases.append(Phase(taps=taps, behind=behind, first=first, stride=result.stride, axis=axis))
    return phases


def make_conv_transpose2d(site: NativeSite) -> NativeKernel | None:
    """Make CONV_TRANSPOSE2D; all phases use one scratch, one after another."""
    x, w = site.inputs
    _, height, width, _ = w.type.shape
    rows, columns = grown(site.node, x.type.shape, (height, width))
    if rows.stride * columns.stride > MOST_PHASES:
        return None
    phases = pairs(phases_of(rows, x.type.shape[1]), phases_of(columns, x.type.shape[2]))
    parts = [(row, column, _product(site, row, column)) for row, column in phases]
    windows = [_window(site, row, column, product) for row, column, product in parts]
    spread = sum(product.spread_bytes for _, _, product in parts)
    if spread > MOST_SPREAD * w.type.size(1) + SMALL_BYTES:
        return None
    if not all(window.fits(x.type) for window in windows):
        return None
    made = [
        _make_phase(site, (rows, columns), part, window)
        for part, window in zip(parts, windows, strict=True)
    ]
    steps = np.array([step.values for step, _ in made])
    keeps = tuple(array for step, _ in made for array in step.keeps)
    outer = make_step("transpose_step", {"phases": len(made), "steps": steps})
    whole = Step(values=outer.values, keeps=(*outer.keeps, *keeps))
    return site.kernel("conv_transpose2d", whole, max(scratch for _, scratch in made))


def _product(site: NativeSite, row: Phase, column: Phase) -> Product:
    """Describe a phase's sums, not packed yet."""
    x, w = site.inputs
    filters, height, width, depth = w.type.shape
    groups = site.node.integer("groups")
    down, right = (np.array(phase.taps, np.int64) for phase in (row, column))
    return Product(
        left=x,
        right=w,
        units=filters // groups,
        depth=depth,
        unit_stride=height * width * depth,
        offsets=np.add.outer(down * width, right).reshape(-1) * depth,
        raw_bias=bias_of(site.node, filters),
        groups=groups,
    )


def _window(site: NativeSite, row: Phase, column: Phase, product: Product) -> Window:
    """Describe the windows of a phase over x."""
    x = site.inputs[0]
    channels = x.type.shape[3]
    return Window(
        rows=row.axis,
        columns=column.axis,
        channels=channels,
        filters=site.inputs[1].type.shape[0],
        images=elements_of(x.type, x.type.unit_elements // abs(x.type.shape[0])),
        pixel=channels * left_bytes(site.variant, product.path),
    )


def _make_phase(
    site: NativeSite,
    result: tuple[Axis, Axis],
    part: tuple[Phase, Phase, Product],
    window: Window,
) -> tuple[Step, int]:
    """Fill one phase's `conv_step`, and compute its scratch."""
    (rows, columns), (row, column, product) = result, part
    filters, groups = window.filters, site.node.integer("groups")
    if 1 in site.weights:
        product = product.packed(site.variant, site.weights[1])
    places: Members = {
        "y_first": (row.first * columns.size + column.first) * filters,
        "y_column": column.stride * filters,
        "y_row": row.stride * columns.size * filters,
        "y_image": rows.size * columns.size * filters,
    }
    step = make_step(
        "conv_step",
        window.members(_corners(row, column, window)) | places,
        {"groups": groups},
        product.members(),
        epilogue_of(site.node, product.filled_bias(), product.reach, groups),
    )
    return step, window.band_bytes(window.band_rows) + product.scratch


def _corners(row: Phase, column: Phase, window: Window) -> Wide:
    """Return where in a band the taps of a phase lie."""
    down, right = (np.array(phase.places, np.int64) for phase in (row, column))
    return np.add.outer(down * window.band_width, right).reshape(-1) * window.pixel
