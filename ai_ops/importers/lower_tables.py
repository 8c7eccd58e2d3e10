"""Functions of one number, by table."""

from collections.abc import Callable

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatNode
from ai_ops.importers.float_run import FUNCTIONS, OPERATORS
from ai_ops.importers.lowering import Lowering, Place
from ai_ops.importers.scales import WIDE_LEVELS, multiplier_shift, scale_for

POINT_DISTANCE = 128


def table(
    lowering: Lowering,
    node: FloatNode,
    function: Callable[[FloatArray], FloatArray],
) -> None:
    """Lower a function of one number to TABLE8, or TABLE16 for 16-bit numbers."""
    x, form = lowering.places[node.inputs[0]], lowering.formats[node.name]
    if x.format.wide:
        _interpolated(lowering, node, x, function)
        return
    dtype = x.format.dtype
    real = np.arange(dtype.minimum, dtype.maximum + 1) * float(x.scale)
    low, high = lowering.clamp(node)
    with np.errstate(all="ignore"):  # integers that never occur may lie outside its domain
        steps = np.rint(function(real) / float(form.scale))
    steps = np.nan_to_num(steps, nan=0.0)
    entries = tuple(int(value) for value in np.clip(steps, low, high))
    lowering.put(node, lowering.emit("TABLE8", (x.key,), dtype=form.dtype.code, table=entries))


def _interpolated(
    lowering: Lowering, node: FloatNode, x: Place, function: Callable[[FloatArray], FloatArray]
) -> None:
    """Lower to 513 points with straight lines between them."""
    form = lowering.formats[node.name]
    # Every 128th 16-bit integer, and one beyond the last; those that never occur stay finite.
    points = np.arange(-256, 257) * 128
    used = np.clip(points, -x.format.levels, x.format.levels)
    with np.errstate(all="ignore"):
        real = np.nan_to_num(function(used * float(x.scale)), nan=0.0)
    # What the clamp cuts off anyway does not take levels from the rest.
    limit = 1.05 * float(form.scale) * form.levels
    real = np.clip(real, -limit, limit)
    scale = scale_for(float(np.abs(real).max()), WIDE_LEVELS)
    table = tuple(int(value) for value in np.rint(real / float(scale)))
    multiplier, shift = multiplier_shift(scale / POINT_DISTANCE / form.scale, node.source)
    low, high = lowering.clamp(node)
    key = lowering.emit(
        "TABLE16",
        (x.key,),
        table=table,
        multipliers=(multiplier,),
        shifts=(shift,),
        dtype=form.dtype.code,
        minimum=low,
        maximum=high,
    )
    lowering.put(node, key)


def unary(lowering: Lowering, node: FloatNode) -> None:
    """Lower a named function."""
    function, parameter = FUNCTIONS[node.attributes["function"]], node.attributes["parameter"]
    table(lowering, node, lambda real: function(real, parameter))


def pointwise(lowering: Lowering, node: FloatNode) -> None:
    """Lower several functions of one value joined into one."""
    compute = OPERATORS["pointwise"]
    table(lowering, node, lambda real: compute(node, lowering.graph, real[:, None])[:, 0])
