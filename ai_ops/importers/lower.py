"""Turn a simplified float graph and its ranges into an integer model.

Every rank-4 value becomes NHWC; a port keeps the float network's layout (a TRANSPOSE, or a RESHAPE
where nothing moves, stands at the edge) unless `channels_last` is asked for. A flatten before
dense layers costs nothing: the layers' weight columns are permuted instead.
"""

from collections.abc import Callable, Mapping

from ai_ops.importers.calibrate import Calibration
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatGraph, FloatNode
from ai_ops.importers.lower_arithmetic import (
    add,
    average_pool,
    clamp,
    max_pool,
    maximum,
    minimum,
    multiply,
    subtract,
)
from ai_ops.importers.lower_choices import compare, lookup, real, suppress, top_k, where
from ai_ops.importers.lower_layers import affine, conv, conv_transpose, dense, matmul, mix
from ai_ops.importers.lower_movement import (
    concat,
    constant,
    pad,
    reshape,
    slice_,
    take,
    tile,
    transpose,
    upsample,
)
from ai_ops.importers.lower_reductions import argmax, global_average, layer_norm, reduce, softmax
from ai_ops.importers.lower_tables import pointwise, unary
from ai_ops.importers.lowering import Lowered, Lowering, Options, Shape

LOWER: dict[str, Callable[[Lowering, FloatNode], None]] = {
    "conv": conv,
    "dense": dense,
    "affine": affine,
    "unary": unary,
    "pointwise": pointwise,
    "clamp": clamp,
    "max_pool": max_pool,
    "average_pool": average_pool,
    "global_average": global_average,
    "add": add,
    "multiply": multiply,
    "concat": concat,
    "reshape": reshape,
    "transpose": transpose,
    "conv_transpose": conv_transpose,
    "matmul": matmul,
    "subtract": subtract,
    "maximum": maximum,
    "minimum": minimum,
    "slice": slice_,
    "take": take,
    "pad": pad,
    "upsample": upsample,
    "constant": constant,
    "reduce": reduce,
    "softmax": softmax,
    "layer_norm": layer_norm,
    "rms_norm": layer_norm,
    "mix": mix,
    "tile": tile,
    "argmax": argmax,
    "lookup": lookup,
    "real": real,
    "compare": compare,
    "where": where,
    "top_k": top_k,
    "suppress": suppress,
}


def lower(
    graph: FloatGraph,
    shapes: Mapping[str, Shape],
    calibration: Calibration,
    options: Options,
) -> Lowered:
    """Lower a simplified graph.

    Parameters
    ----------
    shapes : shape of every value, without the sample axis
    calibration : from `calibrate`

    Raises
    ------
    ImportRefused : an operator, shape or combination without an integer form
    """
    lowering = Lowering(graph, shapes, calibration, options)
    inputs = lowering.add_inputs()
    for node in graph.nodes:
        if node.operator not in LOWER:
            raise ImportRefused(f"the node {node.source} has no integer form where it stands")
        LOWER[node.operator](lowering, node)
    return lowering.finish(inputs)
