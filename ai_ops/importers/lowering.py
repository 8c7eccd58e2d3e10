"""The integer graph under construction: scales, layouts, ports and numbering."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, Graph, Model, Node, Port, TensorType
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatGraph, FloatNode
from ai_ops.importers.scales import LEVELS, mantissa_exponent, scale_for
from ai_ops.model import build_model
from ai_ops.operators import make_node

Shape = tuple[int, ...]

# Values of these operators keep their input's scale: the integers only move.
KEEPS_SCALE = frozenset({"max_pool", "average_pool", "reshape", "transpose", "concat", "clamp"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to lower.

    Attributes
    ----------
    name : name in the manifest
    maximum_batch : 1 for a fixed batch of one, else the largest n of a symbolic batch
    channels_last : declare image ports as NHWC instead of the float network's NCHW
    """

    name: str
    maximum_batch: int = 1
    channels_last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Which float value a step of the integer graph stands for.

    Attributes
    ----------
    index : the step
    value : name in the float graph
    scale : what one integer is worth
    channels_last : the step's tensor is NHWC where the float value is NCHW
    """

    index: int
    value: str
    scale: Fraction
    channels_last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowered:
    """An integer model and what its steps stand for."""

    model: Model
    steps: tuple[Step, ...]


@dataclass(slots=True)
class Place:
    """Where a float value is in the integer graph."""

    key: str
    shape: Shape
    """Without the sample axis, in the float graph's order."""
    scale: Fraction
    image: bool
    """Rank 4, stored as NHWC."""
    order: NDArray[np.intp] | None = None
    """For a flattened image: the float index of each stored element."""


class Lowering:
    """The integer graph under construction; node inputs are keys until `finish` numbers them."""

    def __init__(
        self,
        graph: FloatGraph,
        shapes: Mapping[str, Shape],
        ranges: Mapping[str, float],
        options: Options,
    ) -> None:
        self.graph = graph
        self.shapes = shapes
        self.options = options
        self.scales = _shared_scales(graph, ranges)
        self.places: dict[str, Place] = {}
        self.weights: list[tuple[str, NDArray[np.int8]]] = []
        self.nodes: list[tuple[str, tuple[str, ...], Callable[[tuple[int, ...]], Node]]] = []
        self.steps: list[Step] = []

    @property
    def batch(self) -> int:
        """The leading dimension of every tensor."""
        return SYMBOLIC if self.options.maximum_batch > 1 else 1

    def emit(self, operator: str, inputs: tuple[str, ...], **attributes: int | Shape) -> str:
        """Append a node; return the key of its result."""
        key = f"node {len(self.nodes)}"
        self.nodes.append((key, inputs, lambda ids: make_node(operator, ids, **attributes)))
        return key

    def weight(self, array: NDArray[np.int8]) -> str:
        """Append a weight tensor; return its key."""
        key = f"weight {len(self.weights)}"
        self.weights.append((key, array))
        return key

    def put(self, node: FloatNode, key: str, order: NDArray[np.intp] | None = None) -> None:
        """Record where a float value is; its step is the last node."""
        shape = self.shapes[node.name]
        place = Place(key, shape, self.scales[node.name], len(shape) == 3, order)
        self.places[node.name] = place
        if order is None:
            self.steps.append(
                Step(
                    index=len(self.nodes) - 1,
                    value=node.name,
                    scale=place.scale,
                    channels_last=place.image,
                )
            )

    def clamp(self, node: FloatNode) -> tuple[int, int]:
        """Return the integer bounds of a node's result."""
        low, high = node.clamp or (-math.inf, math.inf)
        scale = float(self.scales[node.name])
        return (
            round(max(-LEVELS, min(LEVELS, low / scale))),
            round(max(-LEVELS, min(LEVELS, high / scale))),
        )

    def plain(self, name: str) -> str:
        """Return the key of a value in the float graph's own element order."""
        place = self.places[name]
        if not place.image:
            return place.key
        channels, height, width = place.shape
        if channels == 1 or height * width == 1:
            return self.emit("RESHAPE", (place.key,), shape=(self.batch, *place.shape))
        return self.emit("TRANSPOSE", (place.key,), permutation=(0, 3, 1, 2))

    def image(self, key: str, shape: Shape) -> str:
        """Return the key of an NCHW tensor turned into NHWC."""
        channels, height, width = shape
        if channels == 1 or height * width == 1:
            return self.emit("RESHAPE", (key,), shape=(self.batch, height, width, channels))
        return self.emit("TRANSPOSE", (key,), permutation=(0, 2, 3, 1))

    def port(self, name: str, key_shape: Shape, scale: Fraction) -> Port:
        """Declare an input or output of 8 bits."""
        mantissa, exponent = mantissa_exponent(scale)
        shape = key_shape
        if self.options.channels_last and len(shape) == 3:
            shape = (shape[1], shape[2], shape[0])
        return Port(
            name=_port_name(name),
            dtype=DType.I8,
            shape=(self.batch, *shape),
            scale_mantissa=mantissa,
            scale_exponent=exponent,
            minimum=DType.I8.minimum,
            maximum=DType.I8.maximum,
        )

    def add_inputs(self) -> tuple[Port, ...]:
        """Declare the inputs and bring images into NHWC."""
        ports = []
        for name in self.graph.inputs:
            shape, scale = self.shapes[name], self.scales[name]
            ports.append(self.port(name, shape, scale))
            image = len(shape) == 3
            key = f"input {name}"
            if image and not self.options.channels_last:
                key = self.image(key, shape)
            self.places[name] = Place(key, shape, scale, image)
        return tuple(ports)

    def finish(self, inputs: tuple[Port, ...]) -> Lowered:
        """Bring the outputs into order, number the values and build the model."""
        outputs, results = [], []
        labels = self.graph.labels or self.graph.outputs
        for name, label in zip(self.graph.outputs, labels, strict=True):
            place = self.places[name]
            outputs.append(self.port(label, place.shape, place.scale))
            last = self.options.channels_last and place.image
            key = place.key if last else self.plain(name)
            if key.startswith("input "):
                raise ImportRefused(f"the output {name} is an input of the network")
            results.append(key)
        keys = [f"input {name}" for name in self.graph.inputs]
        keys += [key for key, _ in self.weights] + [key for key, _, _ in self.nodes]
        number = {key: index for index, key in enumerate(keys)}
        graph = Graph(
            weights=tuple(
                TensorType(dtype=DType.I8, shape=array.shape) for _, array in self.weights
            ),
            nodes=tuple(
                make(tuple(number[key] for key in inputs_)) for _, inputs_, make in self.nodes
            ),
            outputs=tuple(number[key] for key in results),
        )
        model = build_model(
            name=self.options.name,
            inputs=inputs,
            outputs=tuple(outputs),
            graph=graph,
            weights=b"".join(np.ascontiguousarray(array).tobytes() for _, array in self.weights),
            maximum_units=self.options.maximum_batch,
        )
        return Lowered(model=model, steps=tuple(self.steps))


def _shared_scales(graph: FloatGraph, ranges: Mapping[str, float]) -> dict[str, Fraction]:
    """Choose a scale for each value; values that only move integers share one."""
    group = {name: name for name in [*graph.inputs, *(node.name for node in graph.nodes)]}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for node in graph.nodes:
        if node.operator in KEEPS_SCALE:
            for name in node.inputs:
                group[root(node.name)] = root(name)
    largest: dict[str, float] = {}
    for name in group:
        largest[root(name)] = max(largest.get(root(name), 0.0), ranges[name])
    return {name: scale_for(largest[root(name)]) for name in group}


def _port_name(name: str) -> str:
    """Make a framework's name printable ASCII of at most 64 characters."""
    return "".join(c if "!" <= c <= "~" else "_" for c in name)[:64] or "_"
