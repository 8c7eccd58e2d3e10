"""One fuzz case: a node, its inputs and their bytes, made from (seed, operator, index) alone."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from random import Random
from typing import Any

import numpy as np

from ai_ops.dtype import BY_CODE, Array
from ai_ops.errors import InvalidModel
from ai_ops.graph import SYMBOLIC, AttributeValue, Node, TensorType, Value
from ai_ops.operators import OPERATORS, make_node
from tests.fuzz.draw import MAXIMUM_UNITS, Draw, Proposal
from tests.fuzz.generators import GENERATORS

ATTEMPTS = 100


class NoCase(AssertionError):
    """A generator whose proposals are all refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A node that the operator accepts, and arrays inside the intervals of its inputs.

    Attributes
    ----------
    weights : tuple of int
        Positions of inputs that a backend sees when it prepares.
    views : tuple of bool
        Which arrays a kernel gets as a view with odd strides.
    attempts : int
        Proposals drawn until one was accepted.
    """

    node: Node
    values: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: tuple[int, ...]
    arrays: tuple[Array, ...]
    units: int
    views: tuple[bool, ...]
    attempts: int = 1

    @property
    def elements(self) -> int:
        return sum(array.size for array in self.arrays)


def make_case(operator: str, seed: int, index: int) -> Case:
    """Draw case `index` of an operator; every index has a stream of its own."""
    random = Random(f"{seed}/{operator}/{index}")
    draw = Draw(random)
    for attempt in range(1, ATTEMPTS + 1):
        proposal = GENERATORS[operator](draw)
        try:
            node, outputs = accepted(operator, proposal)
        except InvalidModel:
            continue
        units = random.randint(1, MAXIMUM_UNITS)
        numbers = np.random.default_rng(random.getrandbits(64))
        mixed = random.choice(FILLS)
        arrays = tuple(
            fill(value, units, random.choice(FILLS) if random.random() < 0.5 else mixed, numbers)
            for value in proposal.values
        )
        return Case(
            node=node,
            values=proposal.values,
            outputs=outputs,
            weights=proposal.weights,
            arrays=arrays,
            units=units,
            views=tuple(
                at not in proposal.weights and random.random() < 0.2 for at in range(len(arrays))
            ),
            attempts=attempt,
        )
    raise NoCase(f"{operator}: {ATTEMPTS} proposals were refused (seed {seed}, case {index})")


def accepted(operator: str, proposal: Proposal) -> tuple[Node, tuple[Value, ...]]:
    """Return the node and what it produces.

    Raises
    ------
    InvalidModel
        The operator refuses the proposal, or no validated model could hold it.
    """
    node = make_node(operator, tuple(range(len(proposal.values))), **proposal.attributes)
    for value in proposal.values:
        if value.minimum > value.maximum:
            raise InvalidModel(0, "an empty interval")
    outputs = OPERATORS[operator].infer(node, proposal.values)
    if any(out.type.shape.count(-1) > 1 or len(out.type.shape) > 8 for out in outputs):
        raise InvalidModel(0, "two symbolic dimensions, or too many dimensions")
    return node, outputs


FILLS = ("uniform", "uniform", "uniform", "ends", "lowest", "highest", "few", "small", "ramp")


def fill(value: Value, units: int, pattern: str, numbers: np.random.Generator) -> Array:
    """Fill a tensor inside its interval: uniform, only ends, ties, near zero, in order."""
    low, high = value.minimum, value.maximum
    shape = value.type.concrete(units)
    size = prod(shape)
    if pattern == "uniform":
        flat = numbers.integers(low, high, size, endpoint=True)
    elif pattern == "ends":
        flat = np.where(numbers.random(size) < 0.5, low, high)
    elif pattern in {"lowest", "highest"}:
        flat = np.full(size, low if pattern == "lowest" else high)
    elif pattern == "few":
        few = numbers.integers(low, high, 3, endpoint=True)
        flat = few[numbers.integers(0, 3, size)]
    elif pattern == "small":
        flat = np.clip(numbers.integers(-2, 3, size), low, high)
    else:
        flat = low + (np.arange(size) * 37 + int(numbers.integers(0, 99))) % (high - low + 1)
    return flat.astype(value.type.dtype.numpy).reshape(shape)


def as_view(array: Array, kind: int) -> Array:
    """Return the same elements with other strides: backwards, columns first, or spread."""
    if kind == 0:
        return np.ascontiguousarray(array[::-1])[::-1]
    if kind == 1:
        return np.ascontiguousarray(array.T).T
    wide = np.zeros((*array.shape[:-1], array.shape[-1] * 2), array.dtype)
    wide[..., ::2] = array
    return wide[..., ::2]


def to_vector(case: Case, expected: tuple[Array, ...], why: str) -> dict[str, Any]:
    """Write a case like a vector of docs/spec/vectors/02-operators, with intervals and units.

    A symbolic dimension stays -1 and has `units` elements.
    """
    return {
        "why": why,
        "operator": case.node.operator,
        "attributes": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in case.node.attributes
        },
        "units": case.units,
        "inputs": [
            {
                "dtype": value.type.dtype.code,
                "shape": list(value.type.shape),
                "minimum": value.minimum,
                "maximum": value.maximum,
                "data": array.ravel().tolist(),
            }
            for array, value in zip(case.arrays, case.values, strict=True)
        ],
        "weights": list(case.weights),
        "views": list(case.views),
        "outputs": [
            {
                "dtype": value.type.dtype.code,
                "shape": list(result.shape),
                "data": result.ravel().tolist(),
            }
            for result, value in zip(expected, case.outputs, strict=False)
        ],
    }


def from_vector(vector: dict[str, Any]) -> tuple[Case, tuple[Array, ...]]:
    """Read what `to_vector` wrote."""
    attributes: dict[str, AttributeValue] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vector["attributes"].items()
    }
    units = vector["units"]
    values = tuple(
        Value(
            type=TensorType(dtype=BY_CODE[tensor["dtype"]], shape=tuple(tensor["shape"])),
            minimum=tensor["minimum"],
            maximum=tensor["maximum"],
        )
        for tensor in vector["inputs"]
    )
    weights = tuple(vector["weights"])
    proposal = Proposal(values=values, attributes=attributes, weights=weights)
    node, outputs = accepted(vector["operator"], proposal)
    case = Case(
        node=node,
        values=values,
        outputs=outputs,
        weights=weights,
        arrays=tuple(_array(tensor, units) for tensor in vector["inputs"]),
        units=units,
        views=tuple(vector["views"]),
    )
    return case, tuple(_array(tensor, units) for tensor in vector["outputs"])


def _array(tensor: dict[str, Any], units: int) -> Array:
    dtype = BY_CODE[tensor["dtype"]].numpy
    shape = tuple(units if size == SYMBOLIC else size for size in tensor["shape"])
    return np.array(tensor["data"], dtype).reshape(shape)
