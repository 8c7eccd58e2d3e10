"""What the makers of `native` kernels share: the node at hand, counts, the end of an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from ai_ops.dtype import Array, DType
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.native.library import NativeKernel, Variant
from ai_ops.native.steps import Members, Step

PANEL = 16  # columns of a panel: src/micro.h


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeSite:
    """A node to make a kernel for."""

    variant: Variant
    node: Node
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: Mapping[int, Array]

    def kernel(
        self, name: str, step: Step, scratch_fixed: int = 0, scratch_unit: int = 0
    ) -> NativeKernel:
        """Bind a kernel of the variant to this node."""
        return NativeKernel(
            address=self.variant.address(name),
            step=step.values,
            keeps=step.keeps,
            inputs=tuple(value.type for value in self.inputs),
            outputs=tuple(value.type for value in self.outputs),
            scratch_fixed=scratch_fixed,
            scratch_unit=scratch_unit,
        )


def elements_of(tensor: TensorType, divisor: int = 1) -> tuple[int, int]:
    """Return a count of elements as (fixed, per unit), divided by an exact divisor."""
    count = tensor.unit_elements // divisor
    return (0, count) if tensor.symbolic else (count, 0)


def counted(size: int) -> tuple[int, int]:
    """Return a dimension as (fixed, per unit)."""
    return (0, 1) if size == SYMBOLIC else (size, 0)


def product_of(sizes: tuple[int, ...]) -> tuple[int, int]:
    """Return a product of dimensions as (fixed, per unit); at most one is symbolic."""
    count = prod(size for size in sizes if size != SYMBOLIC)
    return (0, count) if SYMBOLIC in sizes else (count, 0)


def epilogue_of(node: Node, bias: Array, reach: int, groups: int = 1) -> Members:
    """Return the members of `struct epilogue`.

    Parameters
    ----------
    node : Node
        Has `RESCALE_FIELDS`.
    bias : int32 (C,)
        With the entries that fill up the panels of each group.
    reach : int
        The largest size of a sum with its bias.
    groups : int
        Equal runs of channels that were filled up one by one.
    """
    multipliers, shifts = node.integers("multipliers"), node.integers("shifts")
    per_channel = len(multipliers) > 1
    size = bias.size if per_channel else PANEL
    return {
        "bias": bias,
        "multiplier": filled(multipliers, 0, groups, size),
        "shift": filled(shifts, 1, groups, size),
        "channel_step": int(per_channel),
        "minimum": node.integer("minimum"),
        "maximum": node.integer("maximum"),
        "dtype": node.integer("dtype"),
        "fits": int(stay_below(DType.I32.maximum, reach, multipliers, shifts)),
    }


def stay_below(
    most: int, reach: int, multipliers: tuple[int, ...], shifts: tuple[int, ...]
) -> bool:
    """Say whether ``m * reach / 2^s <= most`` in every channel.

    Parameters
    ----------
    most : int
        At least 0.
    reach : int
        0 to 2^32, so that products with m below 2^31 have 63 bits.
    multipliers, shifts : tuple of int
    """
    products = np.array(multipliers, np.int64) * reach
    return bool((((products - 1) >> np.array(shifts, np.int64)) < most).all())


def filled(entries: tuple[int, ...], filler: int, groups: int, size: int) -> Array:
    """Lay out one entry per channel so that each group fills whole panels, or one for all."""
    if len(entries) == 1:
        return np.full(size, entries[0], np.int32)
    result = np.full((groups, size // groups), filler, np.int32)
    result[:, : len(entries) // groups] = np.array(entries, np.int32).reshape(groups, -1)
    return result.reshape(-1)


def bias_of(node: Node, channels: int) -> Array:
    """Return a node's bias, one i32 for each channel."""
    bias = node.integers("bias")
    return np.array(bias, DType.I32.numpy) if bias else np.zeros(channels, DType.I32.numpy)
