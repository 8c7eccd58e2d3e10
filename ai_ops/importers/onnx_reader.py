"""Read an ONNX file into a float graph."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers import onnx_layers, onnx_recurrent, onnx_tensors
from ai_ops.importers.errors import ExtraMissing, ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.onnx_fold import fold
from ai_ops.importers.onnx_nodes import OnnxNode, Reader
from ai_ops.importers.onnx_shapes import shape_integers
from ai_ops.importers.replacements import unsupported

MAXIMUM_BYTES = 2 << 30
MAXIMUM_NODES = 20_000
Read = FloatNode | list[FloatNode] | None
REQUANTIZED = (
    "the file's own quantization of activations was replaced: the ranges are those of the samples"
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


def _affine(node: OnnxNode, value: str, scale: Any, shift: Any) -> FloatNode | None:
    """Return an affine map of channels, or None when a constant varies along another axis."""
    rank = node.reader.rank(node, value)
    arrays = []
    for array in (np.asarray(scale), np.asarray(shift)):
        full = array.reshape((1,) * (rank - array.ndim) + array.shape)
        if any(size != 1 for axis, size in enumerate(full.shape) if axis != 1):
            return None
        arrays.append(full.reshape(-1))
    first, second = (node.reader.put(node.name, array) for array in arrays)
    return node.node("affine", (value,), scale=first, shift=second, rank=rank)


def _computed(node: OnnxNode, operator: str) -> list[FloatNode]:
    """Read an operation on two tensors, of which one may be stored."""
    made: list[FloatNode] = []
    inputs = (node.operand(0, made), node.operand(1, made))
    return [*made, node.node(operator, inputs)]


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


def _add(sign: float) -> Callable[[OnnxNode], Read]:
    def read(node: OnnxNode) -> Read:
        first, second = node.constant(0), node.constant(1)
        found = None
        if second is not None:
            found = _bias(node, node.value(0), sign * second) if second.ndim else None
            found = found or _affine(node, node.value(0), 1.0, sign * second)
        elif first is not None:
            found = _bias(node, node.value(1), first) if first.ndim and sign > 0 else None
            found = found or _affine(node, node.value(1), sign, first)
        return found or _computed(node, "add" if sign > 0 else "subtract")

    return read


def _multiply(node: OnnxNode) -> Read:
    for constant, value in ((1, 0), (0, 1)):
        factor = node.constant(constant)
        if factor is not None:
            found = _affine(node, node.value(value), factor, 0.0)
            return found or _computed(node, "multiply")
    return node.node("multiply", (node.value(0), node.value(1)))


def _divide(node: OnnxNode) -> Read:
    first = node.constant(0)
    if first is not None and first.size == 1:  # a number divided by a tensor
        inner = replace(
            node.node("unary", (node.value(1),), function="reciprocal", parameter=0.0),
            name=f"{node.name}.reciprocal",
        )
        number = node.reader.put(node.name, first.reshape(-1))
        shift = node.reader.put(node.name, np.zeros(1))
        rank = node.reader.rank(node, node.value(1))
        return [inner, node.node("affine", (inner.name,), scale=number, shift=shift, rank=rank)]
    inverse = 1 / node.required(1, "divisor")
    found = _affine(node, node.value(), inverse, 0.0)
    if found is None:
        node.reader.constants[f"{node.name}.inverse"] = inverse
        node.arguments[1] = f"{node.name}.inverse"
    return found or _computed(node, "multiply")


def _extreme(operator: str) -> Callable[[OnnxNode], Read]:
    def read(node: OnnxNode) -> Read:
        if len(node.arguments) != 2:
            raise node.refuse("only two tensors are read; chain them")
        return _computed(node, operator)

    return read


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


def _softmax(logarithm: bool) -> Callable[[OnnxNode], FloatNode]:
    return lambda node: node.node("softmax", axis=int(node.get("axis", -1)), logarithm=logarithm)


def _unary(function: str, default: float = 0.0) -> Callable[[OnnxNode], FloatNode]:
    return lambda node: node.node(
        "unary", function=function, parameter=float(node.get("alpha", default))
    )


def _gelu(node: OnnxNode) -> FloatNode:
    tanh = node.get("approximate", "none") == "tanh"
    return node.node("unary", function="gelu_tanh" if tanh else "gelu", parameter=0.0)


def _hard_sigmoid(node: OnnxNode) -> list[FloatNode]:
    rank = node.reader.rank(node, node.value())
    slope, offset = (
        node.reader.put(node.name, np.array([node.get(name, default)]))
        for name, default in (("alpha", 0.2), ("beta", 0.5))
    )
    line = replace(
        node.node("affine", scale=slope, shift=offset, rank=rank), name=f"{node.name}.line"
    )
    return [line, node.node("clamp", (line.name,), low=0.0, high=1.0)]


def _prelu(node: OnnxNode) -> FloatNode:
    slope = node.required(1, "slope")
    if slope.size != 1:
        raise node.refuse("only one slope for all channels is read")
    return node.node("unary", function="leaky_relu", parameter=float(slope.reshape(-1)[0]))


OPERATORS: dict[str, Callable[[OnnxNode], Read]] = {
    "Conv": onnx_layers.conv,
    "Gemm": onnx_layers.gemm,
    "MatMul": onnx_layers.matmul,
    "BatchNormalization": onnx_layers.batch_norm,
    "Relu": lambda node: node.node("clamp", low=0.0, high=math.inf),
    "Clip": _clip,
    "MaxPool": onnx_layers.max_pool,
    "AveragePool": onnx_layers.average_pool,
    "GlobalAveragePool": lambda node: node.node("global_average", keep=True),
    "ReduceMean": onnx_tensors.reduce("mean"),
    "ReduceSum": onnx_tensors.reduce("sum"),
    "ReduceMax": onnx_tensors.reduce("max"),
    "ReduceMin": onnx_tensors.reduce("min"),
    "ArgMax": onnx_tensors.argmax,
    "ConvTranspose": onnx_layers.conv_transpose,
    "LayerNormalization": onnx_layers.layer_norm,
    "LSTM": onnx_recurrent.layer("lstm"),
    "GRU": onnx_recurrent.layer("gru"),
    "Max": _extreme("maximum"),
    "Min": _extreme("minimum"),
    "Add": _add(1.0),
    "Sub": _add(-1.0),
    "Mul": _multiply,
    "Div": _divide,
    "Flatten": onnx_tensors.flatten,
    "Reshape": onnx_tensors.reshape,
    "Squeeze": onnx_tensors.change_rank,
    "Unsqueeze": onnx_tensors.change_rank,
    "Transpose": onnx_tensors.transpose,
    "Concat": onnx_tensors.concat,
    "Pad": onnx_tensors.pad,
    "Split": onnx_tensors.split,
    "Slice": onnx_tensors.slice_,
    "Gather": onnx_tensors.gather,
    "Resize": onnx_tensors.resize,
    "Upsample": onnx_tensors.resize,
    "Expand": onnx_tensors.expand,
    "Softmax": _softmax(logarithm=False),
    "LogSoftmax": _softmax(logarithm=True),
    "Sigmoid": _unary("sigmoid"),
    "Tanh": _unary("tanh"),
    "Gelu": _gelu,
    "HardSwish": _unary("hardswish"),
    "HardSigmoid": _hard_sigmoid,
    "PRelu": _prelu,
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
    "Cast": lambda node: node.node("identity"),
    "Dropout": lambda node: node.node("identity"),
}


def read_onnx(path: Path, sample_shapes: Mapping[str, tuple[int, ...]] | None = None) -> FloatGraph:
    """Read an ONNX file.

    Parameters
    ----------
    sample_shapes : shape of one sample of each input; fixes the sizes that the file leaves open

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
    reader = Reader(model, sample_shapes)
    for proto in model.graph.node:
        node = OnnxNode(reader, proto)
        if proto.op_type == "Constant":
            reader.constants[node.name] = _constant(node)
        elif (folded := fold(node)) is not None:
            reader.constants.update(folded)
        elif (integers := shape_integers(node)) is not None:
            reader.integers[node.name] = integers
        elif (noted := _recurrent_layout(node)) is not None:
            reader.learn([noted])
            reader.nodes[noted.name] = noted
        elif proto.op_type not in OPERATORS or proto.domain not in {"", "ai.onnx"}:
            raise unsupported(node.source, proto.op_type)
        elif (read := OPERATORS[proto.op_type](node)) is not None:
            made = read if isinstance(read, list) else [read]
            reader.learn(made)
            reader.nodes.update({each.name: each for each in made})
    return FloatGraph(
        inputs=tuple(reader.inputs),
        outputs=tuple(reader.outputs),
        nodes=tuple(reader.nodes.values()),
        constants={
            name: np.asarray(array, np.float32)
            for name, array in reader.constants.items()
            if array.dtype.kind in "fiub"
        },
        notes=(REQUANTIZED,) if reader.requantizes else (),
    )


def _constant(node: OnnxNode) -> FloatArray:
    """Return what a Constant node holds, in whichever attribute."""
    (value,) = node.attributes.values()
    if isinstance(value, np.ndarray):
        return value
    array = np.asarray(value)
    return array.astype(np.int64 if array.dtype.kind == "i" else np.float32)


def _recurrent_layout(node: OnnxNode) -> FloatNode | None:
    """Read what stands around a recurrent node only to bring time to the front and back."""
    first = {name for name in node.arguments if name in node.reader.time_first}
    if first and node.operator not in onnx_recurrent.TIME_FIRST:
        raise node.refuse("it reads a tensor with time first; keep samples first (batch_first)")
    if node.operator not in {"Transpose", "Squeeze", "Reshape", "Gather"}:
        return None
    if node.arguments[0] in node.reader.constants:
        return None
    found = onnx_recurrent.drop_directions(node)
    return found or (onnx_recurrent.turn(node) if node.operator == "Transpose" else None)
