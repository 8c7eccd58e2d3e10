"""What the makers of `native` kernels share: the node at hand, counts, the end of an operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ai_ops.dtype import Array, DType
from ai_ops.graph import Node, TensorType, Value
from ai_ops.native.library import NativeKernel, Variant
from ai_ops.native.steps import Step


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


def epilogue_of(node: Node, channels: int, padded: int, bias: Array) -> dict[str, int | Array]:
    """Return the members of `struct epilogue`; arrays are padded with harmless entries."""
    multiplier, shift = np.zeros(padded, np.int32), np.ones(padded, np.int32)
    multiplier[:channels] = node.integers("multipliers")
    shift[:channels] = node.integers("shifts")
    pairs = zip(node.integers("multipliers"), node.integers("shifts"), strict=True)
    return {
        "bias": bias,
        "multiplier": multiplier,
        "shift": shift,
        "minimum": node.integer("minimum"),
        "maximum": node.integer("maximum"),
        "dtype": node.integer("dtype"),
        "fits": int(all(m <= 1 << s for m, s in pairs)),
    }


def bias_of(node: Node, channels: int) -> Array:
    """Return a node's bias, one i32 for each channel."""
    bias = np.zeros(channels, DType.I32.numpy)
    if entries := node.integers("bias"):
        bias[:] = entries
    return bias
