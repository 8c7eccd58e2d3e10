"""Functions of one number, by table."""

from collections.abc import Callable

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatNode
from ai_ops.importers.float_run import FUNCTIONS, OPERATORS
from ai_ops.importers.lowering import Lowering


def table(
    lowering: Lowering,
    node: FloatNode,
    function: Callable[[FloatArray], FloatArray],
) -> None:
    """Lower a function of one number to TABLE8."""
    x, form = lowering.narrowed(node.inputs[0]), lowering.formats[node.name]
    dtype = x.format.dtype
    real = np.arange(dtype.minimum, dtype.maximum + 1) * float(x.scale)
    low, high = lowering.clamp(node)
    with np.errstate(all="ignore"):  # integers that never occur may lie outside its domain
        steps = np.rint(function(real) / float(form.scale))
    steps = np.nan_to_num(steps, nan=0.0)
    entries = tuple(int(value) for value in np.clip(steps, low, high))
    lowering.put(node, lowering.emit("TABLE8", (x.key,), dtype=form.dtype.code, table=entries))


def unary(lowering: Lowering, node: FloatNode) -> None:
    """Lower a named function."""
    function, parameter = FUNCTIONS[node.attributes["function"]], node.attributes["parameter"]
    table(lowering, node, lambda real: function(real, parameter))


def pointwise(lowering: Lowering, node: FloatNode) -> None:
    """Lower several functions of one value joined into one."""
    compute = OPERATORS["pointwise"]
    table(lowering, node, lambda real: compute(node, lowering.graph, real[:, None])[:, 0])
