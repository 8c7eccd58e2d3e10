"""Read an ONNX file into a float graph."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers.errors import ExtraMissing, ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.onnx_nodes import OnnxNode, Reader
from ai_ops.importers.onnx_shapes import shape_integers
from ai_ops.importers.replacements import unsupported

MAXIMUM_BYTES = 2 << 30
MAXIMUM_NODES = 20_000
Pads = tuple[int, int, int, int]
REQUANTIZED = (
    "the file's own quantization of activations was replaced: the ranges are those of the samples"
)


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


def _conv(node: OnnxNode) -> FloatNode:
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


def _gemm(node: OnnxNode) -> FloatNode:
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


def _matmul(node: OnnxNode) -> FloatNode:
    weight = node.required(1, "second factor")
    if weight.ndim != 2:
        raise node.refuse("only a matrix of weights is read as its second factor")
    return node.node("dense", weight=node.reader.put(node.name, weight.T), bias=None)


def _batch_norm(node: OnnxNode) -> FloatNode:
    scale, bias, mean, variance = (node.required(i, "statistics") for i in range(1, 5))
    factor = scale / np.sqrt(variance.astype(np.float64) + node.get("epsilon", 1e-5))
    put = node.reader.put
    return node.node(
        "affine",
        scale=put(node.name, factor),
        shift=put(node.name, bias - mean * factor),
        rank=node.reader.rank(node, node.value()),
    )


def _clip(node: OnnxNode) -> FloatNode:
    low, high = node.get("min"), node.get("max")
    if len(node.arguments) > 1 and node.arguments[1]:
        low = float(node.required(1, "lower bound"))
    if len(node.arguments) > 2 and node.arguments[2]:
        high = float(node.required(2, "upper bound"))
    return node.node(
        "clamp",
        low=-math.inf if low is None else float(low),
        high=math.inf if high is None else float(high),
    )


def _max_pool(node: OnnxNode) -> FloatNode:
    if _pair(node, "dilations") != (1, 1):
        raise node.refuse("a dilated pool is not read")
    return node.node(
        "max_pool",
        kernel=_pair(node, "kernel_shape"),
        strides=_pair(node, "strides"),
        pads=_pads(node, _pair(node, "kernel_shape")),
        ceil_mode=bool(node.get("ceil_mode", 0)),
    )


def _average_pool(node: OnnxNode) -> FloatNode:
    if node.get("ceil_mode", 0) or any(value != 1 for value in node.get("dilations", [])):
        raise node.refuse("average pools are read without ceil_mode and dilations")
    return node.node(
        "average_pool",
        kernel=_pair(node, "kernel_shape"),
        strides=_pair(node, "strides"),
        pads=_pads(node, _pair(node, "kernel_shape")),
        count_pads=bool(node.get("count_include_pad", 0)),
    )


def _mean(node: OnnxNode) -> FloatNode:
    axes = node.integers(1, "axes")
    rank = node.reader.rank(node, node.value())
    if rank != 4 or sorted(axis % 4 for axis in axes or []) != [2, 3]:
        raise node.refuse("a mean is read only over height and width of an image")
    return node.node("global_average", keep=bool(node.get("keepdims", 1)))


def _affine(node: OnnxNode, value: str, scale: Any, shift: Any) -> FloatNode:
    rank = node.reader.rank(node, value)
    names = []
    for array in (np.asarray(scale), np.asarray(shift)):
        full = array.reshape((1,) * (rank - array.ndim) + array.shape)
        if any(size != 1 for axis, size in enumerate(full.shape) if axis != 1):
            raise node.refuse("its constant varies along an axis other than the channels")
        names.append(node.reader.put(node.name, full.reshape(-1)))
    return node.node("affine", (value,), scale=names[0], shift=names[1], rank=rank)


def _bias(node: OnnxNode, value: str, bias: FloatArray) -> FloatNode | None:
    """Return the dense layer `value` with a bias, when the constant is one along its last axis."""
    maker = node.reader.nodes.get(value)
    if maker is None or maker.operator != "dense" or maker.attributes["bias"] is not None:
        return None
    if bias.size != bias.shape[-1] or bias.size != len(
        node.reader.constants[maker.attributes["weight"]]
    ):
        return None
    attributes = {**maker.attributes, "bias": node.reader.put(node.name, bias.reshape(-1))}
    return node.node("dense", maker.inputs, **attributes)


def _add(sign: float) -> Callable[[OnnxNode], FloatNode]:
    def read(node: OnnxNode) -> FloatNode:
        first, second = node.constant(0), node.constant(1)
        if second is not None:
            dense = _bias(node, node.value(0), sign * second) if second.ndim else None
            return dense or _affine(node, node.value(0), 1.0, sign * second)
        if first is not None:
            dense = _bias(node, node.value(1), first) if first.ndim and sign > 0 else None
            return dense or _affine(node, node.value(1), sign, first)
        if sign < 0:
            raise node.refuse("only the sum of two tensors is read; negate a layer's weights")
        return node.node("add", (node.value(0), node.value(1)))

    return read


def _multiply(node: OnnxNode) -> FloatNode:
    for constant, value in ((1, 0), (0, 1)):
        factor = node.constant(constant)
        if factor is not None:
            return _affine(node, node.value(value), factor, 0.0)
    return node.node("multiply", (node.value(0), node.value(1)))


def _divide(node: OnnxNode) -> FloatNode:
    return _affine(node, node.value(), 1 / node.required(1, "divisor"), 0.0)


def _flatten(node: OnnxNode) -> FloatNode:
    if node.get("axis", 1) != 1:
        raise node.refuse("it mixes the sample axis with another; flatten from axis 1")
    return node.node("reshape", shape=(-1,))


def _reshape(node: OnnxNode) -> FloatNode:
    shape = node.reader.integers.get(node.arguments[1])
    if shape is None:
        shape = [int(size) for size in node.required(1, "shape")]
    rest = tuple(shape[1:])
    first_is_batch = shape[0] in {0, node.reader.batch} or (shape[0] == -1 and -1 not in rest)
    if not first_is_batch or rest.count(-1) > 1:
        raise node.refuse("it mixes the sample axis with another; keep axis 0 apart")
    return node.node("reshape", shape=rest)


def _resize_rank(node: OnnxNode) -> FloatNode:
    return node.node("reshape", shape=node.reader.sample_shape(node))


def _power(node: OnnxNode) -> FloatNode:
    exponent = node.required(1, "exponent")
    if exponent.size != 1:
        raise node.refuse("its exponent is not one number")
    return node.node("unary", function="power", parameter=float(exponent.reshape(-1)[0]))


def _quantize(node: OnnxNode) -> FloatNode | None:
    """Read QuantizeLinear and DequantizeLinear.

    Constants are computed. A computed value is only limited to the range of its integers: that
    limit is often a ReLU which the quantizer took out.
    """
    stored = node.constant(0)
    scale, zero = node.required(1, "scale"), node.constant(2)
    if stored is None and node.operator == "DequantizeLinear":
        return node.node("identity")
    unsigned = zero is None or zero.dtype == np.uint8
    low, high = (0, 255) if unsigned else (-128, 127)
    if stored is None:
        if scale.size != 1 or (zero is not None and zero.dtype.name not in {"uint8", "int8"}):
            raise node.refuse("only 8-bit quantization with one scale is read for computed values")
        node.reader.requantizes = True
        step, origin = float(scale.reshape(-1)[0]), 0 if zero is None else int(zero.reshape(-1)[0])
        return node.node("clamp", low=(low - origin) * step, high=(high - origin) * step)
    column = [1] * stored.ndim
    if scale.ndim:
        column[int(node.get("axis", 1))] = -1
        scale = scale.reshape(column)
        zero = None if zero is None else zero.reshape(column)
    offset = np.float64(0) if zero is None else zero.astype(np.float64)
    if node.operator == "DequantizeLinear":
        node.reader.constants[node.name] = (stored.astype(np.float64) - offset) * scale
    else:
        node.reader.constants[node.name] = np.clip(np.rint(stored / scale) + offset, low, high)
    return None


def _transpose(node: OnnxNode) -> FloatNode:
    axes = [int(axis) for axis in node.get("perm", [])]
    if not axes or axes[0] != 0:
        raise node.refuse("it moves the sample axis")
    return node.node("transpose", axes=tuple(axes[1:]))


def _concat(node: OnnxNode) -> FloatNode:
    values = tuple(node.value(index) for index in range(len(node.arguments)))
    axis = int(node.get("axis")) % node.reader.rank(node, values[0])
    if axis == 0:
        raise node.refuse("it joins samples")
    return node.node("concat", values, axis=axis)


def _pad(node: OnnxNode) -> FloatNode:
    pads = node.integers(1, "pads") or []
    value = node.constant(2)
    fill = node.get("value", 0.0) if value is None else float(value)
    outside = len(pads) != 8 or min(pads) < 0 or any(pads[i] for i in (0, 1, 4, 5))
    if outside or fill != 0 or node.get("mode", "constant") != "constant":
        raise node.refuse("only zero padding of height and width is read")
    return node.node("pad", pads=(pads[2], pads[3], pads[6], pads[7]))


def _softmax(logarithm: bool) -> Callable[[OnnxNode], FloatNode]:
    return lambda node: node.node("softmax", axis=int(node.get("axis", -1)), logarithm=logarithm)


def _unary(function: str, default: float = 0.0) -> Callable[[OnnxNode], FloatNode]:
    return lambda node: node.node(
        "unary", function=function, parameter=float(node.get("alpha", default))
    )


def _gelu(node: OnnxNode) -> FloatNode:
    tanh = node.get("approximate", "none") == "tanh"
    return node.node("unary", function="gelu_tanh" if tanh else "gelu", parameter=0.0)


def _hard_sigmoid(node: OnnxNode) -> FloatNode:
    if abs(node.get("alpha", 0.2) - 1 / 6) > 1e-6 or node.get("beta", 0.5) != 0.5:
        raise node.refuse("only the slope 1/6 and offset 0.5 are read")
    return node.node("unary", function="hardsigmoid", parameter=0.0)


OPERATORS: dict[str, Callable[[OnnxNode], FloatNode | None]] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "Relu": lambda node: node.node("clamp", low=0.0, high=math.inf),
    "Clip": _clip,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": lambda node: node.node("global_average", keep=True),
    "ReduceMean": _mean,
    "Add": _add(1.0),
    "Sub": _add(-1.0),
    "Mul": _multiply,
    "Div": _divide,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _resize_rank,
    "Unsqueeze": _resize_rank,
    "Transpose": _transpose,
    "Concat": _concat,
    "Pad": _pad,
    "Softmax": _softmax(logarithm=False),
    "LogSoftmax": _softmax(logarithm=True),
    "Sigmoid": _unary("sigmoid"),
    "Tanh": _unary("tanh"),
    "Gelu": _gelu,
    "HardSwish": _unary("hardswish"),
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": _unary("leaky_relu", 0.01),
    "Elu": _unary("elu", 1.0),
    "Softplus": _unary("softplus"),
    "Mish": _unary("mish"),
    "Erf": _unary("erf"),
    "Exp": _unary("exp"),
    "Log": _unary("log"),
    "Sqrt": _unary("sqrt"),
    "Pow": _power,
    "Reciprocal": _unary("reciprocal"),
    "Abs": _unary("abs"),
    "Neg": lambda node: _affine(node, node.value(), -1.0, 0.0),
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _quantize,
    "Identity": lambda node: node.node("identity"),
    "Dropout": lambda node: node.node("identity"),
}


def read_onnx(path: Path) -> FloatGraph:
    """Read an ONNX file.

    Raises
    ------
    ExtraMissing : the package onnx is not installed
    ImportRefused : too large, damaged, external data, or a node that no row of `OPERATORS` reads
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    except ImportError:
        raise ExtraMissing("onnx") from None
    if path.stat().st_size > MAXIMUM_BYTES:
        raise ImportRefused(f"{path} is larger than 2 GiB")
    try:
        model = onnx.load_model(str(path), load_external_data=False)
    except DecodeError:
        raise ImportRefused(f"{path} is not an ONNX file") from None
    if not model.graph.node or len(model.graph.node) > MAXIMUM_NODES:
        raise ImportRefused(
            f"{path} holds {len(model.graph.node)} nodes; 1 to {MAXIMUM_NODES} are read"
        )
    reader = Reader(model)
    for proto in model.graph.node:
        node = OnnxNode(reader, proto)
        if proto.op_type == "Constant" and isinstance(node.get("value"), np.ndarray):
            reader.constants[node.name] = node.get("value")
        elif (integers := shape_integers(node)) is not None:
            reader.integers[node.name] = integers
        elif proto.op_type not in OPERATORS or proto.domain not in {"", "ai.onnx"}:
            raise unsupported(node.source, proto.op_type)
        elif (read := OPERATORS[proto.op_type](node)) is not None:
            reader.nodes[read.name] = read
    return FloatGraph(
        inputs=tuple(reader.inputs),
        outputs=tuple(reader.outputs),
        nodes=tuple(reader.nodes.values()),
        constants={name: np.asarray(a, np.float32) for name, a in reader.constants.items()},
        notes=(REQUANTIZED,) if reader.requantizes else (),
    )
