"""ATen calls with weights, batch normalization, bounds and pools."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.torch_calls import Call


def conv(call: Call) -> FloatNode:
    """Read conv2d and convolution."""
    weight = call.required("weight")
    if call.get("transposed", False) or weight.ndim != 4:
        raise call.refuse("only two-dimensional convolutions are read, not transposed ones")
    padding = call.get("padding", [0, 0])
    dilations = call.pair("dilation", (1, 1))
    if padding == "same":
        spans = [(size - 1) * d for size, d in zip(weight.shape[2:], dilations, strict=True)]
        pads = (spans[0] // 2, spans[1] // 2, (spans[0] + 1) // 2, (spans[1] + 1) // 2)
    else:
        top, left = (0, 0) if padding == "valid" else call.pair("padding", (0, 0))
        pads = (top, left, top, left)
    return call.node(
        "conv",
        (call.value("input"),),
        weight=call.get("weight"),
        bias=call.get("bias"),
        strides=call.pair("stride", (1, 1)),
        dilations=dilations,
        pads=pads,
        groups=int(call.get("groups", 1)),
    )


def linear(call: Call) -> FloatNode:
    """Read linear."""
    call.required("weight")
    return call.node(
        "dense", (call.value("input"),), weight=call.get("weight"), bias=call.get("bias")
    )


def addmm(call: Call) -> FloatNode:
    """Read addmm with stored weights."""
    weight = call.reader.put(call.name, call.required("mat2").T)
    return call.node("dense", (call.value("mat1"),), weight=weight, bias=call.get("self"))


def matmul(call: Call) -> FloatNode:
    """Read matmul, mm and bmm: a dense layer, or the product of two computed tensors."""
    name = "mat2" if "mat2" in call.arguments else "other"
    if call.constant(name) is None:
        return call.node("matmul", (call.value(), call.value(name)))
    weight = call.reader.put(call.name, call.required(name).T)
    return call.node("dense", (call.value(),), weight=weight, bias=None)


def batch_norm(call: Call) -> FloatNode:
    """Read batch_norm in evaluation."""
    mean, variance = call.required("running_mean"), call.required("running_var")
    scale = 1 / np.sqrt(variance.astype(np.float64) + call.get("eps", 1e-5))
    if call.get("weight") is not None:
        scale = scale * call.required("weight")
    shift = -mean * scale
    if call.get("bias") is not None:
        shift = shift + call.required("bias")
    put = call.reader.put
    return call.node(
        "affine",
        (call.value("input"),),
        scale=put(call.name, scale),
        shift=put(call.name, shift),
        rank=len(call.reader.shapes[call.value("input")]),
    )


def clamp(low: float | None, high: float | None) -> Callable[[Call], FloatNode]:
    """Return a reader of a clamp with default bounds."""

    def read(call: Call) -> FloatNode:
        bounds = [
            next((call.get(n) for n in names if call.get(n) is not None), default)
            for names, default in ((("min", "min_val"), low), (("max", "max_val"), high))
        ]
        return call.node(
            "clamp",
            low=-math.inf if bounds[0] is None else float(bounds[0]),
            high=math.inf if bounds[1] is None else float(bounds[1]),
        )

    return read


def max_pool(call: Call) -> FloatNode:
    """Read max_pool2d."""
    kernel = call.pair("kernel_size", (1, 1))
    if call.pair("dilation", (1, 1)) != (1, 1):
        raise call.refuse("a dilated pool is not read")
    top, left = call.pair("padding", (0, 0))
    return call.node(
        "max_pool",
        kernel=kernel,
        strides=call.pair("stride", kernel),
        pads=(top, left, top, left),
        ceil_mode=bool(call.get("ceil_mode", False)),
    )


def average_pool(call: Call) -> FloatNode:
    """Read avg_pool2d."""
    kernel = call.pair("kernel_size", (1, 1))
    if call.get("ceil_mode", False) or call.get("divisor_override") is not None:
        raise call.refuse("average pools are read without ceil_mode and divisor_override")
    top, left = call.pair("padding", (0, 0))
    return call.node(
        "average_pool",
        kernel=kernel,
        strides=call.pair("stride", kernel),
        pads=(top, left, top, left),
        count_pads=bool(call.get("count_include_pad", True)),
    )


def adaptive_max_pool(call: Call) -> FloatNode:
    """Read adaptive_max_pool2d of the whole image."""
    if call.pair("output_size", (1, 1)) != (1, 1):
        raise call.refuse("only the largest of the whole image is read; use max_pool2d")
    return call.node("reduce", function="max", axes=(2, 3), keep=True, rank=4)
