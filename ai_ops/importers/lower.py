"""Turn a simplified float graph and its ranges into an integer model.

Every rank-4 value becomes NHWC; a port keeps the float network's layout (a TRANSPOSE, or a RESHAPE
where nothing moves, stands at the edge) unless `channels_last` is asked for. A flatten before
dense layers costs nothing: the layers' weight columns are permuted instead.
"""

import math
from collections.abc import Callable, Mapping
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ai_ops.dtype import DType
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.float_run import FUNCTIONS, OPERATORS, ceil_extra
from ai_ops.importers.lowering import Lowered, Lowering, Options, Shape
from ai_ops.importers.scales import BIAS_LIMIT, LEVELS, multiplier_shift

I8, I16 = DType.I8.code, DType.I16.code
AVERAGE_GAIN = 128
"""A global mean is taken of 16-bit integers, so that it keeps seven more bits."""


def lower(
    graph: FloatGraph,
    shapes: Mapping[str, Shape],
    ranges: Mapping[str, float],
    options: Options,
) -> Lowered:
    """Lower a simplified graph.

    Parameters
    ----------
    shapes : shape of every value, without the sample axis
    ranges : magnitude of every value, from `calibrate`

    Raises
    ------
    ImportRefused : an operator, shape or combination without an integer form
    """
    lowering = Lowering(graph, shapes, ranges, options)
    inputs = lowering.add_inputs()
    for node in graph.nodes:
        if node.operator not in LOWER:
            raise ImportRefused(f"the node {node.source} has no integer form where it stands")
        LOWER[node.operator](lowering, node)
    return lowering.finish(inputs)


def quantize_channels(
    weight: NDArray[np.float64], bias: NDArray[np.float64], input_scale: Fraction
) -> tuple[NDArray[np.int8], tuple[int, ...], list[Fraction]]:
    """Quantize weights and bias symmetrically, one scale per output channel.

    Parameters
    ----------
    weight : float64 (channels, ...)
    bias : float64 (channels,)

    Returns
    -------
    weight : int8, -127..127
    bias : integers in units of input scale times weight scale, at most 2^24 - 1 in size
    scales : the scale of each channel's weights
    """
    magnitude = np.abs(weight.reshape(len(weight), -1)).max(1, initial=0.0)
    # A bias far above the weights would not fit its integer: the channel then gives up precision.
    floor = np.abs(bias) / (float(input_scale) * (BIAS_LIMIT - 1))
    chosen = np.maximum(magnitude / LEVELS, floor)
    chosen[chosen == 0] = 1.0
    column = (-1,) + (1,) * (weight.ndim - 1)
    integers = np.clip(np.rint(weight / chosen.reshape(column)), -LEVELS, LEVELS).astype(np.int8)
    scales = [Fraction(float(value)) for value in chosen]
    biases = tuple(
        round(Fraction(float(value)) / (input_scale * scale))
        for value, scale in zip(bias, scales, strict=True)
    )
    return integers, biases, scales


def _float_weights(
    lowering: Lowering, node: FloatNode
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    weight = lowering.graph.constants[node.attributes["weight"]].astype(np.float64)
    name = node.attributes["bias"]
    bias = lowering.graph.constants[name] if name is not None else np.zeros(len(weight))
    return weight, np.asarray(bias, np.float64)


def _pairs(
    lowering: Lowering, node: FloatNode, input_scale: Fraction, scales: list[Fraction]
) -> dict[str, int | Shape]:
    """Return the rescale and clamp attributes of a node with per-channel weights."""
    ratio = input_scale / lowering.scales[node.name]
    pairs = [multiplier_shift(ratio * scale, node.source) for scale in scales]
    low, high = lowering.clamp(node)
    return {
        "multipliers": tuple(multiplier for multiplier, _ in pairs),
        "shifts": tuple(shift for _, shift in pairs),
        "dtype": I8,
        "minimum": low,
        "maximum": high,
    }


def _conv(lowering: Lowering, node: FloatNode) -> None:
    x = lowering.places[node.inputs[0]]
    if not x.image:
        raise ImportRefused(f"the node {node.source} needs samples of the shape (C, H, W)")
    weight, bias = _float_weights(lowering, node)
    integers, biases, scales = quantize_channels(weight, bias, x.scale)
    key = lowering.emit(
        "CONV2D",
        (x.key, lowering.weight(integers.transpose(0, 2, 3, 1))),
        strides=node.attributes["strides"],
        padding=node.attributes["pads"],
        dilations=node.attributes["dilations"],
        groups=node.attributes["groups"],
        bias=biases if any(biases) else (),
        **_pairs(lowering, node, x.scale, scales),
    )
    lowering.put(node, key)


def _dense(lowering: Lowering, node: FloatNode) -> None:
    x = lowering.places[node.inputs[0]]
    if x.image:
        raise ImportRefused(f"the node {node.source} acts on image rows: flatten the image first")
    weight, bias = _float_weights(lowering, node)
    if x.order is not None:
        weight = weight[:, x.order]
    integers, biases, scales = quantize_channels(weight, bias, x.scale)
    key = lowering.emit(
        "GEMM",
        (x.key, lowering.weight(integers)),
        bias=biases if any(biases) else (),
        **_pairs(lowering, node, x.scale, scales),
    )
    lowering.put(node, key)


def _affine(lowering: Lowering, node: FloatNode) -> None:
    """One table when every channel is alike, else a 1 x 1 depthwise convolution."""
    x = lowering.places[node.inputs[0]]
    scale = lowering.graph.constants[node.attributes["scale"]].astype(np.float64)
    shift = lowering.graph.constants[node.attributes["shift"]].astype(np.float64)
    if np.ptp(scale) == 0 and np.ptp(shift) == 0:
        slope, offset = scale.flat[0], shift.flat[0]
        _table(lowering, node, lambda real: real * slope + offset)
        return
    if not x.image and len(x.shape) != 1:
        raise ImportRefused(f"the node {node.source} scales the channels of a rank-3 tensor")
    channels = x.shape[0]
    weight = np.broadcast_to(scale.reshape(-1), (channels,)).reshape(channels, 1, 1, 1)
    bias = np.broadcast_to(shift.reshape(-1), (channels,))
    integers, biases, scales = quantize_channels(weight, bias, x.scale)
    key = x.key
    if not x.image:
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch, 1, 1, channels))
    key = lowering.emit(
        "CONV2D",
        (key, lowering.weight(integers)),
        strides=(1, 1),
        padding=(0, 0, 0, 0),
        dilations=(1, 1),
        groups=channels,
        bias=biases if any(biases) else (),
        **_pairs(lowering, node, x.scale, scales),
    )
    if not x.image:
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch, channels))
    lowering.put(node, key)


def _table(
    lowering: Lowering,
    node: FloatNode,
    function: Callable[[FloatArray], FloatArray],
) -> None:
    x = lowering.places[node.inputs[0]]
    real = np.arange(DType.I8.minimum, DType.I8.maximum + 1) * float(x.scale)
    low, high = lowering.clamp(node)
    with np.errstate(all="ignore"):  # integers that never occur may lie outside its domain
        steps = np.rint(function(real) / float(lowering.scales[node.name]))
    steps = np.nan_to_num(steps, nan=0.0)
    table = tuple(int(value) for value in np.clip(steps, low, high))
    lowering.put(node, lowering.emit("TABLE8", (x.key,), dtype=I8, table=table))


def _unary(lowering: Lowering, node: FloatNode) -> None:
    function, parameter = FUNCTIONS[node.attributes["function"]], node.attributes["parameter"]
    _table(lowering, node, lambda real: function(real, parameter))


def _pointwise(lowering: Lowering, node: FloatNode) -> None:
    compute = OPERATORS["pointwise"]
    _table(lowering, node, lambda real: compute(node, lowering.graph, real[:, None])[:, 0])


def _clamp(lowering: Lowering, node: FloatNode) -> None:
    x = lowering.places[node.inputs[0]]
    scale = float(x.scale)
    low, high = (
        round(max(-LEVELS, min(LEVELS, node.attributes[bound] / scale)))
        for bound in ("low", "high")
    )
    if (low, high) == (-LEVELS, LEVELS):
        lowering.places[node.name] = x  # it limits nothing
        return
    lowering.put(node, lowering.emit("CLAMP", (x.key,), minimum=low, maximum=high))


def _max_pool(lowering: Lowering, node: FloatNode) -> None:
    x = lowering.places[node.inputs[0]]
    top, left, bottom, right = node.attributes["pads"]
    kernel, strides = node.attributes["kernel"], node.attributes["strides"]
    if node.attributes["ceil_mode"]:
        _, height, width = x.shape
        bottom += ceil_extra(height + top + bottom, kernel[0], strides[0], height + top)
        right += ceil_extra(width + left + right, kernel[1], strides[1], width + left)
    key = lowering.emit(
        "MAX_POOL2D", (x.key,), kernel=kernel, strides=strides, padding=(top, left, bottom, right)
    )
    lowering.put(node, key)


def _average_pool(lowering: Lowering, node: FloatNode) -> None:
    key = lowering.emit(
        "AVG_POOL2D",
        (lowering.places[node.inputs[0]].key,),
        kernel=node.attributes["kernel"],
        strides=node.attributes["strides"],
        padding=node.attributes["pads"],
        count_padding=int(node.attributes["count_pads"]),
    )
    lowering.put(node, key)


def _rescale(
    lowering: Lowering, key: str, ratio: Fraction, dtype: DType, clamp: tuple[int, int]
) -> str:
    multiplier, shift = multiplier_shift(ratio, "rescale")
    return lowering.emit(
        "RESCALE",
        (key,),
        multipliers=(multiplier,),
        shifts=(shift,),
        dtype=dtype.code,
        minimum=clamp[0],
        maximum=clamp[1],
    )


def _global_average(lowering: Lowering, node: FloatNode) -> None:
    x = lowering.places[node.inputs[0]]
    channels, height, width = x.shape
    wide = (DType.I16.minimum, DType.I16.maximum)
    key = _rescale(lowering, x.key, Fraction(AVERAGE_GAIN), DType.I16, wide)
    key = lowering.emit(
        "AVG_POOL2D",
        (key,),
        kernel=(height, width),
        strides=(1, 1),
        padding=(0, 0, 0, 0),
        count_padding=0,
    )
    ratio = x.scale / AVERAGE_GAIN / lowering.scales[node.name]
    key = _rescale(lowering, key, ratio, DType.I8, lowering.clamp(node))
    if not node.attributes["keep"]:
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch, channels))
    lowering.put(node, key)


def _both(lowering: Lowering, node: FloatNode) -> tuple[str, str, Fraction, Fraction]:
    a, b = (lowering.places[name] for name in node.inputs)
    if len(a.shape) != len(b.shape):
        raise ImportRefused(
            f"the node {node.source} joins tensors of the shapes {a.shape} and {b.shape}:"
            " reshape them to the same rank first"
        )
    return a.key, b.key, a.scale, b.scale


def _add(lowering: Lowering, node: FloatNode) -> None:
    a, b, scale_a, scale_b = _both(lowering, node)
    scale = lowering.scales[node.name]
    multiplier_a, shift_a = multiplier_shift(scale_a / scale, node.source)
    multiplier_b, shift_b = multiplier_shift(scale_b / scale, node.source)
    low, high = lowering.clamp(node)
    key = lowering.emit(
        "ADD",
        (a, b),
        multiplier_a=multiplier_a,
        shift_a=shift_a,
        multiplier_b=multiplier_b,
        shift_b=shift_b,
        dtype=I8,
        minimum=low,
        maximum=high,
    )
    lowering.put(node, key)


def _multiply(lowering: Lowering, node: FloatNode) -> None:
    a, b, scale_a, scale_b = _both(lowering, node)
    ratio = scale_a * scale_b / lowering.scales[node.name]
    multiplier, shift = multiplier_shift(ratio, node.source)
    low, high = lowering.clamp(node)
    key = lowering.emit(
        "MUL",
        (a, b),
        multiplier=multiplier,
        shift=shift,
        dtype=I8,
        minimum=low,
        maximum=high,
    )
    lowering.put(node, key)


def _concat(lowering: Lowering, node: FloatNode) -> None:
    places = [lowering.places[name] for name in node.inputs]
    axis = node.attributes["axis"]
    axis = {1: 3, 2: 1, 3: 2}[axis] if places[0].image else axis
    key = lowering.emit("CONCAT", tuple(place.key for place in places), axis=axis)
    lowering.put(node, key)


def _reshape(lowering: Lowering, node: FloatNode) -> None:
    x, shape = lowering.places[node.inputs[0]], lowering.shapes[node.name]
    target = (lowering.batch, *shape)
    moves = x.image and x.shape[0] != 1 and math.prod(x.shape[1:]) != 1
    consumers = lowering.graph.consumers(node.name)
    to_dense = (
        len(shape) == 1
        and node.name not in lowering.graph.outputs
        and all(consumer.operator == "dense" for consumer in consumers)
    )
    if moves and to_dense:
        order = np.arange(shape[0]).reshape(x.shape).transpose(1, 2, 0).reshape(-1)
        lowering.put(node, lowering.emit("RESHAPE", (x.key,), shape=target), order)
        return
    key = lowering.plain(node.inputs[0]) if moves else x.key
    if len(shape) == 3:
        moves = shape[0] != 1 and math.prod(shape[1:]) != 1
        if moves:
            key = lowering.emit("RESHAPE", (key,), shape=target)
        key = lowering.image(key, shape)
    else:
        key = lowering.emit("RESHAPE", (key,), shape=target)
    lowering.put(node, key)


def _transpose(lowering: Lowering, node: FloatNode) -> None:
    axes = (0, *node.attributes["axes"])
    key = lowering.emit("TRANSPOSE", (lowering.plain(node.inputs[0]),), permutation=axes)
    shape = lowering.shapes[node.name]
    lowering.put(node, lowering.image(key, shape) if len(shape) == 3 else key)


LOWER: dict[str, Callable[[Lowering, FloatNode], None]] = {
    "conv": _conv,
    "dense": _dense,
    "affine": _affine,
    "unary": _unary,
    "pointwise": _pointwise,
    "clamp": _clamp,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_average": _global_average,
    "add": _add,
    "multiply": _multiply,
    "concat": _concat,
    "reshape": _reshape,
    "transpose": _transpose,
}
