"""Layers with weights: convolutions, dense layers, per-channel maps."""

import math
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.lower_tables import table
from ai_ops.importers.lowering import IMAGE_AXES, Lowering, Place, Shape
from ai_ops.importers.rounding import Moments, compensated
from ai_ops.importers.scales import BIAS_LIMIT, LEVELS, WIDE_LEVELS, multiplier_shift, scale_for

Real = NDArray[np.float64]
DEEPEST_WIDE = 250
"""So many products of 8 bits and 16 bits fit the accumulator."""
EXACT = 1e-4
"""What a weighted sum's weight may lie beside its fraction, of a step."""


def quantize_layer(
    lowering: Lowering, node: FloatNode, x: Place
) -> tuple[NDArray[np.int8], tuple[int, ...], dict[str, int | Shape]]:
    """Quantize a layer's weights and bias symmetrically, one scale per output channel.

    Parameters
    ----------
    x : the layer's input

    Returns
    -------
    weight : int8 like the float weight, -127..127
    bias : integers in units of input scale times weight scale, at most 2^24 - 1 in size
    rescale : the attributes multipliers, shifts, dtype, minimum and maximum
    """
    weight = lowering.graph.constants[node.attributes["weight"]].astype(np.float64)
    name = node.attributes["bias"]
    bias = np.zeros(len(weight)) if name is None else lowering.graph.constants[name]
    return quantize_channels(
        lowering, node, x, (weight, np.asarray(bias, np.float64)), lowering.moments.get(node.name)
    )


def quantize_channels(
    lowering: Lowering,
    node: FloatNode,
    x: Place,
    parameters: tuple[Real, Real],
    moments: Moments | None,
) -> tuple[NDArray[np.int8], tuple[int, ...], dict[str, int | Shape]]:
    """Quantize given weights (channels, ...) and bias (channels,); as `quantize_layer`."""
    weight, bias = parameters
    magnitude = np.abs(weight.reshape(len(weight), -1)).max(1, initial=0.0)
    # A bias far above the weights would not fit its integer: the channel then gives up precision.
    floor = np.abs(bias) / (float(x.scale) * (BIAS_LIMIT - 1))
    chosen = np.maximum(magnitude / LEVELS, floor)
    chosen[chosen == 0] = 1.0
    if moments is None:
        column = (-1,) + (1,) * (weight.ndim - 1)
        integers = np.clip(np.rint(weight / chosen.reshape(column)), -LEVELS, LEVELS)
        integers = integers.astype(np.int8)
    else:
        groups = len(moments.sums)
        grouped, bias = compensated(
            weight.reshape(groups, len(weight) // groups, -1),
            bias.reshape(groups, -1),
            chosen.reshape(groups, -1),
            moments,
        )
        integers, bias = grouped.reshape(weight.shape), bias.reshape(-1)
    scales = [Fraction(float(value)) for value in chosen]
    biases = tuple(
        max(-BIAS_LIMIT, min(BIAS_LIMIT, round(Fraction(float(value)) / (x.scale * scale))))
        for value, scale in zip(bias, scales, strict=True)
    )
    return integers, biases if any(biases) else (), _rescale(lowering, node, x.scale, scales)


def _rescale(
    lowering: Lowering, node: FloatNode, input_scale: Fraction, scales: list[Fraction]
) -> dict[str, int | Shape]:
    """Return the rescale and clamp attributes of a node with per-channel weights."""
    form = lowering.formats[node.name]
    ratio = input_scale / form.scale
    pairs = [multiplier_shift(ratio * scale, node.source) for scale in scales]
    low, high = lowering.clamp(node)
    return {
        "multipliers": tuple(multiplier for multiplier, _ in pairs),
        "shifts": tuple(shift for _, shift in pairs),
        "dtype": form.dtype.code,
        "minimum": low,
        "maximum": high,
    }


def conv(lowering: Lowering, node: FloatNode) -> None:
    """Lower a convolution to CONV2D."""
    shape = lowering.graph.constants[node.attributes["weight"]].shape
    x = lowering.factor(node.inputs[0], math.prod(shape[1:]))
    if not x.image:
        raise ImportRefused(f"the node {node.source} needs samples of the shape (C, H, W)")
    integers, biases, rescale = quantize_layer(lowering, node, x)
    key = lowering.emit(
        "CONV2D",
        (x.key, lowering.weight(integers.transpose(0, 2, 3, 1))),
        strides=node.attributes["strides"],
        padding=node.attributes["pads"],
        dilations=node.attributes["dilations"],
        groups=node.attributes["groups"],
        bias=biases,
        **rescale,
    )
    lowering.put(node, key)


def dense(lowering: Lowering, node: FloatNode) -> None:
    """Lower a dense layer to GEMM."""
    x = lowering.factor(
        node.inputs[0], lowering.graph.constants[node.attributes["weight"]].shape[1]
    )
    integers, biases, rescale = quantize_layer(lowering, node, x)
    if x.order is not None:
        integers = integers[:, x.order]
    key = lowering.emit(
        "GEMM",
        (lowering.plain_key(x), lowering.weight(integers)),
        bias=biases,
        **rescale,
    )
    lowering.put_plain(node, key)


def conv_transpose(lowering: Lowering, node: FloatNode) -> None:
    """Lower a transposed convolution to CONV_TRANSPOSE2D."""
    shape = lowering.graph.constants[node.attributes["weight"]].shape
    x = lowering.factor(node.inputs[0], math.prod(shape[1:]))
    integers, biases, rescale = quantize_layer(lowering, node, x)
    key = lowering.emit(
        "CONV_TRANSPOSE2D",
        (x.key, lowering.weight(integers.transpose(0, 2, 3, 1))),
        strides=node.attributes["strides"],
        padding=node.attributes["pads"],
        output_padding=node.attributes["output_padding"],
        dilations=node.attributes["dilations"],
        groups=node.attributes["groups"],
        bias=biases,
        **rescale,
    )
    lowering.put(node, key)


def matmul(lowering: Lowering, node: FloatNode) -> None:
    """Lower the product of two activations to MATMUL."""
    depth = lowering.shapes[node.inputs[0]][-1]
    a, b = lowering.factor(node.inputs[0], depth), lowering.narrowed(node.inputs[1])
    form = lowering.formats[node.name]
    multiplier, shift = multiplier_shift(a.scale * b.scale / form.scale, node.source)
    low, high = lowering.clamp(node)
    key = lowering.emit(
        "MATMUL",
        (lowering.plain_key(a), lowering.plain_key(b)),
        transpose_b=0,
        multipliers=(multiplier,),
        shifts=(shift,),
        dtype=form.dtype.code,
        minimum=low,
        maximum=high,
    )
    lowering.put_plain(node, key)


def mix(lowering: Lowering, node: FloatNode) -> None:
    """Lower fixed weighted sums along an axis to MATMUL with the weights as its first factor."""
    matrix = lowering.graph.constants[node.attributes["matrix"]].astype(np.float64)
    steps, scale = _exact_steps(matrix)
    # A product with 16-bit weights is 256 times as large as one with 8-bit weights.
    x = lowering.factor(node.inputs[0], matrix.shape[1] * 256 ** (steps.itemsize - 1))
    axis = IMAGE_AXES[node.attributes["axis"]] if x.image else node.attributes["axis"]
    shape = [x.shape[i - 1] for i in ((2, 3, 1) if x.image else range(1, len(x.shape) + 1))]
    key, last = x.key, axis == len(shape)
    after = [*shape[: axis - 1], len(matrix), *shape[axis:]]
    # What lies behind the axis is one long row: no transposition is needed.
    inner = (*shape[: axis - 1], shape[axis - 1], math.prod(shape[axis:]))
    if not last and inner != tuple(shape):
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch, *inner))
    weight = lowering.weight(steps)
    form = lowering.formats[node.name]
    multiplier, shift = multiplier_shift(x.scale * scale / form.scale, node.source)
    low, high = lowering.clamp(node)
    key = lowering.emit(
        "MATMUL",
        (key, weight) if last else (weight, key),
        transpose_b=int(last),
        multipliers=(multiplier,),
        shifts=(shift,),
        dtype=form.dtype.code,
        minimum=low,
        maximum=high,
    )
    if not last and inner != tuple(shape):
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch, *after))
    lowering.put(node, key)


def _exact_steps(matrix: Real) -> tuple[NDArray[np.integer], Fraction]:
    """Return a matrix as integers and their scale: 8 bits where a common denominator fits."""
    largest = float(np.abs(matrix).max()) or 1.0
    for denominator in range(1, int(LEVELS / largest) + 1):
        steps = np.rint(matrix * denominator)
        if np.abs(steps - matrix * denominator).max() < EXACT:
            return steps.astype(np.int8), Fraction(1, denominator)
    wide = matrix.shape[1] <= DEEPEST_WIDE
    scale = scale_for(largest, WIDE_LEVELS if wide else LEVELS)
    return np.rint(matrix / float(scale)).astype(np.int16 if wide else np.int8), scale


def affine(lowering: Lowering, node: FloatNode) -> None:
    """One table when every channel is alike, else a 1 x 1 depthwise convolution."""
    x = lowering.factor(node.inputs[0], 1)
    scale = lowering.graph.constants[node.attributes["scale"]].astype(np.float64)
    shift = lowering.graph.constants[node.attributes["shift"]].astype(np.float64)
    if np.ptp(scale) == 0 and np.ptp(shift) == 0:
        slope, offset = scale.flat[0], shift.flat[0]
        table(lowering, node, lambda real: real * slope + offset)
        return
    if not x.image and len(x.shape) != 1:
        raise ImportRefused(f"the node {node.source} scales the channels of a rank-3 tensor")
    channels = x.shape[0]
    weight = np.broadcast_to(scale.reshape(-1), (channels,)).reshape(channels, 1, 1, 1)
    bias = np.broadcast_to(shift.reshape(-1), (channels,))
    integers, biases, rescale = quantize_channels(lowering, node, x, (weight, bias), None)
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
        bias=biases,
        **rescale,
    )
    if not x.image:
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch, channels))
    lowering.put(node, key)
