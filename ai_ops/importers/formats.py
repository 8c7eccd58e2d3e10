"""Which integer type and scale each float value gets.

Activations are 8-bit integers, unsigned where no input can make them negative. A value gets 16 bits where 8 lose accuracy for certain: linear
residual streams (a sum that no ReLU follows, and the layers that add to it), global means, and the
network's outputs when `Options.output_bits` asks for it.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from ai_ops.dtype import DType
from ai_ops.importers.calibrate import Range
from ai_ops.importers.float_graph import FloatGraph, FloatNode
from ai_ops.importers.scales import LEVELS, UNSIGNED_LEVELS, WIDE_LEVELS, scale_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """How integers stand for a float value: ``real = integer * scale``.

    Attributes
    ----------
    dtype : element type
    levels : the largest integer used; the smallest is its negative, or 0 when unsigned
    scale : what one integer is worth
    """

    dtype: DType
    levels: int
    scale: Fraction

    @property
    def wide(self) -> bool:
        """Whether it has more than 8 bits."""
        return self.dtype is DType.I16

    @property
    def least(self) -> int:
        """The smallest integer used."""
        return 0 if self.dtype is DType.U8 else -self.levels


# Values of these operators keep their input's format: the integers only move.
KEEPS_SCALE = frozenset(
    {
        *("max_pool", "average_pool", "reshape", "transpose", "clamp"),
        *("slice", "take", "pad", "upsample", "tile"),
    }
)
MOVES = KEEPS_SCALE - {"max_pool", "average_pool", "clamp"}
# Values of these operators have one format with those inputs that nothing else reads.
JOINS = frozenset({"concat", "maximum", "minimum"})
SUMS = frozenset({"add", "subtract"})
LINEAR = frozenset(
    {"conv", "dense", "affine", "add", "subtract", "multiply", "conv_transpose", "lookup", "where"}
)
INDEX_FORMAT = Format(dtype=DType.I32, levels=DType.I32.maximum, scale=Fraction(1))
TRUTH_FORMAT = Format(dtype=DType.U8, levels=1, scale=Fraction(1))
# Values of these operators are never negative when their inputs are not.
PASSES_SIGN = KEEPS_SCALE | JOINS | {"add", "multiply", "global_average", "reduce", "top_k"}
NEVER_NEGATIVE = frozenset({"sigmoid", "hardsigmoid", "softplus", "exp", "sqrt", "abs"})


READS_WIDE = frozenset({"softmax", "layer_norm", "rms_norm"})


def narrow(magnitude: float) -> Format:
    """Return the 8-bit format for values up to `magnitude`."""
    return Format(dtype=DType.I8, levels=LEVELS, scale=scale_for(magnitude, LEVELS))


def narrow_unsigned(magnitude: float) -> Format:
    """Return the 8-bit format for values from 0 to `magnitude`: twice as fine."""
    return Format(
        dtype=DType.U8, levels=UNSIGNED_LEVELS, scale=scale_for(magnitude, UNSIGNED_LEVELS)
    )


def wide(magnitude: float) -> Format:
    """Return the 16-bit format for values up to `magnitude`."""
    return Format(dtype=DType.I16, levels=WIDE_LEVELS, scale=scale_for(magnitude, WIDE_LEVELS))


def choose_formats(
    graph: FloatGraph, ranges: Mapping[str, Range], output_bits: int, residual_bits: int
) -> dict[str, Format]:
    """Choose a format for each value; values that only move integers share one.

    Parameters
    ----------
    ranges : of every value, from `calibrate`
    output_bits, residual_bits : 8 or 16, as in `Options`
    """
    root = _groups(graph)
    wanted = _wide_values(graph, output_bits, residual_bits)
    wide_roots = {root[name] for name in wanted}
    # A softmax divides one whole, so its largest integer is 1 on any samples.
    shares = {node.name for node in graph.nodes if node.operator == "softmax"}
    largest: dict[str, float] = {}
    for name, group in root.items():
        size = ranges[name].maximum if group in wide_roots else ranges[name].clipped
        size = 1.0 if name in shares else size
        largest[group] = max(largest.get(group, 0.0), size)
    positive = _never_negative(graph)
    unsigned = dict.fromkeys(largest, True)
    for name, group in root.items():
        unsigned[group] &= name in positive
    made = {
        group: wide(size)
        if group in wide_roots
        else (narrow_unsigned if unsigned[group] else narrow)(size)
        for group, size in largest.items()
    }
    return {name: made[group] for name, group in root.items()} | exact_integers(graph)


def exact_integers(graph: FloatGraph) -> dict[str, Format]:
    """Return the values that are integers, not quantized numbers: indices and truth values."""
    found = {
        name: TRUTH_FORMAT if dtype is DType.U8 else INDEX_FORMAT
        for name, dtype in graph.integers.items()
    }
    for node in graph.nodes:
        part = node.attributes.get("part")
        if node.operator in {"argmax", "suppress"} or part == "indices":
            found[node.name] = INDEX_FORMAT
        elif node.operator == "compare":
            found[node.name] = TRUTH_FORMAT
        elif (
            node.operator in MOVES or node.operator in {"maximum", "minimum", "concat"}
        ) and node.inputs:
            forms = {found.get(name) for name in node.inputs}
            (form, *others) = forms
            if form is not None and not others:
                found[node.name] = form
    return found


def _never_negative(graph: FloatGraph) -> set[str]:
    """Return the values that cannot be negative, whatever the input."""
    found: set[str] = set()
    for node in graph.nodes:
        low, _ = node.clamp or (-math.inf, math.inf)
        if node.operator == "clamp":
            low = node.attributes["low"]
        function = node.attributes.get("function")
        passes = (
            node.operator in PASSES_SIGN
            and all(name in found for name in node.inputs)
            and node.attributes.get("value", 0) >= 0
        )
        if low >= 0 or passes or function in NEVER_NEGATIVE or node.operator == "softmax":
            found.add(node.name)
    return found


def keeps_format(node: FloatNode) -> bool:
    """Tell whether a node's result has its input's format."""
    extreme = node.operator == "reduce" and node.attributes["function"] in {"max", "min"}
    chosen = node.attributes.get("part") == "values"
    return node.operator in KEEPS_SCALE or extreme or chosen


def _groups(graph: FloatGraph) -> dict[str, str]:
    """Return for each value the first value whose format it shares."""
    group = {name: name for name in [*graph.inputs, *(node.name for node in graph.nodes)]}

    def root(name: str) -> str:
        while group[name] != name:
            name = group[name]
        return name

    for node in graph.nodes:
        for name in node.inputs if keeps_format(node) else ():
            group[root(node.name)] = root(name)
    for node in graph.nodes:
        for name in node.inputs if node.operator in JOINS else ():
            # A value that others read too keeps its own format and is rescaled for this.
            if len(graph.consumers(name)) == 1 and name not in graph.outputs:
                group[root(name)] = root(node.name)
    return {name: root(name) for name in group}


def residual_streams(graph: FloatGraph) -> set[str]:
    """Return the sums that no ReLU follows, and the values of the layers that add to them."""
    nodes = {node.name: node for node in graph.nodes}
    found: set[str] = set()
    for node in graph.nodes:
        if node.operator not in SUMS or node.clamp is not None:
            continue
        found.add(node.name)
        for name in node.inputs:
            maker = nodes.get(name)
            while maker is not None and keeps_format(maker):
                maker = nodes.get(maker.inputs[0])
            if maker is not None and maker.operator in LINEAR and maker.clamp is None:
                found.add(maker.name)
    return found


def _wide_values(graph: FloatGraph, output_bits: int, residual_bits: int) -> set[str]:
    found = set(graph.outputs) if output_bits > 8 else set()
    for node in graph.nodes:
        readers = {reader.operator for reader in graph.consumers(node.name)}
        if node.operator == "constant" and readers <= SUMS | {"multiply"}:
            found.add(node.name)
    if residual_bits > 8:
        found |= residual_streams(graph)
        for node in graph.nodes:
            averages = node.attributes.get("function") in {"mean", "sum"}
            if node.operator in {"global_average", "softmax"} or averages:
                found.add(node.name)
            if node.operator in READS_WIDE:
                found.update(node.inputs)
    for node in graph.nodes:
        if node.operator == "suppress":
            found.update(node.inputs)
        if node.operator == "mix" and {
            reader.operator for reader in graph.consumers(node.name)
        } == {"mix"}:
            found.add(node.name)
    return found
