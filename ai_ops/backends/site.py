"""What the makers of `numba` kernels share: the node at hand, its constants, its lanes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array, DType
from ai_ops.graph import Node, Value

Loop = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A node to make a kernel for, and the loops to make it from.

    Parameters
    ----------
    loops : mapping of str to callable
    node : Node
    inputs, outputs : tuple of Value
    weights : mapping of int to array
        The inputs, by position, that are weights.
    tile_bits, tile_rows : int
        Vector width and height of tiles of products; 0 where there are none (see `tiles`).
    """

    loops: Mapping[str, Loop]
    node: Node
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: Mapping[int, Array]
    tile_bits: int = 0
    tile_rows: int = 0


def channel_scales(node: Node, channels: int) -> tuple[Wide, int, int]:
    """Return a node's bias and rescale fields for each channel, and its clamp.

    Returns
    -------
    scales : int64 (4, C)
        Bias, multiplier, rounding term, shift (see `kernels`).
    low, high : int
    """
    bias = node.integers("bias") if "bias" in dict(node.attributes) else ()
    scales = np.empty((4, channels), np.int64)
    scales[0] = bias or (0,)
    scales[1] = node.integers("multipliers")
    scales[3] = node.integers("shifts")
    scales[2] = np.left_shift(np.int64(1), scales[3] - 1)
    return scales, node.integer("minimum"), node.integer("maximum")


def lane_of(*values: Value) -> np.dtype[np.integer]:
    """Return the narrowest signed type that holds all of the dtypes.

    Every loop is compiled once for each combination of types it meets, so there are few: i8, i16
    and i32. u8 travels as i16.
    """
    width = max(
        2 if value.type.dtype is DType.U8 else value.type.dtype.itemsize for value in values
    )
    return {1: DType.I8, 2: DType.I16, 4: DType.I32}[width].numpy


def result_lane(value: Value) -> np.dtype[np.integer]:
    """Return the type in which a loop writes results; a u8 leaves as the bits of an i8."""
    return DType.I8.numpy if value.type.dtype.itemsize == 1 else lane_of(value)


def owned(x: Array, lane: np.dtype[np.integer]) -> Array:
    """Give a loop what it is compiled for: its lane, contiguous, writable; copied if it is not."""
    return x if x.dtype == lane and x.flags.carray else np.array(x, lane, order="C")


def same_shape(arrays: tuple[Array, ...], lane: np.dtype[np.integer]) -> tuple[Array, Array]:
    """Spread two operands to their common shape."""
    a, b = arrays
    if a.shape != b.shape:
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = np.broadcast_to(a, shape), np.broadcast_to(b, shape)
    return owned(a, lane), owned(b, lane)


def geometry_of(node: Node, dilations: tuple[int, int]) -> Wide:
    """Return stride, dilation and leading padding of a node's window (see `kernels`)."""
    top, left, _, _ = node.integers("padding")
    return np.array((*node.integers("strides"), *dilations, top, left), np.int64)
