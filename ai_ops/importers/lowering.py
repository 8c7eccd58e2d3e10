"""The integer graph under construction: scales, layouts, ports and numbering."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, Graph, Model, Node, Port, TensorType
from ai_ops.importers.calibrate import Calibration
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.formats import Format, choose_formats, residual_streams
from ai_ops.importers.scales import (
    BIAS_LIMIT,
    LEVELS,
    mantissa_exponent,
    multiplier_shift,
    scale_for,
)
from ai_ops.model import build_model
from ai_ops.operators import make_node

Shape = tuple[int, ...]
DTYPES = {1: DType.I8, 2: DType.I16, 4: DType.I32}

IMAGE_AXES = {0: 0, 1: 3, 2: 1, 3: 2}
"""Where the axes of (N, C, H, W) are in (N, H, W, C)."""
ACCUMULATOR_LIMIT = 2**31 - 1 - BIAS_LIMIT
WEIGHT_MAGNITUDE = 128
FEWEST_WIDE_LEVELS = 1024
"""Fewer levels than this are not worth 16 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to lower.

    Attributes
    ----------
    name : name in the manifest
    maximum_batch : 1 for a fixed batch of one, else the largest n of a symbolic batch
    channels_last : declare image ports as NHWC instead of the float network's NCHW
    output_bits : 8 or 16 for the network's outputs
    residual_bits : 8 or 16 for linear residual streams and global means
    wide_products : let layers read residual streams in 16 bits, not rescaled to 8
    """

    name: str
    maximum_batch: int = 1
    channels_last: bool = False
    output_bits: int = 8
    residual_bits: int = 16
    wide_products: bool = False


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
    format: Format
    image: bool
    """Rank 4, stored as NHWC."""
    order: NDArray[np.intp] | None = None
    """For a flattened image: the float index of each stored element."""

    @property
    def scale(self) -> Fraction:
        """What one integer is worth."""
        return self.format.scale


@dataclass(frozen=True, slots=True)
class Emitted:
    """A node whose operands are not numbered yet."""

    results: tuple[str, ...]
    inputs: tuple[str, ...]
    make: Callable[[tuple[int, ...]], Node]


class Lowering:
    """The integer graph under construction; node inputs are keys until `finish` numbers them."""

    def __init__(
        self,
        graph: FloatGraph,
        shapes: Mapping[str, Shape],
        calibration: Calibration,
        options: Options,
    ) -> None:
        self.graph = graph
        self.shapes = shapes
        self.options = options
        self.moments = calibration.moments
        self.formats = choose_formats(
            graph, calibration.ranges, options.output_bits, options.residual_bits
        )
        # What layers read in 8 bits although it has 16.
        self.streams = set() if options.wide_products else residual_streams(graph)
        self.places: dict[str, Place] = {}
        self.requantized: dict[tuple[str, int], Place] = {}
        self.weights: list[tuple[str, NDArray[np.integer]]] = []
        self.nodes: list[Emitted] = []
        self.moved: dict[str, tuple[str, Shape]] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.steps: list[Step] = []

    @property
    def batch(self) -> int:
        """The leading dimension of every tensor."""
        return SYMBOLIC if self.options.maximum_batch > 1 else 1

    def emit(self, operator: str, inputs: tuple[str, ...], **attributes: int | Shape) -> str:
        """Append a node; return the key of its result."""
        return self.emit_several(operator, inputs, 1, **attributes)[0]

    def emit_several(
        self, operator: str, inputs: tuple[str, ...], results: int, **attributes: int | Shape
    ) -> tuple[str, ...]:
        """Append a node; return the keys of its results."""
        keys = tuple(f"node {len(self.nodes)}.{result}" for result in range(results))
        self.nodes.append(Emitted(keys, inputs, lambda ids: make_node(operator, ids, **attributes)))
        return keys

    def transpose(self, key: str, permutation: Shape) -> str:
        """Append a TRANSPOSE; what undoes or follows another one is joined with it."""
        source, before = self.moved.get(key, (key, tuple(range(len(permutation)))))
        joined = tuple(before[axis] for axis in permutation)
        if joined == tuple(range(len(joined))):
            return source
        result = self.emit("TRANSPOSE", (source,), permutation=joined)
        self.moved[result] = (source, joined)
        return result

    def weight(self, array: NDArray[np.integer]) -> str:
        """Append a weight tensor; return its key."""
        key = f"weight {len(self.weights)}"
        self.weights.append((key, array))
        return key

    def stored(self, name: str) -> FloatArray | None:
        """Return the array of a stored value; None when it is computed."""
        maker = next((node for node in self.graph.nodes if node.name == name), None)
        if maker is None or maker.operator != "constant":
            return None
        return self.graph.constants[maker.attributes["value"]]

    def constant(self, name: str, form: Format) -> str | None:
        """Store a constant in a given format; return its key, or None for what is computed."""
        stored = self.stored(name)
        if stored is None:
            return None
        real = stored.astype(np.float64)
        if real.ndim == 4:
            real = real.transpose(0, 2, 3, 1)
        steps = np.clip(np.rint(real / float(form.scale)), form.least, form.levels)
        return self.weight(steps.astype(form.dtype.numpy))

    def put(self, node: FloatNode, key: str, order: NDArray[np.intp] | None = None) -> None:
        """Record where a float value is; its step is the last node."""
        shape = self.shapes[node.name]
        place = Place(key, shape, self.formats[node.name], len(shape) == 3, order)
        self.places[node.name] = place
        made = key.startswith("node ") and key.endswith(".0")
        if order is None and made:
            self.steps.append(
                Step(
                    index=int(key[len("node ") : -len(".0")]),
                    value=node.name,
                    scale=place.scale,
                    channels_last=place.image,
                )
            )

    def put_plain(self, node: FloatNode, key: str) -> None:
        """Record a value that lies in the float graph's own element order."""
        shape = self.shapes[node.name]
        self.put(node, self.image(key, shape) if len(shape) == 3 else key)

    def reformat(self, place: Place, form: Format) -> str:
        """Return the key of a value in another format."""
        if place.format == form:
            return place.key
        ratio = place.scale / form.scale
        return self.rescale(place.key, ratio, form.dtype, (form.least, form.levels))

    def clamp(self, node: FloatNode) -> tuple[int, int]:
        """Return the integer bounds of a node's result."""
        form = self.formats[node.name]
        low, high = node.clamp or (-math.inf, math.inf)
        scale, levels = float(form.scale), form.levels
        return (
            round(max(form.least, min(levels, low / scale))),
            round(max(form.least, min(levels, high / scale))),
        )

    def factor(self, name: str, depth: int) -> Place:
        """Return a value as a factor of sums of `depth` products with 8-bit weights.

        Residual streams are 16 bits for their sums; products with them take 8, which is faster
        and loses little. Other 16-bit values keep what the 32 bits of the sum leave room for.
        """
        place = self.places[name]
        levels = ACCUMULATOR_LIMIT // (WEIGHT_MAGNITUDE * depth)
        if not place.format.wide or (name not in self.streams and place.format.levels <= levels):
            return place
        keep = levels >= FEWEST_WIDE_LEVELS and name not in self.streams
        return self.requantize(name, levels if keep else LEVELS)

    def narrowed(self, name: str) -> Place:
        """Return a value in 8 bits."""
        place = self.places[name]
        return self.requantize(name, LEVELS) if place.format.wide else place

    def requantize(self, name: str, levels: int) -> Place:
        """Return a value rescaled so that its largest integer is `levels`."""
        if (name, levels) not in self.requantized:
            place = self.places[name]
            dtype = DType.I8 if levels <= LEVELS else DType.I16
            scale = scale_for(float(place.scale * place.format.levels), levels)
            form = Format(dtype=dtype, levels=levels, scale=scale)
            key = self.rescale(place.key, place.scale / scale, dtype, (-levels, levels))
            self.requantized[name, levels] = replace(place, key=key, format=form)
        return self.requantized[name, levels]

    def rescale(self, key: str, ratio: Fraction, dtype: DType, clamp: tuple[int, int]) -> str:
        """Append a RESCALE; return its key."""
        multiplier, shift = multiplier_shift(ratio, "rescale")
        return self.emit(
            "RESCALE",
            (key,),
            multipliers=(multiplier,),
            shifts=(shift,),
            dtype=dtype.code,
            minimum=clamp[0],
            maximum=clamp[1],
        )

    def plain(self, name: str) -> str:
        """Return the key of a value in the float graph's own element order."""
        return self.plain_key(self.places[name])

    def plain_key(self, place: Place) -> str:
        """Return the key of a placed value in the float graph's own element order."""
        if not place.image:
            return place.key
        channels, height, width = place.shape
        if channels == 1 or height * width == 1:
            return self.emit("RESHAPE", (place.key,), shape=(self.batch, *place.shape))
        return self.transpose(place.key, (0, 3, 1, 2))

    def image(self, key: str, shape: Shape) -> str:
        """Return the key of an NCHW tensor turned into NHWC."""
        channels, height, width = shape
        if channels == 1 or height * width == 1:
            return self.emit("RESHAPE", (key,), shape=(self.batch, height, width, channels))
        return self.transpose(key, (0, 2, 3, 1))

    def port(self, name: str, key_shape: Shape, form: Format) -> Port:
        """Declare an input or output."""
        mantissa, exponent = mantissa_exponent(form.scale)
        shape = key_shape
        if self.options.channels_last and len(shape) == 3:
            shape = (shape[1], shape[2], shape[0])
        return Port(
            name=_port_name(name),
            dtype=form.dtype,
            shape=(self.batch, *shape),
            scale_mantissa=mantissa,
            scale_exponent=exponent,
            minimum=form.dtype.minimum,
            maximum=form.dtype.maximum,
        )

    def add_inputs(self) -> tuple[Port, ...]:
        """Declare the inputs and bring images into NHWC."""
        ports = []
        for name in self.graph.inputs:
            shape, form = self.shapes[name], self.formats[name]
            ports.append(self.port(name, shape, form))
            image = len(shape) == 3
            key = f"input {name}"
            if image and not self.options.channels_last:
                key = self.image(key, shape)
            self.places[name] = Place(key, shape, form, image)
        return tuple(ports)

    def finish(self, inputs: tuple[Port, ...]) -> Lowered:
        """Bring the outputs into order, number the values and build the model."""
        outputs, results = [], []
        labels = self.graph.labels or self.graph.outputs
        for name, label in zip(self.graph.outputs, labels, strict=True):
            place = self.places[name]
            outputs.append(self.port(label, place.shape, place.format))
            last = self.options.channels_last and place.image
            key = place.key if last else self.plain(name)
            if key.startswith("input "):
                raise ImportRefused(f"the output {name} is an input of the network")
            results.append(key)
        self._drop_unused(results)
        keys = [f"input {name}" for name in self.graph.inputs]
        keys += [key for key, _ in self.weights]
        keys += [key for node in self.nodes for key in node.results]
        number = {key: index for index, key in enumerate(keys)}
        graph = Graph(
            weights=tuple(
                TensorType(dtype=DTYPES[array.dtype.itemsize], shape=array.shape)
                for _, array in self.weights
            ),
            nodes=tuple(
                node.make(tuple(number[key] for key in node.inputs)) for node in self.nodes
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

    def _drop_unused(self, results: list[str]) -> None:
        """Remove nodes and weights that no output depends on; a model may hold none."""
        needed = set(results)
        for node in reversed(self.nodes):
            if needed.intersection(node.results):
                needed.update(node.inputs)
        kept = [index for index, node in enumerate(self.nodes) if needed.intersection(node.results)]
        place = {old: new for new, old in enumerate(kept)}
        self.nodes = [self.nodes[index] for index in kept]
        self.weights = [weight for weight in self.weights if weight[0] in needed]
        self.steps = [
            replace(step, index=place[step.index]) for step in self.steps if step.index in place
        ]


def _port_name(name: str) -> str:
    """Make a framework's name printable ASCII of at most 64 characters."""
    return "".join(c if "!" <= c <= "~" else "_" for c in name)[:64] or "_"
