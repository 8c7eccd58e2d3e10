"""Chance for the fuzz cases: sizes around vector widths, ends of every range, mixed scales."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from random import Random

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, AttributeValue, TensorType, Value

SMALL = (1, 1, 2, 3, 4, 5, 7, 8)
EDGES = (15, 16, 17, 31, 32, 33, 63, 64, 65)
MAXIMUM_UNITS = 5
ELEMENTS = 2_048
"""Elements of a tensor, mostly: small cases are many cases."""
TOP_MULTIPLIER = 2**31 - 1
SIGNED = (DType.I8, DType.I16, DType.I32)
BYTES = (DType.I8, DType.I8, DType.U8)
ANY = (DType.I8, DType.I8, DType.U8, DType.I16, DType.I32)

Attributes = Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a generator proposes; the operator's `infer` decides whether it is legal.

    Parameters
    ----------
    values : tuple of Value
        Types and intervals of the inputs; dimensions may be symbolic.
    attributes : mapping
    weights : tuple of int
        Positions of inputs that are weights: known when a kernel is prepared, of full range.
    """

    values: tuple[Value, ...]
    attributes: Attributes
    weights: tuple[int, ...] = ()


Generator = Callable[["Draw"], Proposal]


class Draw:
    """One stream of choices."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.choice = random.choice
        self.between = random.randint

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def size(self, limit: int = 65) -> int:
        """Draw a dimension: small, or one beside a vector width."""
        if limit >= EDGES[0] and self.chance(0.35):
            return self.choice(tuple(size for size in EDGES if size <= limit))
        return min(self.choice(SMALL), limit)

    def shape(self, rank: int | None = None, *, symbolic: float = 0.2) -> tuple[int, ...]:
        """Draw a shape of at most `ELEMENTS` elements; one dimension may be symbolic."""
        count = self.choice((1, 1, 2, 2, 2, 3, 3, 4, 5)) if rank is None else rank
        room = ELEMENTS
        sizes = []
        for _ in range(count):
            sizes.append(self.size(min(room, 65)))
            room //= sizes[-1]
        if self.chance(0.05):
            sizes[-1] = max(1, min(room * sizes[-1], self.between(66, 600)))
        self.random.shuffle(sizes)
        if self.chance(symbolic):
            sizes[self.choice((0, 0, 0, *range(count)))] = SYMBOLIC
        return tuple(sizes)

    def dtype(self, dtypes: tuple[DType, ...] = ANY) -> DType:
        return self.choice(dtypes)

    def value(self, dtype: DType, shape: tuple[int, ...], within: int | None = None) -> Value:
        """Draw a value's interval: all of the dtype or part of it, never beyond `within`."""
        low, high = dtype.minimum, dtype.maximum
        if within is not None:
            low, high = max(low, -within), min(high, within)
        if self.chance(0.3):
            ends = sorted(self.choice((low, high, 0, self.between(low, high))) for _ in range(2))
            low, high = max(low, ends[0]), min(high, ends[1])
        return Value(type=TensorType(dtype=dtype, shape=shape), minimum=low, maximum=high)

    def weight(self, dtype: DType, shape: tuple[int, ...]) -> Value:
        """A weight has the whole range of its dtype, -128 included."""
        return Value(
            type=TensorType(dtype=dtype, shape=shape),
            minimum=dtype.minimum,
            maximum=dtype.maximum,
        )

    def clamp(self, dtype: DType) -> dict[str, AttributeValue]:
        low, high = dtype.minimum, dtype.maximum
        kind = self.random.random()
        if kind < 0.15:
            low = max(low, 0)
        elif kind < 0.3:
            low, high = max(low, -127), min(high, 127)
        elif kind < 0.4:
            low, high = sorted((self.between(low, high), self.between(low, high)))
        elif kind < 0.43:
            low = high = self.choice((low, high, 0))
        return {"minimum": low, "maximum": high}

    def extreme_pair(self) -> tuple[int, int]:
        """Draw a multiplier and shift from the ends of their ranges."""
        multiplier = self.choice((0, 1, 2, 2**30, TOP_MULTIPLIER, self.between(0, TOP_MULTIPLIER)))
        return multiplier, self.choice((1, 2, 30, 31, 32, 61, 62, self.between(1, 62)))

    def fitted_pair(self, bound: int, top: int) -> tuple[int, int]:
        """Draw a pair that takes sums of up to `bound` to about `top`: neither 0 nor clamped."""
        multiplier = self.between(2**30, TOP_MULTIPLIER)
        excess = max(1, bound).bit_length() - top.bit_length()
        shift = 30 + excess - self.choice((-1, 0, 1, 2, 3, 4, 5, 7))
        return multiplier, max(1, min(62, shift))

    def pair(self, bound: int, top: int) -> tuple[int, int]:
        return self.extreme_pair() if self.chance(0.2) else self.fitted_pair(bound, top)

    def rescaled(
        self, channels: int, bound: int, dtypes: tuple[DType, ...] = ANY
    ) -> dict[str, AttributeValue]:
        """Draw the rescale fields for sums of up to `bound` in size."""
        dtype = self.dtype(dtypes)
        count = channels if channels > 1 and self.chance(0.5) else 1
        pairs = [self.pair(bound, dtype.maximum) for _ in range(count)]
        return {
            "multipliers": tuple(multiplier for multiplier, _ in pairs),
            "shifts": tuple(shift for _, shift in pairs),
            "dtype": dtype.code,
            **self.clamp(dtype),
        }

    def bias(self, channels: int, bound: int) -> tuple[int, ...]:
        """Draw biases of about the size of the sums they are added to."""
        if self.chance(0.3):
            return ()
        room = min(2**31 - 1 - bound, self.choice((0, 1, 255, bound, 2**24, 2**31)))
        if room < 0:
            return (0,) * channels
        return tuple(self.choice((-room, room, self.between(-room, room))) for _ in range(channels))


def magnitude(dtype: DType) -> int:
    return max(-dtype.minimum, dtype.maximum)


def count(shape: tuple[int, ...]) -> int:
    """Count elements at the most units that a case draws."""
    return prod(MAXIMUM_UNITS if size == SYMBOLIC else size for size in shape)
