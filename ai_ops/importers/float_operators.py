"""Float forms of the operators that move, reduce and normalize, in NumPy."""

from typing import Any

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode

REDUCTIONS = {"mean": np.mean, "sum": np.sum, "max": np.max, "min": np.min}


def slice_(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Take starts, sizes and strides (may be negative) of the axes after the first."""
    for axis, (start, size, stride) in enumerate(
        zip(*(node.attributes[name] for name in ("starts", "sizes", "strides")), strict=True), 1
    ):
        x = np.take(x, start + stride * np.arange(size), axis)
    return x


def take(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Take constant positions along one axis."""
    return np.take(x, np.array(node.attributes["indices"]), node.attributes["axis"])


def pad(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Pad the axes after the first with one value."""
    before, after = node.attributes["before"], node.attributes["after"]
    width = ((0, 0), *zip(before, after, strict=True))
    return np.pad(x, width, constant_values=node.attributes["value"])


def upsample(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Repeat rows and columns of (N, C, H, W)."""
    rows, columns = node.attributes["scales"]
    return x.repeat(rows, 2).repeat(columns, 3)


def by_output(weight: FloatArray, groups: int) -> FloatArray:
    """Turn the frameworks' (C, O / groups, KH, KW) into (O, C / groups, KH, KW)."""
    inputs, outputs, height, width = weight.shape
    apart = weight.reshape(groups, inputs // groups, outputs, height, width)
    return apart.transpose(0, 2, 1, 3, 4).reshape(groups * outputs, -1, height, width)


def conv_transpose(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Add each input pixel times the kernel where it lands; weight (O, C / groups, KH, KW)."""
    weight = graph.constants[node.attributes["weight"]]
    groups, (height, width) = node.attributes["groups"], weight.shape[2:]
    (top, left, bottom, right), strides = node.attributes["pads"], node.attributes["strides"]
    dilations, extra = node.attributes["dilations"], node.attributes["output_padding"]
    size = [
        (x.shape[2 + at] - 1) * strides[at] + (kernel - 1) * dilations[at] + 1 + extra[at]
        for at, kernel in enumerate((height, width))
    ]
    out = np.zeros((len(x), len(weight), *size), x.dtype)
    apart = x.reshape(len(x), groups, -1, x.shape[2] * x.shape[3])
    kernels = weight.reshape(groups, len(weight) // groups, -1, height, width)
    for p, q in np.ndindex(height, width):
        part = (kernels[..., p, q] @ apart).reshape(len(x), -1, *x.shape[2:])
        row, column = p * dilations[0], q * dilations[1]
        out[
            :,
            :,
            row : row + (x.shape[2] - 1) * strides[0] + 1 : strides[0],
            column : column + (x.shape[3] - 1) * strides[1] + 1 : strides[1],
        ] += part
    out = out[:, :, top : size[0] - bottom, left : size[1] - right]
    if node.attributes["bias"] is not None:
        out = out + graph.constants[node.attributes["bias"]][:, None, None]
    return out


def reduce(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Reduce some axes."""
    function: Any = REDUCTIONS[node.attributes["function"]]
    result: FloatArray = function(
        x, axis=tuple(node.attributes["axes"]), keepdims=node.attributes["keep"]
    )
    return result


def layer_norm(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Normalize the last axis, scale and shift it."""
    mean = x.mean(-1, keepdims=True)
    deviation = np.sqrt(x.var(-1, keepdims=True) + node.attributes["epsilon"])
    weight, bias = (graph.constants[node.attributes[name]] for name in ("weight", "bias"))
    result: FloatArray = (x - mean) / deviation * weight + bias
    return result


def concat(node: FloatNode, _graph: FloatGraph, *parts: FloatArray) -> FloatArray:
    """Join tensors along an axis; a stored one is the same for every sample."""
    samples = max(len(part) for part in parts)
    whole = [np.broadcast_to(part, (samples, *part.shape[1:])) for part in parts]
    return np.concatenate(whole, node.attributes["axis"])


def rms_norm(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Divide the last axis by its root mean square and scale it."""
    size = np.sqrt((x * x).mean(-1, keepdims=True) + node.attributes["epsilon"])
    result: FloatArray = x / size * graph.constants[node.attributes["weight"]]
    return result


def mix(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Replace one axis by fixed weighted sums along it."""
    axis, matrix = node.attributes["axis"], graph.constants[node.attributes["matrix"]]
    return np.moveaxis(np.moveaxis(x, axis, -1) @ matrix.T, -1, axis)


def tile(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Repeat whole axes after the first."""
    return np.tile(x, (1, *node.attributes["repetitions"]))


def argmax(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Return the index of the largest element along one axis, the first among equals."""
    axis, keep = node.attributes["axis"], node.attributes["keep"]
    return np.asarray(x.argmax(axis, keepdims=keep), np.float32)


def constant(node: FloatNode, graph: FloatGraph) -> FloatArray:
    """Return a stored tensor, its sample axis of size 1."""
    return graph.constants[node.attributes["value"]]
