"""Read a `torch.export` program (`.pt2`) into a float graph. PyTorch itself is not needed."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers import (
    torch_choices,
    torch_layers,
    torch_norms,
    torch_recurrent,
    torch_resize,
    torch_tensors,
)
from ai_ops.importers.archive import Archive
from ai_ops.importers.float_graph import FloatGraph, FloatNode
from ai_ops.importers.replacements import unsupported
from ai_ops.importers.torch_attention import attention
from ai_ops.importers.torch_calls import Call, Reader
from ai_ops.importers.torch_choices import stored
from ai_ops.importers.torch_fold import fold
from ai_ops.importers.torch_lift import leaves_samples, read_lifted
from ai_ops.importers.torch_writes import needed, refuse_shared_writes

Read = FloatNode | list[FloatNode]


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


def _reversed(call: Call) -> Read:
    """Read rsub: the second less the first."""
    if call.get("alpha", 1) != 1:
        raise call.refuse("its alpha is not 1; multiply the first tensor before")
    call.arguments["self"], call.arguments["other"] = call.get("other"), call.get("self")
    return _arithmetic(-1.0)(call)


def _multiply(call: Call) -> Read:
    for constant, value in (("other", "self"), ("self", "other")):
        factor = call.constant(constant)
        if factor is not None:
            found = _affine(call, call.value(value), factor, np.float32(0.0))
            return found or _computed(call, "multiply")
    return call.node("multiply", (call.value(), call.value("other")))


def _divide(call: Call) -> Read:
    if call.get("rounding_mode") is not None:
        raise call.refuse("a rounded quotient is not read")
    if call.constant("other") is None:
        inner = replace(
            call.node("unary", (call.value("other"),), function="reciprocal", parameter=0.0),
            name=f"{call.name}.reciprocal",
        )
        made: list[FloatNode] = []
        first = call.operand("self", made)
        return [inner, *made, call.node("multiply", (first, inner.name))]
    if isinstance(call.get("other"), str):
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


def _concat(call: Call) -> list[FloatNode]:
    axis = int(call.get("dim", 0)) % len(call.reader.shapes[call.name])
    if axis == 0:
        raise call.refuse("it joins samples; only tensors along axis >= 1")
    made: list[FloatNode] = []
    values = []
    for index, value in enumerate(call.get("tensors")):
        array = call.reader.constants.get(value)
        if array is None:
            values.append(value)
            continue
        made.append(stored(call, array, f"{call.name}.part{index}"))
        values.append(made[-1].name)
    return [*made, call.node("concat", tuple(values), axis=axis)]


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


COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
TARGETS: dict[str, Callable[[Call], Read]] = {
    "conv2d.default": torch_layers.conv,
    "conv2d.padding": torch_layers.conv,
    "convolution.default": torch_layers.conv,
    "linear.default": torch_layers.linear,
    "addmm.default": torch_layers.addmm,
    "mm.default": torch_layers.matmul,
    "matmul.default": torch_layers.matmul,
    "batch_norm.default": torch_layers.batch_norm,
    "_native_batch_norm_legit_no_training.default": torch_layers.batch_norm,
    "relu.default": torch_layers.clamp(0.0, None),
    "relu6.default": torch_layers.clamp(0.0, 6.0),
    "hardtanh.default": torch_layers.clamp(-1.0, 1.0),
    "clamp.default": torch_layers.clamp(None, None),
    "clamp_min.default": torch_layers.clamp(None, None),
    "max_pool2d.default": torch_layers.max_pool,
    "max_pool2d_with_indices.default": torch_layers.max_pool,
    "avg_pool2d.default": torch_layers.average_pool,
    "adaptive_avg_pool2d.default": torch_resize.adaptive_average,
    "mean.dim": torch_tensors.reduce("mean"),
    "sum.dim_IntList": torch_tensors.reduce("sum"),
    "amax.default": torch_tensors.reduce("max"),
    "amin.default": torch_tensors.reduce("min"),
    "argmax.default": torch_tensors.argmax,
    "conv_transpose2d.input": torch_tensors.conv_transpose,
    "layer_norm.default": torch_norms.layer_norm,
    "native_layer_norm.default": torch_norms.layer_norm,
    "rms_norm.default": torch_norms.rms_norm,
    "group_norm.default": torch_norms.group_norm,
    "instance_norm.default": torch_norms.group_norm,
    "scaled_dot_product_attention.default": attention,
    **{
        f"{name}.{form}": read
        for form in ("default", "vec")
        for name, read in {
            "upsample_nearest1d": torch_resize.nearest("asymmetric", "floor"),
            "upsample_nearest2d": torch_resize.nearest("asymmetric", "floor"),
            "_upsample_nearest_exact2d": torch_resize.nearest("half_pixel", "round_prefer_ceil"),
            "upsample_linear1d": torch_resize.interpolated("linear"),
            "upsample_bilinear2d": torch_resize.interpolated("linear"),
            "upsample_bicubic2d": torch_resize.interpolated("cubic"),
        }.items()
    },
    "embedding.default": torch_choices.embedding,
    **{
        f"{name}.{form}": torch_choices.relation(symbol)
        for form in ("Scalar", "Tensor")
        for name, symbol in COMPARISONS.items()
    },
    "logical_not.default": torch_choices.negation,
    "bitwise_not.default": torch_choices.negation,
    "logical_and.default": lambda call: _computed(call, "minimum"),
    "logical_or.default": lambda call: _computed(call, "maximum"),
    "to.dtype": torch_choices.conversion,
    "_to_copy.default": torch_choices.conversion,
    "type_as.default": torch_choices.conversion,
    "where.self": torch_choices.where,
    "where.ScalarOther": torch_choices.where,
    "where.ScalarSelf": torch_choices.where,
    "masked_fill.Scalar": torch_choices.masked_fill,
    "masked_fill.Tensor": torch_choices.masked_fill,
    "topk.default": torch_choices.top_k,
    "torchvision.nms.default": torch_choices.suppress,
    "expand.default": torch_choices.expand,
    "repeat.default": torch_choices.expand,
    "index.Tensor": torch_choices.take,
    "index_select.default": torch_choices.take,
    "stack.default": torch_choices.stack,
    "roll.default": torch_choices.roll,
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
    "bmm.default": torch_layers.matmul,
    "maximum.default": lambda call: _computed(call, "maximum"),
    "minimum.default": lambda call: _computed(call, "minimum"),
    "add.Tensor": _arithmetic(1.0),
    "sub.Tensor": _arithmetic(-1.0),
    "rsub.Scalar": _reversed,
    "rsub.Tensor": _reversed,
    "div.Tensor_mode": _divide,
    "mul.Tensor": _multiply,
    "div.Tensor": _divide,
    "flatten.using_ints": _reshape,
    "unflatten.int": _reshape,
    "view.default": _reshape,
    "_unsafe_view.default": _reshape,
    "squeeze.default": _reshape,
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
    "hardswish.default": _unary("hardswish"),
    "hardsigmoid.default": _unary("hardsigmoid"),
    "leaky_relu.default": _unary("leaky_relu", "negative_slope", 0.01),
    "elu.default": _unary("elu", "alpha", 1.0),
    "softplus.default": _unary("softplus"),
    "mish.default": _unary("mish"),
    "erf.default": _unary("erf"),
    "exp.default": _unary("exp"),
    "log.default": _unary("log"),
    "sqrt.default": _unary("sqrt"),
    "rsqrt.default": _unary("rsqrt"),
    "sin.default": _unary("sin"),
    "cos.default": _unary("cos"),
    "pixel_shuffle.default": torch_resize.pixel_shuffle,
    "adaptive_max_pool2d.default": torch_layers.adaptive_max_pool,
    "square.default": lambda call: call.node("unary", function="power", parameter=2.0),
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
    {
        *("sym_size.int", "_assert_scalar.default", "sym_constrain_range_for_size.default"),
        *("_assert_tensor_metadata.default", "_guards_fn"),
    }
)


def _read(call: Call) -> list[FloatNode]:
    """Read one call, wherever its samples are."""
    refuse_shared_writes(call)
    target = call.target
    if target not in TARGETS:  # what is computed in place
        name, _, form = target.partition(".")
        target = f"{name.removesuffix('_')}.{form}"
    if target not in TARGETS:
        raise unsupported(call.source, call.target.partition(".")[0])
    if leaves_samples(call):
        return read_lifted(call, TARGETS[target])
    made = TARGETS[target](call)
    return made if isinstance(made, list) else [made]


def read_torch(path: Path, outputs: Sequence[str] = ()) -> FloatGraph:
    """Read a `.pt2` file.

    Parameters
    ----------
    outputs : what is wanted of it; its own outputs when empty. Calls that none of them depends on
        are not read

    Raises
    ------
    ImportRefused : unsafe or damaged file, or a node that no row of `TARGETS` reads
    """
    reader = Reader(Archive(path))
    for call in reader.calls:
        if call.get("training", False) or call.get("train", False):
            raise call.refuse("the network was exported in training mode; call model.eval() first")
    nodes: list[FloatNode] = []
    for call in needed(reader, outputs):
        if call.target in SKIPPED or call.target.startswith("_operator."):
            continue
        constants = fold(call)
        if constants is not None:
            reader.constants.update(constants)
        if constants is None or call.target == "zeros.default":
            nodes += _read(call)
    # The program calls its outputs after the last operation, which tells a reader nothing.
    count = len(outputs or reader.outputs)
    return FloatGraph(
        inputs=tuple(reader.inputs),
        outputs=tuple(outputs or reader.outputs),
        labels=("output",) if count == 1 else tuple(f"output{i}" for i in range(count)),
        nodes=tuple(nodes),
        constants=reader.constants,
        integers=reader.integers,
    )
