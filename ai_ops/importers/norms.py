"""Find layer and RMS normalizations that a file spells out in five to nine operations.

Written out, their squares and quotients lose what 8 or 16 bits can hold; the engine's LAYER_NORM
and RMS_NORM compute them exactly.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.resampling import Make

NORMS = frozenset({"layer_norm", "rms_norm"})
Makers = Mapping[str, FloatNode]


def find_norms(graph: FloatGraph) -> FloatGraph:
    """Replace spelled out normalizations, and fold the scale and shift that follow them."""
    constants = dict(graph.constants)
    makers: dict[str, FloatNode] = {}
    for original in graph.nodes:
        node = _normalized(original, makers, constants)
        makers[node.name] = _folded(graph, node, makers, constants)
    return graph.with_nodes(makers.values(), constants=constants)


def _normalized(node: FloatNode, makers: Makers, constants: dict[str, FloatArray]) -> FloatNode:
    """Return the normalization that a product ``x * 1 / sqrt(mean(x * x) + e)`` stands for."""
    if node.operator != "multiply" or node.clamp is not None:
        return node
    for value, factor in (node.inputs, node.inputs[::-1]):
        epsilon = _inverse_deviation(value, factor, makers, constants)
        if epsilon is None:
            continue
        centred = _centred(value, makers)
        constants[f"{node.name}.weight"] = np.ones(1, np.float32)
        constants[f"{node.name}.bias"] = np.zeros(1, np.float32)
        attributes: dict[str, object] = {"weight": f"{node.name}.weight", "epsilon": epsilon}
        if centred is None:
            return replace(node, operator="rms_norm", inputs=(value,), attributes=attributes)
        attributes["bias"] = f"{node.name}.bias"
        return replace(node, operator="layer_norm", inputs=(centred,), attributes=attributes)
    return node


def _inverse_deviation(
    value: str, factor: str, makers: Makers, constants: Mapping[str, FloatArray]
) -> float | None:
    """Return the epsilon, if `factor` is 1 over the root mean square of `value` along the last axis."""
    node = makers.get(factor)
    function = _function(node)
    if node is None or function is None:
        return None
    if function == "reciprocal":
        node = makers.get(node.inputs[0])
        function = {"sqrt": "rsqrt"}.get(_function(node) or "", "")
    inverse = function == "rsqrt" or (
        function == "power" and node is not None and node.attributes["parameter"] == -0.5
    )
    shifted = makers.get(node.inputs[0]) if inverse and node is not None else None
    if shifted is None:
        return None
    epsilon = _offset(shifted, makers, constants)
    if epsilon is None:
        return None
    amount, mean = epsilon
    square = makers.get(mean.inputs[0]) if _is_last_mean(mean) else None
    if square is None:
        return None
    squared = square.operator == "multiply" and square.inputs == (value, value)
    power = _function(square) == "power" and square.attributes["parameter"] == 2
    return amount if squared or (power and square.inputs == (value,)) else None


def _offset(
    node: FloatNode, makers: Makers, constants: Mapping[str, FloatArray]
) -> tuple[float, FloatNode] | None:
    """Return (e, mean) of the sum ``mean + e``."""
    if node.operator != "affine":
        return None
    scale, shift = (constants[node.attributes[part]] for part in ("scale", "shift"))
    if np.ptp(shift) or np.any(scale != 1) or node.inputs[0] not in makers:
        return None
    return float(shift.reshape(-1)[0]), makers[node.inputs[0]]


def _centred(value: str, makers: Makers) -> str | None:
    """Return x, if `value` is ``x - mean(x)``."""
    node = makers.get(value)
    if node is None or node.operator != "subtract":
        return None
    x, mean = node.inputs
    maker = makers.get(mean)
    return x if maker is not None and _is_last_mean(maker) and maker.inputs == (x,) else None


def _function(node: FloatNode | None) -> str | None:
    return node.attributes["function"] if node is not None and node.operator == "unary" else None


def _is_last_mean(node: FloatNode) -> bool:
    return (
        node.operator == "reduce"
        and node.attributes["function"] == "mean"
        and node.attributes["keep"]
        and node.attributes["axes"] == (node.attributes["rank"] - 1,)
    )


def _folded(
    graph: FloatGraph,
    node: FloatNode,
    makers: dict[str, FloatNode],
    constants: dict[str, FloatArray],
) -> FloatNode:
    """Return a normalization that scales or shifts as `node` does, where it only does that."""
    if node.operator not in {"multiply", "add", "affine"} or node.clamp is not None:
        return node
    norms = [name for name in node.inputs if name in makers and makers[name].operator in NORMS]
    if len(norms) != 1 or len(graph.consumers(norms[0])) != 1 or norms[0] in graph.outputs:
        return node
    norm = makers[norms[0]]
    parts = _scale_shift(node, norms[0], makers, constants)
    if parts is None or (norm.operator == "rms_norm" and np.any(parts[1])):
        return node
    names = {}
    for part in ("weight", "bias") if norm.operator == "layer_norm" else ("weight",):
        before = constants[norm.attributes[part]]
        after = before * parts[0] + (parts[1] if part == "bias" else 0)
        names[part] = f"{node.name}.{part}"
        constants[names[part]] = np.asarray(after, np.float32)
    return replace(
        norm, name=node.name, source=norm.source, attributes={**norm.attributes, **names}
    )


def _scale_shift(
    node: FloatNode, norm: str, makers: Makers, constants: Mapping[str, FloatArray]
) -> tuple[FloatArray, FloatArray] | None:
    """Return what `node` multiplies with and adds along the last axis; None when it is not that."""
    if node.operator == "affine":
        scale, shift = (constants[node.attributes[part]] for part in ("scale", "shift"))
        flat = node.attributes["rank"] == 2 or (scale.size == shift.size == 1)
        return (scale.reshape(-1), shift.reshape(-1)) if flat else None
    (other,) = [name for name in node.inputs if name != norm] or [norm]
    maker = makers.get(other)
    if maker is None or maker.operator != "constant":
        return None
    array = constants[maker.attributes["value"]]
    if array.size != array.shape[-1]:
        return None
    row = array.reshape(-1)
    return (row, np.zeros(1)) if node.operator == "multiply" else (np.ones(1), row)


def grouped_norm(
    make: Make,
    name: str,
    x: str,
    shapes: tuple[int, Sequence[int]],
    parameters: tuple[FloatArray | None, FloatArray | None, float],
    put: Callable[[str, FloatArray], str],
) -> list[FloatNode]:
    """Return the rows, their normalization, the shape again, and the channels' scale."""
    (groups, shape), (weight, bias, epsilon) = shapes, parameters
    channels = shape[1]
    row = math.prod(shape[1:]) // groups
    scale = np.ones(channels) if weight is None else weight.reshape(-1)
    shift = np.zeros(channels) if bias is None else bias.reshape(-1)
    one, zero = put(name, np.ones(1)), put(name, np.zeros(1))
    return [
        make(f"{name}.rows", "reshape", x, shape=(groups, row)),
        make(f"{name}.norm", "layer_norm", f"{name}.rows", weight=one, bias=zero, epsilon=epsilon),
        make(f"{name}.back", "reshape", f"{name}.norm", shape=tuple(shape[1:])),
        make(
            name,
            "affine",
            f"{name}.back",
            scale=put(name, scale),
            shift=put(name, shift),
            rank=len(shape),
        ),
    ]
