"""Run a float graph with NumPy: the float model that the integer model is compared with.

The readers promise that this equals what the framework computes (tests compare it with PyTorch and
ONNX Runtime), so calibration and the accuracy report need neither of them.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from ai_ops.importers import float_choices, float_operators
from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.float_windows import convolve, window_view

_ERF = np.frompyfunc(math.erf, 1, 1)


def _sigmoid(x: FloatArray, _p: float) -> FloatArray:
    result: FloatArray = 0.5 * (np.tanh(0.5 * x) + 1)
    return result


def _erf(x: FloatArray, _p: float) -> FloatArray:
    return np.asarray(_ERF(x), x.dtype)


FUNCTIONS: dict[str, Callable[[FloatArray, float], FloatArray]] = {
    "sigmoid": _sigmoid,
    "tanh": lambda x, _: np.tanh(x),
    "gelu": lambda x, p: 0.5 * x * (1 + _erf(x / math.sqrt(2), p)),
    "gelu_tanh": lambda x, _: (
        0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    ),
    "silu": lambda x, p: x * _sigmoid(x, p),
    "hardswish": lambda x, _: x * np.clip(x + 3, 0, 6) / 6,
    "hardsigmoid": lambda x, _: np.clip(x / 6 + 0.5, 0, 1),
    "leaky_relu": lambda x, p: np.where(x >= 0, x, p * x),
    "elu": lambda x, p: np.where(x >= 0, x, p * np.expm1(np.minimum(x, 0))),
    "softplus": lambda x, _: np.logaddexp(x, 0),
    "mish": lambda x, _: x * np.tanh(np.logaddexp(x, 0)),
    "erf": _erf,
    "exp": lambda x, _: np.exp(x),
    "log": lambda x, _: np.log(x),
    "sqrt": lambda x, _: np.sqrt(x),
    "sin": lambda x, _: np.sin(x),
    "cos": lambda x, _: np.cos(x),
    "rsqrt": lambda x, _: 1 / np.sqrt(x),
    "power": lambda x, p: x**p,
    "reciprocal": lambda x, _: 1 / x,
    "abs": lambda x, _: np.abs(x),
}


def _dense(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    out: FloatArray = x @ graph.constants[node.attributes["weight"]].T
    if node.attributes["bias"] is not None:
        out = out + graph.constants[node.attributes["bias"]]
    return out


def _affine(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    column = (-1,) + (1,) * (x.ndim - 2)
    scale = graph.constants[node.attributes["scale"]].reshape(column)
    return x * scale + graph.constants[node.attributes["shift"]].reshape(column)


def _max_pool(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    result: FloatArray = window_view(x, node, node.attributes["kernel"], -np.inf)[0].max((4, 5))
    return result


def _average_pool(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    windows, real = window_view(x, node, node.attributes["kernel"], 0.0)
    area = float(np.prod(node.attributes["kernel"]))
    count = area if node.attributes["count_pads"] else real.sum((4, 5))
    result: FloatArray = windows.sum((4, 5)) / count
    return result


def _global_average(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    result: FloatArray = x.mean((2, 3), keepdims=node.attributes["keep"])
    return result


def _reshape(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    shape = node.attributes["shape"]
    copied = [x.shape[i + 1] if size == 0 else size for i, size in enumerate(shape)]
    result: FloatArray = x.reshape(len(x), *copied)
    return result


def _transpose(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    return x.transpose(0, *node.attributes["axes"])


def _softmax(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    axis = node.attributes["axis"]
    shifted = x - x.max(axis, keepdims=True)
    logarithm = shifted - np.log(np.exp(shifted).sum(axis, keepdims=True))
    result: FloatArray = logarithm if node.attributes["logarithm"] else np.exp(logarithm)
    return result


def _pointwise(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    values = {node.inputs[0]: x}
    for step in node.attributes["nodes"]:
        value = OPERATORS[step.operator](step, graph, *(values[name] for name in step.inputs))
        values[step.name] = value if step.clamp is None else np.clip(value, *step.clamp)
    return values[node.attributes["nodes"][-1].name]


Run = Callable[..., FloatArray]
OPERATORS: dict[str, Run] = {
    "conv": convolve,
    "dense": _dense,
    "affine": _affine,
    "clamp": lambda n, _, x: np.clip(x, n.attributes["low"], n.attributes["high"]),
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_average": _global_average,
    "add": lambda _n, _g, a, b: a + b,
    "multiply": lambda _n, _g, a, b: a * b,
    "concat": float_operators.concat,
    "reshape": _reshape,
    "transpose": _transpose,
    "pad": float_operators.pad,
    "slice": float_operators.slice_,
    "take": float_operators.take,
    "upsample": float_operators.upsample,
    "constant": float_operators.constant,
    "conv_transpose": float_operators.conv_transpose,
    "matmul": lambda _n, _g, a, b: a @ b,
    "subtract": lambda _n, _g, a, b: a - b,
    "maximum": lambda _n, _g, a, b: np.maximum(a, b),
    "minimum": lambda _n, _g, a, b: np.minimum(a, b),
    "reduce": float_operators.reduce,
    "layer_norm": float_operators.layer_norm,
    "rms_norm": float_operators.rms_norm,
    "mix": float_operators.mix,
    "tile": float_operators.tile,
    "argmax": float_operators.argmax,
    "top_k": float_choices.top_k,
    "suppress": float_choices.suppress,
    "lookup": float_choices.lookup,
    "compare": float_choices.compare,
    "where": float_choices.where,
    "real": lambda _n, _g, x: x,
    "unary": lambda n, _, x: FUNCTIONS[n.attributes["function"]](x, n.attributes["parameter"]),
    "pointwise": _pointwise,
    "softmax": _softmax,
    "identity": lambda _n, _g, x: x,
}


def walk_float(
    graph: FloatGraph, inputs: Mapping[str, FloatArray]
) -> Iterator[tuple[str, FloatArray]]:
    """Compute the values one after another, forgetting each when nothing reads it any more.

    Parameters
    ----------
    inputs : one array (samples, ...) for each input name

    Yields
    ------
    name and value, inputs first: float32, samples along the first axis
    """
    last = {name: node.name for node in graph.nodes for name in node.inputs}
    values: dict[str, Any] = {}
    for name in graph.inputs:
        values[name] = np.asarray(inputs[name], np.float32)
        yield name, values[name]
    for node in graph.nodes:
        arguments = [values[name] for name in node.inputs]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of masks
            value = OPERATORS[node.operator](node, graph, *arguments)
        if node.clamp is not None:
            value = np.clip(value, *node.clamp)
        values[node.name] = np.asarray(value, np.float32)
        for name in node.inputs:
            if last[name] == node.name:
                values.pop(name, None)
        yield node.name, values[node.name]


def run_float(graph: FloatGraph, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Compute every value of the graph; parameters and values as in `walk_float`."""
    return dict(walk_float(graph, inputs))


def run_outputs(graph: FloatGraph, inputs: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Compute the outputs of the graph alone, batch by batch."""
    found: dict[str, list[FloatArray]] = {name: [] for name in graph.outputs}
    for batch in batches(inputs):
        for name, value in walk_float(graph, batch):
            if name in found:
                found[name].append(value)
    return {name: np.concatenate(parts) for name, parts in found.items()}


BATCH_ELEMENTS = 2**22


def batches(samples: Mapping[str, FloatArray]) -> Iterator[dict[str, FloatArray]]:
    """Cut samples into batches of 1 to 64, so that windows of large images fit the memory."""
    count = len(next(iter(samples.values())))
    elements = sum(array[0].size for array in samples.values())
    size = max(1, min(64, BATCH_ELEMENTS // (64 * elements)))
    for start in range(0, count, size):
        yield {name: array[start : start + size] for name, array in samples.items()}
