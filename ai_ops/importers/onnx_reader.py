"""Read an ONNX file into a float graph."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers import (
    onnx_arithmetic,
    onnx_choices,
    onnx_layers,
    onnx_recurrent,
    onnx_resize,
    onnx_tensors,
)
from ai_ops.importers.errors import ExtraMissing, ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.onnx_fold import fold
from ai_ops.importers.onnx_lift import leaves_samples, read_lifted, refuse_mixing, reshaped
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


def _extreme(operator: str) -> Callable[[OnnxNode], Read]:
    def read(node: OnnxNode) -> Read:
        if len(node.arguments) != 2:
            raise node.refuse("only two tensors are read; chain them")
        return onnx_arithmetic.computed(node, operator)

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
    "GlobalMaxPool": lambda node: node.node(
        "reduce", function="max", axes=(2, 3), keep=True, rank=4
    ),
    "ReduceMean": onnx_tensors.reduce("mean"),
    "ReduceSum": onnx_tensors.reduce("sum"),
    "ReduceMax": onnx_tensors.reduce("max"),
    "ReduceMin": onnx_tensors.reduce("min"),
    "ArgMax": onnx_tensors.argmax,
    "ConvTranspose": onnx_layers.conv_transpose,
    "LayerNormalization": onnx_layers.layer_norm,
    "RMSNormalization": onnx_layers.rms_norm,
    "InstanceNormalization": onnx_layers.group_norm,
    "GroupNormalization": onnx_layers.group_norm,
    "LSTM": onnx_recurrent.layer("lstm"),
    "GRU": onnx_recurrent.layer("gru"),
    "Max": _extreme("maximum"),
    "Min": _extreme("minimum"),
    "Add": onnx_arithmetic.add(1.0),
    "Sub": onnx_arithmetic.add(-1.0),
    "Mul": onnx_arithmetic.multiply,
    "Div": onnx_arithmetic.divide,
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
    "Resize": onnx_resize.resize,
    "Upsample": onnx_resize.resize,
    "DepthToSpace": onnx_resize.depth_to_space,
    "Expand": onnx_choices.expand,
    "Tile": onnx_choices.expand,
    "Equal": onnx_choices.relation("=="),
    "Less": onnx_choices.relation("<"),
    "LessOrEqual": onnx_choices.relation("<="),
    "Greater": onnx_choices.relation(">"),
    "GreaterOrEqual": onnx_choices.relation(">="),
    "Not": lambda node: onnx_choices.compared_with_zero(node, "=="),
    "And": lambda node: onnx_arithmetic.computed(node, "minimum"),
    "Or": lambda node: onnx_arithmetic.computed(node, "maximum"),
    "Where": onnx_choices.where,
    "TopK": onnx_choices.top_k,
    "NonMaxSuppression": onnx_choices.suppress,
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
    "Sin": _unary("sin"),
    "Cos": _unary("cos"),
    "Neg": lambda node: onnx_arithmetic.affine(node, node.value(), -1.0, 0.0),
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _quantize,
    "Identity": lambda node: node.node("identity"),
    "Cast": onnx_choices.cast,
    "CastLike": lambda node: node.node("identity"),
    "Dropout": lambda node: node.node("identity"),
}


def read_onnx(
    path: Path,
    sample_shapes: Mapping[str, tuple[int, ...]] | None = None,
    outputs: Sequence[str] = (),
) -> FloatGraph:
    """Read an ONNX file.

    Parameters
    ----------
    sample_shapes : shape of one sample of each input; fixes the sizes that the file leaves open
    outputs : what is wanted of it; its own outputs when empty. Nodes that none of them depends on
        are not read

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
    wanted = list(outputs) or reader.outputs
    for proto in needed(model.graph.node, wanted):
        _read_node(OnnxNode(reader, proto))
    return FloatGraph(
        inputs=tuple(reader.inputs),
        outputs=tuple(wanted),
        nodes=tuple(reader.nodes.values()),
        constants={
            name: np.asarray(array, np.float32)
            for name, array in reader.constants.items()
            if array.dtype.kind in "fiub"
        },
        notes=(REQUANTIZED,) if reader.requantizes else (),
        integers=reader.integers_of,
    )


def needed(protos: Sequence[Any], outputs: Sequence[str]) -> list[Any]:
    """Return the nodes that the wanted values depend on; the others are not read."""
    wanted, kept = set(outputs), []
    for proto in reversed(protos):
        if wanted.intersection(proto.output):
            kept.append(proto)
            wanted.update(proto.input)
    return kept[::-1]


RESHAPES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})


def _read_node(node: OnnxNode) -> None:
    """Read one node into the reader's constants, integers or float nodes."""
    reader, kind = node.reader, node.operator
    if kind == "Constant":
        reader.constants[node.name] = _constant(node)
    elif (folded := fold(node)) is not None:
        reader.constants.update(folded)
    elif (integers := shape_integers(node)) is not None:
        reader.integers[node.name] = integers
    elif (noted := _recurrent_layout(node)) is not None:
        _take(reader, [noted])
    elif kind not in OPERATORS or node.proto.domain not in {"", "ai.onnx"}:
        raise unsupported(node.source, kind)
    elif kind in RESHAPES and (moved := reshaped(node)) is not None:
        _take(reader, [moved])
    elif leaves_samples(node):
        refuse_mixing(node)
        _take(reader, read_lifted(node, OPERATORS[kind]))
    elif (read := OPERATORS[kind](node)) is not None:
        _take(reader, read if isinstance(read, list) else [read])


def _take(reader: Reader, made: list[FloatNode]) -> None:
    """Keep new nodes, and learn the shapes of their results."""
    reader.learn(made)
    reader.nodes.update({each.name: each for each in made})


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
