"""Read a `torch.export` program (`.pt2`) into a float graph. PyTorch itself is not needed."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers import torch_recurrent, torch_tensors
from ai_ops.importers.archive import Archive
from ai_ops.importers.float_graph import FloatGraph, FloatNode
from ai_ops.importers.replacements import unsupported
from ai_ops.importers.torch_calls import Call, Reader

Read = FloatNode | list[FloatNode]


def _conv(call: Call) -> FloatNode:
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


def _linear(call: Call) -> FloatNode:
    call.required("weight")
    return call.node(
        "dense", (call.value("input"),), weight=call.get("weight"), bias=call.get("bias")
    )


def _addmm(call: Call) -> FloatNode:
    weight = call.reader.put(call.name, call.required("mat2").T)
    return call.node("dense", (call.value("mat1"),), weight=weight, bias=call.get("self"))


def _matmul(call: Call) -> FloatNode:
    name = "mat2" if "mat2" in call.arguments else "other"
    if call.constant(name) is None:
        return call.node("matmul", (call.value(), call.value(name)))
    weight = call.reader.put(call.name, call.required(name).T)
    return call.node("dense", (call.value(),), weight=weight, bias=None)


def _batch_norm(call: Call) -> FloatNode:
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


def _clamp(low: float | None, high: float | None) -> Callable[[Call], FloatNode]:
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


def _max_pool(call: Call) -> FloatNode:
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


def _average_pool(call: Call) -> FloatNode:
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


def _adaptive_average(call: Call) -> FloatNode:
    rows, columns = call.pair("output_size", (1, 1))
    height, width = call.reader.shapes[call.value()][2:]
    if (rows, columns) == (1, 1):
        return call.node("global_average", keep=True)
    if height % rows or width % columns:
        raise call.refuse(f"{height} x {width} does not divide evenly into {rows} x {columns}")
    kernel = (height // rows, width // columns)
    return call.node(
        "average_pool", kernel=kernel, strides=kernel, pads=(0, 0, 0, 0), count_pads=True
    )


def _arithmetic(sign: float) -> Callable[[Call], Read]:
    """Read add (+1) and sub (-1)."""

    def read(call: Call) -> Read:
        factor = sign * float(call.get("alpha", 1))
        other, first = call.constant("other"), call.constant("self")
        found = None
        if other is not None:
            found = _affine(call, call.value(), np.float32(1.0), factor * other)
        elif first is not None:
            found = _affine(call, call.value("other"), np.float32(factor), first)
        if found is None and abs(factor) != 1:
            raise call.refuse("its alpha is not 1; multiply the second tensor first")
        return found or _computed(call, "add" if factor > 0 else "subtract")

    return read


def _multiply(call: Call) -> Read:
    for constant, value in (("other", "self"), ("self", "other")):
        factor = call.constant(constant)
        if factor is not None:
            found = _affine(call, call.value(value), factor, np.float32(0.0))
            return found or _computed(call, "multiply")
    return call.node("multiply", (call.value(), call.value("other")))


def _divide(call: Call) -> Read:
    if isinstance(call.get("other"), str) and call.constant("other") is not None:
        inverse = f"{call.name}.inverse"
        call.reader.constants[inverse] = 1 / call.required("other")
        call.arguments["other"] = inverse
        return _multiply(call)
    found = _affine(call, call.value(), 1 / call.required("other"), np.float32(0.0))
    assert found is not None, "one number varies along no axis"
    return found


def _computed(call: Call, operator: str) -> list[FloatNode]:
    """Read an operation on two tensors, of which one may be stored."""
    made: list[FloatNode] = []
    inputs = (call.operand("self", made), call.operand("other", made))
    return [*made, call.node(operator, inputs)]


def _affine(call: Call, value: str, scale: Any, shift: Any) -> FloatNode | None:
    """Return an affine map of channels, or None when a constant varies along another axis."""
    shape = call.reader.shapes[value]
    arrays = []
    for array in (np.asarray(scale), np.asarray(shift)):
        full = array.reshape((1,) * (len(shape) - array.ndim) + array.shape)
        if any(size != 1 for axis, size in enumerate(full.shape) if axis != 1):
            return None
        arrays.append(np.broadcast_to(full.reshape(-1), (shape[1],)).astype(np.float32))
    first, second = (call.reader.put(call.name, array) for array in arrays)
    return call.node("affine", (value,), scale=first, shift=second, rank=len(shape))


def _negate(call: Call) -> FloatNode:
    found = _affine(call, call.value(), np.float32(-1.0), np.float32(0.0))
    assert found is not None, "one number varies along no axis"
    return found


def _reshape(call: Call) -> FloatNode:
    return call.node("reshape", shape=call.reader.sample_shape(call))


def _permute(call: Call) -> FloatNode:
    rank = len(call.reader.shapes[call.value()])
    if "dims" in call.arguments:
        axes = [axis % rank for axis in call.get("dims")]
    else:
        axes = list(range(rank))
        first, second = call.get("dim0") % rank, call.get("dim1") % rank
        axes[first], axes[second] = axes[second], axes[first]
    if axes[0] != 0:
        raise call.refuse("it moves the sample axis")
    return call.node("transpose", axes=tuple(axes[1:]))


def _concat(call: Call) -> FloatNode:
    values = tuple(call.get("tensors"))
    axis = int(call.get("dim", 0)) % len(call.reader.shapes[call.name])
    if axis == 0 or any(value in call.reader.constants for value in values):
        raise call.refuse("it joins samples or constants; only computed tensors along axis >= 1")
    return call.node("concat", values, axis=axis)


def _softmax(logarithm: bool) -> Callable[[Call], FloatNode]:
    return lambda call: call.node("softmax", axis=int(call.get("dim")), logarithm=logarithm)


def _unary(function: str, argument: str = "", default: float = 0.0) -> Callable[[Call], FloatNode]:
    return lambda call: call.node(
        "unary", function=function, parameter=float(call.get(argument, default))
    )


def _gelu(call: Call) -> FloatNode:
    name = "gelu_tanh" if call.get("approximate", "none") == "tanh" else "gelu"
    return call.node("unary", function=name, parameter=0.0)


def _identity(call: Call) -> FloatNode:
    name = "input" if "input" in call.arguments else "self"
    return call.node("identity", (call.value(name),))


TARGETS: dict[str, Callable[[Call], Read]] = {
    "conv2d.default": _conv,
    "conv2d.padding": _conv,
    "convolution.default": _conv,
    "linear.default": _linear,
    "addmm.default": _addmm,
    "mm.default": _matmul,
    "matmul.default": _matmul,
    "batch_norm.default": _batch_norm,
    "_native_batch_norm_legit_no_training.default": _batch_norm,
    "relu.default": _clamp(0.0, None),
    "relu_.default": _clamp(0.0, None),
    "relu6.default": _clamp(0.0, 6.0),
    "hardtanh.default": _clamp(-1.0, 1.0),
    "hardtanh_.default": _clamp(-1.0, 1.0),
    "clamp.default": _clamp(None, None),
    "clamp_min.default": _clamp(None, None),
    "max_pool2d.default": _max_pool,
    "max_pool2d_with_indices.default": _max_pool,
    "avg_pool2d.default": _average_pool,
    "adaptive_avg_pool2d.default": _adaptive_average,
    "mean.dim": torch_tensors.reduce("mean"),
    "sum.dim_IntList": torch_tensors.reduce("sum"),
    "amax.default": torch_tensors.reduce("max"),
    "amin.default": torch_tensors.reduce("min"),
    "argmax.default": torch_tensors.argmax,
    "conv_transpose2d.input": torch_tensors.conv_transpose,
    "layer_norm.default": torch_tensors.layer_norm,
    "scaled_dot_product_attention.default": torch_tensors.attention,
    "upsample_nearest2d.vec": torch_tensors.upsample,
    "upsample_nearest2d.default": torch_tensors.upsample,
    "slice.Tensor": torch_tensors.slice_,
    "select.int": torch_tensors.select,
    "unbind.int": torch_tensors.unbind,
    "split.Tensor": torch_tensors.split,
    "split_with_sizes.default": torch_tensors.split,
    "chunk.default": torch_tensors.split,
    "lstm.input": torch_recurrent.layers("lstm"),
    "gru.input": torch_recurrent.layers("gru"),
    "lstm_cell.default": torch_recurrent.cell("lstm"),
    "gru_cell.default": torch_recurrent.cell("gru"),
    "zeros.default": torch_recurrent.zeros,
    "bmm.default": _matmul,
    "maximum.default": lambda call: _computed(call, "maximum"),
    "minimum.default": lambda call: _computed(call, "minimum"),
    "add.Tensor": _arithmetic(1.0),
    "add_.Tensor": _arithmetic(1.0),
    "sub.Tensor": _arithmetic(-1.0),
    "mul.Tensor": _multiply,
    "div.Tensor": _divide,
    "flatten.using_ints": _reshape,
    "view.default": _reshape,
    "reshape.default": _reshape,
    "squeeze.dim": _reshape,
    "squeeze.dims": _reshape,
    "unsqueeze.default": _reshape,
    "permute.default": _permute,
    "transpose.int": _permute,
    "cat.default": _concat,
    "constant_pad_nd.default": torch_tensors.pad,
    "pad.default": torch_tensors.pad,
    "softmax.int": _softmax(logarithm=False),
    "_softmax.default": _softmax(logarithm=False),
    "log_softmax.int": _softmax(logarithm=True),
    "_log_softmax.default": _softmax(logarithm=True),
    "sigmoid.default": _unary("sigmoid"),
    "tanh.default": _unary("tanh"),
    "gelu.default": _gelu,
    "silu.default": _unary("silu"),
    "silu_.default": _unary("silu"),
    "hardswish.default": _unary("hardswish"),
    "hardswish_.default": _unary("hardswish"),
    "hardsigmoid.default": _unary("hardsigmoid"),
    "leaky_relu.default": _unary("leaky_relu", "negative_slope", 0.01),
    "elu.default": _unary("elu", "alpha", 1.0),
    "softplus.default": _unary("softplus"),
    "mish.default": _unary("mish"),
    "erf.default": _unary("erf"),
    "exp.default": _unary("exp"),
    "log.default": _unary("log"),
    "sqrt.default": _unary("sqrt"),
    "abs.default": _unary("abs"),
    "reciprocal.default": _unary("reciprocal"),
    "pow.Tensor_Scalar": _unary("power", "exponent"),
    "neg.default": _negate,
    "dropout.default": _identity,
    "clone.default": _identity,
    "contiguous.default": _identity,
    "alias.default": _identity,
    "detach.default": _identity,
}
# What a program computes about shapes and indices; the tensors' stored shapes already say it.
SKIPPED = frozenset(
    {"sym_size.int", "_assert_scalar.default", "sym_constrain_range_for_size.default"}
)


def read_torch(path: Path) -> FloatGraph:
    """Read a `.pt2` file.

    Raises
    ------
    ImportRefused : unsafe or damaged file, or a node that no row of `TARGETS` reads
    """
    reader = Reader(Archive(path))
    for call in reader.calls:
        if call.get("training", False) or call.get("train", False):
            raise call.refuse("the network was exported in training mode; call model.eval() first")
    nodes: list[FloatNode] = []
    for call in reader.calls:
        target = call.target
        if target in SKIPPED or target.startswith("_operator."):
            continue
        if target not in TARGETS:
            raise unsupported(call.source, target.partition(".")[0])
        made = TARGETS[target](call)
        nodes.extend(made if isinstance(made, list) else [made])
    # The program calls its outputs after the last operation, which tells a reader nothing.
    count = len(reader.outputs)
    return FloatGraph(
        inputs=tuple(reader.inputs),
        outputs=tuple(reader.outputs),
        labels=("output",) if count == 1 else tuple(f"output{i}" for i in range(count)),
        nodes=tuple(nodes),
        constants=reader.constants,
    )
