"""What a case of the start-up self test consists of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ai_ops.dtype import DType
from ai_ops.graph import AttributeValue, Node, TensorType, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One node with the types of its inputs.

    Parameters
    ----------
    node : Node
    types : tuple of (DType, shape)
    weight : bool
        Whether the last input is a weight.
    ranges : mapping of int to (int, int)
        Intervals of inputs that are not their whole dtype's, by position.
    """

    node: Node
    types: tuple[tuple[DType, tuple[int, ...]], ...]
    weight: bool = False
    ranges: Mapping[int, tuple[int, int]] = field(default_factory=dict)

    def values(self) -> tuple[Value, ...]:
        """Return types and intervals of the inputs."""
        found = []
        for position, (dtype, shape) in enumerate(self.types):
            low, high = self.ranges.get(position, (dtype.minimum, dtype.maximum))
            tensor = TensorType(dtype=dtype, shape=shape)
            found.append(Value(type=tensor, minimum=low, maximum=high))
        return tuple(found)


def rescaled(channels: int, shift: int, dtype: DType) -> dict[str, AttributeValue]:
    """Return rescale fields of large multipliers, one for each channel."""
    return {
        "multipliers": tuple(2**31 - 1 - channel for channel in range(channels)),
        "shifts": (shift,) * channels,
        "dtype": dtype.code,
        "minimum": dtype.minimum,
        "maximum": dtype.maximum,
    }
