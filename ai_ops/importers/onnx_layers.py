"""ONNX nodes with weights, normalizations and pools."""

from __future__ import annotations

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.float_operators import by_output
from ai_ops.importers.norms import grouped_norm
from ai_ops.importers.onnx_choices import maker
from ai_ops.importers.onnx_nodes import OnnxNode

Pads = tuple[int, int, int, int]


def _pads(node: OnnxNode, kernel: tuple[int, ...]) -> Pads:
    automatic = node.get("auto_pad", "NOTSET")
    if automatic in {"SAME_UPPER", "SAME_LOWER"}:
        sizes = node.reader.shapes.get(node.value(), [-1] * 4)[2:]
        if -1 in sizes or len(sizes) != 2 or len(kernel) != 2:
            raise node.refuse("auto_pad needs the size of its input; write the pads out")
        both = []
        for size, span, stride, dilation in zip(
            sizes, kernel, _pair(node, "strides"), _pair(node, "dilations"), strict=True
        ):
            steps = -(-size // stride)
            missing = max(0, (steps - 1) * stride + (span - 1) * dilation + 1 - size)
            less = missing // 2
            both.append(
                (less, missing - less) if automatic == "SAME_UPPER" else (missing - less, less)
            )
        return both[0][0], both[1][0], both[0][1], both[1][1]
    pads = [int(value) for value in node.get("pads", [0, 0, 0, 0])]
    if len(pads) != 4:
        raise node.refuse("only two-dimensional windows are read")
    return pads[0], pads[1], pads[2], pads[3]


def _pair(node: OnnxNode, name: str) -> tuple[int, int]:
    values = node.get(name, [1, 1])
    if len(values) != 2:
        raise node.refuse("only two-dimensional windows are read")
    return int(values[0]), int(values[1])


def conv(node: OnnxNode) -> FloatNode:
    """Read Conv."""
    if node.required(1, "weight").ndim != 4:
        raise node.refuse("only two-dimensional convolutions are read; use height 1")
    bias = node.arguments[2] if len(node.arguments) > 2 and node.arguments[2] else None
    return node.node(
        "conv",
        weight=node.arguments[1],
        bias=bias,
        strides=_pair(node, "strides"),
        dilations=_pair(node, "dilations"),
        pads=_pads(node, node.required(1, "weight").shape[2:]),
        groups=int(node.get("group", 1)),
    )


def gemm(node: OnnxNode) -> FloatNode:
    """Read Gemm."""
    if node.get("transA", 0):
        raise node.refuse("its input is transposed")
    weight = node.required(1, "weight") * np.float32(node.get("alpha", 1.0))
    weight = weight if node.get("transB", 0) else weight.T
    bias = None
    if len(node.arguments) > 2 and node.arguments[2]:
        beta = np.float32(node.get("beta", 1.0))
        wide = np.broadcast_to(node.required(2, "bias").reshape(-1), (len(weight),))
        bias = node.reader.put(node.name, wide * beta)
    return node.node("dense", weight=node.reader.put(node.name, weight), bias=bias)


def matmul(node: OnnxNode) -> FloatNode:
    """Read MatMul: a dense layer, or the product of two computed tensors."""
    weight = node.constant(1)
    if weight is None:
        return node.node("matmul", (node.value(0), node.value(1)))
    if weight.ndim != 2:
        raise node.refuse("only a matrix of weights is read as its second factor")
    return node.node("dense", weight=node.reader.put(node.name, weight.T), bias=None)


def conv_transpose(node: OnnxNode) -> FloatNode:
    """Read ConvTranspose."""
    weight = node.required(1, "weight")
    if weight.ndim != 4 or node.get("auto_pad", "NOTSET") != "NOTSET" or node.get("output_shape"):
        raise node.refuse("only two-dimensional ones with explicit pads are read")
    groups = int(node.get("group", 1))
    pads = _pads(node, weight.shape[2:])
    bias = node.arguments[2] if len(node.arguments) > 2 and node.arguments[2] else None
    extra = node.get("output_padding", [0, 0])
    return node.node(
        "conv_transpose",
        weight=node.reader.put(node.name, by_output(weight, groups)),
        bias=bias,
        strides=_pair(node, "strides"),
        dilations=_pair(node, "dilations"),
        pads=pads,
        output_padding=(int(extra[0]), int(extra[1])),
        groups=groups,
    )


def layer_norm(node: OnnxNode) -> FloatNode:
    """Read LayerNormalization over the last axis."""
    rank = node.reader.rank(node, node.value())
    if int(node.get("axis", -1)) % rank != rank - 1:
        raise node.refuse("only a normalization over the last axis is read")
    weight = node.required(1, "scale")
    bias = node.constant(2)
    return node.node(
        "layer_norm",
        weight=node.arguments[1],
        bias=node.reader.put(node.name, np.zeros_like(weight) if bias is None else bias),
        epsilon=float(node.get("epsilon", 1e-5)),
    )


def rms_norm(node: OnnxNode) -> FloatNode:
    """Read RMSNormalization over the last axis."""
    rank = node.reader.rank(node, node.value())
    if int(node.get("axis", -1)) % rank != rank - 1:
        raise node.refuse("only a normalization over the last axis is read")
    node.required(1, "scale")
    return node.node("rms_norm", weight=node.arguments[1], epsilon=float(node.get("epsilon", 1e-5)))


def group_norm(node: OnnxNode) -> list[FloatNode]:
    """Read InstanceNormalization and GroupNormalization, channels' scales (opset 21)."""
    shape = node.reader.shapes.get(node.value(), [])
    if len(shape) < 3 or -1 in shape[1:]:
        raise node.refuse("the shape of its input is not known; give the file its shapes")
    groups = int(node.get("num_groups", shape[1]))
    weight, bias = node.required(1, "scale"), node.required(2, "bias")
    if weight.size != shape[1]:
        weight, bias = (np.repeat(array, shape[1] // groups) for array in (weight, bias))
    epsilon = float(node.get("epsilon", 1e-5))
    return grouped_norm(
        maker(node),
        node.name,
        node.value(),
        (groups, shape),
        (weight, bias, epsilon),
        node.reader.put,
    )


def batch_norm(node: OnnxNode) -> FloatNode:
    """Read BatchNormalization."""
    scale, bias, mean, variance = (node.required(i, "statistics") for i in range(1, 5))
    factor = scale / np.sqrt(variance.astype(np.float64) + node.get("epsilon", 1e-5))
    put = node.reader.put
    return node.node(
        "affine",
        scale=put(node.name, factor),
        shift=put(node.name, bias - mean * factor),
        rank=node.reader.rank(node, node.value()),
    )


def max_pool(node: OnnxNode) -> FloatNode:
    """Read MaxPool."""
    if _pair(node, "dilations") != (1, 1):
        raise node.refuse("a dilated pool is not read")
    return node.node(
        "max_pool",
        kernel=_pair(node, "kernel_shape"),
        strides=_pair(node, "strides"),
        pads=_pads(node, _pair(node, "kernel_shape")),
        ceil_mode=bool(node.get("ceil_mode", 0)),
    )


def average_pool(node: OnnxNode) -> FloatNode:
    """Read AveragePool."""
    if node.get("ceil_mode", 0) or any(value != 1 for value in node.get("dilations", [])):
        raise node.refuse("average pools are read without ceil_mode and dilations")
    return node.node(
        "average_pool",
        kernel=_pair(node, "kernel_shape"),
        strides=_pair(node, "strides"),
        pads=_pads(node, _pair(node, "kernel_shape")),
        count_pads=bool(node.get("count_include_pad", 0)),
    )
