"""Windows over NCHW images and the convolutions made of them, in NumPy."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode


def window_view(
    x: FloatArray, node: FloatNode, kernel: tuple[int, int], fill: float
) -> tuple[FloatArray, FloatArray]:
    """Return the windows (N, C, OH, OW, KH, KW) of `x` and, alike, how many pixels are real."""
    top, left, bottom, right = node.attributes["pads"]
    stride_y, stride_x = node.attributes["strides"]
    dilation_y, dilation_x = node.attributes.get("dilations", (1, 1))
    span_y, span_x = (kernel[0] - 1) * dilation_y + 1, (kernel[1] - 1) * dilation_x + 1
    extra_y = extra_x = 0
    if node.attributes.get("ceil_mode", False):
        extra_y = ceil_extra(x.shape[2] + top + bottom, span_y, stride_y, x.shape[2] + top)
        extra_x = ceil_extra(x.shape[3] + left + right, span_x, stride_x, x.shape[3] + left)
    width = ((0, 0), (0, 0), (top, bottom + extra_y), (left, right + extra_x))
    padded = np.pad(x, width, constant_values=fill)
    real = np.pad(np.ones((1, 1, *x.shape[2:]), x.dtype), width)

    def windows(array: FloatArray) -> FloatArray:
        view = sliding_window_view(array, (span_y, span_x), axis=(2, 3))
        return view[:, :, ::stride_y, ::stride_x, ::dilation_y, ::dilation_x]

    return windows(padded), windows(real)


def ceil_extra(size: int, span: int, stride: int, last_start: int) -> int:
    """Pixels to append so that a partly filled last window counts (it must start inside)."""
    steps = -(-(size - span) // stride)
    if steps * stride >= last_start:
        steps -= 1
    return max(0, steps * stride + span - size)


def convolve(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Convolve with groups: a product of matrices for each group, or tap by tap when depthwise."""
    weight = graph.constants[node.attributes["weight"]]
    groups = node.attributes["groups"]
    windows, _ = window_view(x, node, (weight.shape[2], weight.shape[3]), 0.0)
    samples, channels, height, width = windows.shape[:4]
    if groups == channels == len(weight):
        out = np.zeros((samples, channels, height, width), x.dtype)
        for p, q in np.ndindex(weight.shape[2:]):
            out += windows[..., p, q] * weight[:, 0, p, q, None, None]
    else:
        columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(samples, groups, -1, height * width)
        kernels = weight.reshape(groups, len(weight) // groups, -1)
        out = (kernels @ columns).reshape(samples, -1, height, width)
    if node.attributes["bias"] is not None:
        out = out + graph.constants[node.attributes["bias"]][:, None, None]
    return out
