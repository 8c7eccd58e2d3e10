"""ATen calls that resize images, and pools whose windows differ in size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ai_ops.importers import resampling
from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.resampling import shuffled
from ai_ops.importers.torch_calls import Call

CUBIC = -0.75


def maker(call: Call) -> resampling.Make:
    """Return what makes nodes of this call under other names."""

    def make(name: str, operator: str, *inputs: str, **attributes: Any) -> FloatNode:
        return replace(call.node(operator, inputs, **attributes), name=name)

    return make


def _sizes(call: Call) -> dict[int, tuple[int, int, float]]:
    """Return for each axis the sizes before and after, and the scale between them."""
    x = call.value("input" if "input" in call.arguments else "self")
    before, after = call.reader.shapes[x], call.reader.shapes[call.name]
    if -1 in [*before[1:], *after[1:]]:
        raise call.refuse("the shape of its input is not fixed; export it with fixed sizes")
    given = call.get("scale_factors") or []
    found = {}
    for axis in range(2, len(before)):
        scale = float(given[axis - 2]) if len(given) == len(before) - 2 else 0.0
        found[axis] = (before[axis], after[axis], scale or after[axis] / before[axis])
    return found


def nearest(rule: str, rounding: str) -> Callable[[Call], list[FloatNode]]:
    """Read enlargement and reduction to nearest pixels, by any factor."""

    def read(call: Call) -> list[FloatNode]:
        wanted = {}
        for axis, (size, after, scale) in _sizes(call).items():
            at = resampling.positions(size, after, scale, rule)
            wanted[axis] = (size, resampling.nearest(size, at, rounding))
        x = call.value("input" if "input" in call.arguments else "self")
        return resampling.chosen(maker(call), call.name, x, wanted)

    return read


def interpolated(kind: str) -> Callable[[Call], list[FloatNode]]:
    """Read linear and cubic interpolation."""

    def read(call: Call) -> list[FloatNode]:
        corners = call.get("align_corners", False)
        rule = "align_corners" if corners else "half_pixel"
        matrices = {}
        for axis, (size, after, scale) in _sizes(call).items():
            at = resampling.positions(size, after, scale, rule)
            matrices[axis] = (
                resampling.linear(size, at)
                if kind == "linear"
                else resampling.cubic(size, at, CUBIC)
            )
        x = call.value("input" if "input" in call.arguments else "self")
        return resampling.mixed(maker(call), call.name, x, matrices, call.reader.put)

    return read


def adaptive_average(call: Call) -> FloatNode | list[FloatNode]:
    """Read an adaptive average pool: of the whole, of even windows, or of uneven ones."""
    rows, columns = call.pair("output_size", (1, 1))
    height, width = call.reader.shapes[call.value()][2:]
    if (rows, columns) == (1, 1):
        return call.node("global_average", keep=True)
    if height % rows or width % columns:
        matrices = {
            2: resampling.averages(height, rows),
            3: resampling.averages(width, columns),
        }
        return resampling.mixed(maker(call), call.name, call.value(), matrices, call.reader.put)
    kernel = (height // rows, width // columns)
    return call.node(
        "average_pool", kernel=kernel, strides=kernel, pads=(0, 0, 0, 0), count_pads=True
    )


def pixel_shuffle(call: Call) -> list[FloatNode]:
    """Read pixel_shuffle: blocks of channels become blocks of pixels."""
    shape, size = call.reader.shapes[call.value()], int(call.get("upscale_factor"))
    if len(shape) != 4 or -1 in shape[1:]:
        raise call.refuse("the shape of its input is not fixed; export it with fixed sizes")
    return shuffled(maker(call), call.name, call.value(), (shape, size), channels_first=True)
