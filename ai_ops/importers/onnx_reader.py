"""Read an ONNX file into a float graph."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers.errors import ExtraMissing, ImportRefused
from ai_ops.importers.float_graph import FloatGraph, FloatNode
from ai_ops.importers.onnx_nodes import OnnxNode, Reader
from ai_ops.importers.replacements import unsupported

MAXIMUM_BYTES = 2 << 30
MAXIMUM_NODES = 20_000
Pads = tuple[int, int, int, int]


def _pads(node: OnnxNode) -> Pads:
    if node.get("auto_pad", "NOTSET") not in {"NOTSET", "VALID"}:
        raise node.refuse("auto_pad is not read; write the pads out (onnxsim does)")
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
        pads=_pads(node),
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
        "affine", scale=put(node.name, factor), shift=put(node.name, bias - mean * factor)
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
        pads=_pads(node),
        ceil_mode=bool(node.get("ceil_mode", 0)),
    )


def _average_pool(node: OnnxNode) -> FloatNode:
    if node.get("ceil_mode", 0) or any(value != 1 for value in node.get("dilations", [])):
        raise node.refuse("average pools are read without ceil_mode and dilations")
    return node.node(
        "average_pool",
        kernel=_pair(node, "kernel_shape"),
        strides=_pair(node, "strides"),
        pads=_pads(node),
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
    return node.node("affine", (value,), scale=names[0], shift=names[1])


def _add(sign: float) -> Callable[[OnnxNode], FloatNode]:
    def read(node: OnnxNode) -> FloatNode:
        first, second = node.constant(0), node.constant(1)
        if second is not None:
            return _affine(node, node.value(0), 1.0, sign * second)
        if first is not None:
            return _affine(node, node.value(1), sign, first)
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
    shape = [int(size) for size in node.required(1, "shape")]
    rest = tuple(shape[1:])
    first_is_batch = shape[0] in {0, node.reader.batch} or (shape[0] == -1 and -1 not in rest)
    if not first_is_batch or rest.count(-1) > 1:
        raise node.refuse("it mixes the sample axis with another; keep axis 0 apart")
    return node.node("reshape", shape=rest)


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


OPERATORS: dict[str, Callable[[OnnxNode], FloatNode]] = {
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
    "Exp": _unary("exp"),
    "Abs": _unary("abs"),
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
    nodes = []
    for proto in model.graph.node:
        node = OnnxNode(reader, proto)
        if proto.op_type == "Constant" and isinstance(node.get("value"), np.ndarray):
            reader.constants[node.name] = node.get("value")
        elif proto.op_type not in OPERATORS or proto.domain not in {"", "ai.onnx"}:
            raise unsupported(node.source, proto.op_type)
        else:
            nodes.append(OPERATORS[proto.op_type](node))
    return FloatGraph(
        inputs=tuple(reader.inputs),
        outputs=tuple(reader.outputs),
        nodes=tuple(nodes),
        constants={name: np.asarray(a, np.float32) for name, a in reader.constants.items()},
    )
