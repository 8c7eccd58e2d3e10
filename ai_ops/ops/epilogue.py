"""The shared end of an operator: rescale an accumulator, clamp it, give it its type.

Fields `multipliers` and `shifts` hold one entry, or one per channel (the last dimension).
Source: docs/spec/01-tensors.md T-3, T-5.
"""

from __future__ import annotations

import numpy as np

from ai_ops.arithmetic import (
    MULTIPLIER_LIMIT,
    SHIFT_MAXIMUM,
    SHIFT_MINIMUM,
    Wide,
    rescale,
)
from ai_ops.dtype import BY_CODE, Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field

CLAMP_FIELDS = (Field(name="minimum", element="i32"), Field(name="maximum", element="i32"))
RESCALE_FIELDS = (
    Field(name="multipliers", element="u32", count=LIST),
    Field(name="shifts", element="u8", count=LIST),
    Field(name="dtype", element="u8"),
    *CLAMP_FIELDS,
)


def output_dtype(node: Node) -> DType:
    """Read and check the field `dtype`."""
    code = node.integer("dtype")
    if code not in BY_CODE:
        raise InvalidModel(ModelFault.DTYPE, f"{node.operator}: {code} is not the code of a dtype")
    return BY_CODE[code]


def clamp_range(node: Node, dtype: DType) -> tuple[int, int]:
    """Read the fields `minimum` and `maximum`; they must be ordered and fit `dtype`."""
    low, high = node.integer("minimum"), node.integer("maximum")
    if not dtype.minimum <= low <= high <= dtype.maximum:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            f"{node.operator}: the clamp [{low}, {high}] is empty or leaves {dtype.name}",
        )
    return low, high


def clamp_interval(node: Node, dtype: DType, low: int, high: int) -> tuple[int, int]:
    """Check the clamp fields and return what they leave of the interval [low, high]."""
    least, most = clamp_range(node, dtype)
    return min(max(low, least), most), max(min(high, most), least)


def check_multiplier(node: Node, multiplier: int, shift: int) -> None:
    """Check one pair against the range in which rescale cannot overflow."""
    if not 0 <= multiplier < MULTIPLIER_LIMIT:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            f"{node.operator}: multiplier {multiplier} is above 2^31 - 1",
        )
    if not SHIFT_MINIMUM <= shift <= SHIFT_MAXIMUM:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE, f"{node.operator}: shift {shift} is outside 1 to 62"
        )


def check_accumulator(node: Node, low: int, high: int) -> None:
    """Reject an operator whose accumulator could leave i32."""
    if low < DType.I32.minimum or high > DType.I32.maximum:
        raise InvalidModel(
            ModelFault.ACCUMULATOR,
            f"{node.operator}: an accumulator can reach [{low}, {high}], which leaves i32",
        )


def check_interval(node: Node, value: Value, low: int, high: int) -> None:
    """Reject an operand that could leave the range which the operator takes."""
    if value.minimum < low or value.maximum > high:
        raise InvalidModel(
            ModelFault.INTERVAL,
            f"{node.operator}: an operand can reach [{value.minimum}, {value.maximum}]; "
            f"it takes [{low}, {high}]",
        )


def check_index(node: Node, value: Value, what: str) -> None:
    """Require an i32 tensor of one element."""
    if value.type.shape != (1,):
        raise InvalidModel(ModelFault.SHAPE, f"{node.operator}: {what} must have the shape (1)")
    if value.type.dtype is not DType.I32:
        raise InvalidModel(ModelFault.DTYPE, f"{node.operator}: {what} must be i32")


def check_channels(node: Node, name: str, allowed: tuple[int, ...]) -> None:
    """Check how many entries a per-channel field has."""
    count = len(node.integers(name))
    if count not in allowed:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE,
            f"{node.operator}: {name} has {count} entries instead of "
            + " or ".join(str(size) for size in allowed),
        )


def infer_rescaled(
    node: Node, shape: tuple[int, ...], low: int, high: int, biases: tuple[int, ...] = ()
) -> Value:
    """Check the rescale fields and return the value they produce.

    Parameters
    ----------
    node : Node
        Has `RESCALE_FIELDS`.
    shape : tuple of int
        Output shape; the last dimension is the channel.
    low, high : int
        Interval of the sum before the bias.
    biases : tuple of int
        Empty, or one per channel.
    """
    channels = shape[-1]
    allowed = (1,) if channels in {1, SYMBOLIC} else (1, channels)
    check_channels(node, "multipliers", allowed)
    check_channels(node, "shifts", (len(node.integers("multipliers")),))
    offsets = biases or (0,)
    check_accumulator(node, low + min(0, *offsets), high + max(0, *offsets))
    dtype = output_dtype(node)
    multipliers, shifts = node.integers("multipliers"), node.integers("shifts")
    check_multiplier(node, max(multipliers), min(shifts))
    check_multiplier(node, min(multipliers), max(shifts))
    # Rescale never decreases in v, so the ends of the accumulator's interval give the result's.
    scales = np.array(multipliers, dtype=np.int64), np.array(shifts, dtype=np.int64)
    lows, highs = (rescale(np.array(offsets, dtype=np.int64) + end, *scales) for end in (low, high))
    least, most = clamp_interval(node, dtype, int(lows.min()), int(highs.max()))
    return Value(type=TensorType(dtype=dtype, shape=shape), minimum=least, maximum=most)


def apply_rescale(node: Node, accumulator: Wide, out: Value) -> Array:
    """Rescale per channel, clamp, narrow.

    Parameters
    ----------
    accumulator : int64 (..., C)
    out : Value
        Gives the output dtype.
    """
    multipliers = np.array(node.integers("multipliers"), dtype=np.int64)
    shifts = np.array(node.integers("shifts"), dtype=np.int64)
    return apply_clamp(node, rescale(accumulator, multipliers, shifts), out)


def apply_clamp(node: Node, wide: Wide, out: Value) -> Array:
    """Clamp to the fields `minimum` and `maximum`, then narrow."""
    clamped = np.clip(wide, node.integer("minimum"), node.integer("maximum"))
    return clamped.astype(out.type.dtype.numpy)
