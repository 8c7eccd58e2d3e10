"""An integer graph under construction: ports, weights, nodes by key, numbered at the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ai_ops.dtype import DType
from ai_ops.graph import Graph, Model, Node, Port, TensorType
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.language.observe import Reals
from ai_ops.importers.scales import mantissa_exponent, scale_for
from ai_ops.model import build_model
from ai_ops.operators import make_node

Integers = NDArray[np.int8] | NDArray[np.int16] | NDArray[np.int32]
Shape = tuple[int, ...]
RESULTS = {"DYNAMIC_QUANTIZE": 2}
"""Operators that give more than one tensor."""
WORDS = {1: DType.I8, 2: DType.I16, 4: DType.I32}


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Which float value a step's first result stands for.

    Attributes
    ----------
    index : the step
    value : name of the float value
    scales : what one integer is worth: one number, or one per element of a row
    offset : what is added to it
    """

    index: int
    value: str
    scales: Reals
    offset: Reals


class Builder:
    """A graph under construction; node inputs are keys until `finish` numbers them."""

    def __init__(self, progress: Callable[[str], None] = lambda _: None) -> None:
        self.progress = progress
        self.inputs: list[Port] = []
        self.weights: list[Integers] = []
        self.nodes: list[tuple[Callable[[tuple[int, ...]], Node], tuple[str, ...], int]] = []
        self.outputs: list[tuple[Port, str]] = []
        self.watched: list[Watched] = []

    def input(self, name: str, dtype: DType, shape: Shape, bounds: tuple[int, int]) -> str:
        """Declare an input whose integers mean themselves; return its key."""
        self.inputs.append(_port(name, dtype, shape, 1.0, bounds))
        return f"input {len(self.inputs) - 1}"

    def output(self, name: str, key: str, dtype: DType, shape: Shape, scale: float) -> None:
        """Declare a result of the model."""
        port = _port(name, dtype, shape, scale, (dtype.minimum, dtype.maximum))
        self.outputs.append((port, key))

    def weight(self, array: Integers) -> str:
        """Append a weight tensor; return its key."""
        self.weights.append(array)
        return f"weight {len(self.weights) - 1}"

    def emit(
        self,
        operator: str,
        inputs: Sequence[str],
        **attributes: int | Shape,
    ) -> str:
        """Append a node; return its first result's key (the next one's is `second` of it)."""
        given = tuple(inputs)
        results = RESULTS.get(operator, 1)
        self.nodes.append((lambda ids: make_node(operator, ids, **attributes), given, results))
        return f"node {len(self.nodes) - 1}"

    def watch(self, value: str, scales: float | Reals, offset: float | Reals = 0.0) -> None:
        """Note that the last node's result stands for a float value."""
        self.watched.append(
            Watched(
                index=len(self.nodes) - 1,
                value=value,
                scales=np.asarray(scales, np.float64),
                offset=np.asarray(offset, np.float64),
            )
        )

    def finish(self, name: str, maximum_units: int) -> Model:
        """Give every value its number and build the model."""
        number = {f"input {i}": i for i in range(len(self.inputs))}
        for i in range(len(self.weights)):
            number[f"weight {i}"] = len(number)
        following = len(number)
        for i, (_, _, results) in enumerate(self.nodes):
            for result in range(results):
                number[f"node {i}" if result == 0 else second(f"node {i}")] = following + result
            following += results
        graph = Graph(
            weights=tuple(
                TensorType(dtype=WORDS[array.itemsize], shape=array.shape) for array in self.weights
            ),
            nodes=tuple(make(tuple(number[key] for key in keys)) for make, keys, _ in self.nodes),
            outputs=tuple(number[key] for _, key in self.outputs),
        )
        return build_model(
            name=name,
            inputs=tuple(self.inputs),
            outputs=tuple(port for port, _ in self.outputs),
            graph=graph,
            weights=b"".join(
                array.astype(array.dtype.newbyteorder("<")).tobytes("C") for array in self.weights
            ),
            maximum_units=maximum_units,
        )


def second(key: str) -> str:
    """Return the key of a node's second result."""
    return f"{key} second"


def _port(name: str, dtype: DType, shape: Shape, scale: float, bounds: tuple[int, int]) -> Port:
    mantissa, exponent = mantissa_exponent(scale_for(scale, 1))
    return Port(
        name=name,
        dtype=dtype,
        shape=shape,
        scale_mantissa=mantissa,
        scale_exponent=exponent,
        minimum=bounds[0],
        maximum=bounds[1],
    )


def pairs(
    ratios: float | Reals, source: str, shifts: tuple[int, int] = (1, 62)
) -> dict[str, Shape]:
    """Return multipliers and shifts with ``multiplier / 2**shift`` nearest to each ratio.

    Parameters
    ----------
    ratios : one number or (channels,), none negative
    shifts : the least and most that the operator takes

    Raises
    ------
    ImportRefused : a ratio is so large that no legal shift is left
    """
    given = np.atleast_1d(np.asarray(ratios, np.float64))
    fraction, exponent = np.frexp(given)
    multiplier = np.rint(fraction * 2.0**31).astype(np.int64)
    shift = 31 - exponent.astype(np.int64)
    over = multiplier == 2**31
    multiplier, shift = np.where(over, 2**30, multiplier), np.where(over, shift - 1, shift)
    beyond = np.clip(shift - shifts[1], 0, 62)
    multiplier = np.where(beyond > 0, (multiplier + (1 << beyond >> 1)) >> beyond, multiplier)
    shift = np.where(given == 0, shifts[0], shift - beyond)
    if (shift < shifts[0]).any():
        raise ImportRefused(
            f"the step {source} multiplies by {float(given.max()):.3g}, beyond what an operator"
            " takes: its calibration text is too unlike real text, or its weights are broken"
        )
    if len(given) > 1 and (multiplier == multiplier[0]).all() and (shift == shift[0]).all():
        multiplier, shift = multiplier[:1], shift[:1]
    return {
        "multipliers": tuple(int(m) for m in multiplier),
        "shifts": tuple(int(s) for s in shift),
    }


def pair(ratio: float, source: str) -> tuple[int, int]:
    """Return one (multiplier, shift)."""
    found = pairs(ratio, source)
    return found["multipliers"][0], found["shifts"][0]
