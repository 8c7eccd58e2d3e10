"""Kernels of the `numba` backend that sum no products: pools, element-wise operators, ARGMAX."""

from __future__ import annotations

from math import prod

import numpy as np

from ai_ops.backends.base import Kernel
from ai_ops.backends.site import (
    Site,
    channel_scales,
    geometry_of,
    lane_of,
    owned,
    result_lane,
    same_shape,
)
from ai_ops.dtype import Array, DType
from ai_ops.ops.compare import RELATIONS
from ai_ops.ops.max_pool2d import kernel_of


def make_pool(site: Site) -> Kernel:
    """Make MAX_POOL2D or AVG_POOL2D: one loop each over windows and channels."""
    tensor = site.inputs[0].type
    largest = site.node.operator == "MAX_POOL2D"
    loop = site.loops["max_pool2d" if largest else "avg_pool2d"]
    kernel = kernel_of(site.node)
    last = tensor.dtype.minimum if largest else site.node.integer("count_padding")
    pixel_shape = site.outputs[0].type.shape[1:]
    arguments = (*kernel, geometry_of(site.node, (1, 1)), last)
    lane = lane_of(*site.inputs)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], lane)
        y = np.empty((x.shape[0], *pixel_shape), lane)
        loop(x, *arguments, y)
        return (y,)

    return run


def make_rescale(site: Site) -> Kernel:
    """Make RESCALE, per tensor over one long run or per channel over rows."""
    channels = site.inputs[0].type.shape[-1]
    per_tensor = len(site.node.integers("multipliers")) == 1
    scales, low, high = channel_scales(site.node, 1 if per_tensor else channels)
    loop = site.loops["rescale_tensor" if per_tensor else "rescale_channels"]
    shape = (-1,) if per_tensor else (-1, channels)
    one = tuple(int(entry) for entry in scales[1:, 0])
    arguments = (*one, low, high) if per_tensor else (scales, low, high)
    lane, narrow = lane_of(*site.inputs), result_lane(site.outputs[0])

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], lane)
        y = np.empty(x.shape, narrow)
        loop(x.reshape(shape), *arguments, y.reshape(shape))
        return (y,)

    return run


def make_mul(site: Site) -> Kernel:
    """Make MUL; a repeated operand is spread out first."""
    loop, lane, narrow = site.loops["multiply"], lane_of(*site.inputs), result_lane(*site.outputs)
    shift = site.node.integer("shift")
    low, high = site.node.integer("minimum"), site.node.integer("maximum")
    arguments = (site.node.integer("multiplier"), 1 << (shift - 1), shift, low, high)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        a, b = same_shape(arrays, lane)
        y = np.empty(a.shape, narrow)
        loop(a.reshape(-1), b.reshape(-1), *arguments, y.reshape(-1))
        return (y,)

    return run


def make_sum(site: Site) -> Kernel:
    """Make ADD or SUB; a repeated operand is spread out first."""
    loop, narrow = site.loops["add"], result_lane(site.outputs[0])
    # Bytes of either sign are read as they lie.
    bits = all(value.type.dtype.itemsize == 1 for value in site.inputs)
    lane = DType.I8.numpy if bits else lane_of(*site.inputs)
    unsigned = bits and any(value.type.dtype is DType.U8 for value in site.inputs)
    scales = []
    for side, value in zip(("a", "b"), site.inputs, strict=True):
        shift = site.node.integer(f"shift_{side}")
        mask = 255 if bits and value.type.dtype is DType.U8 else -1
        scale = (site.node.integer(f"multiplier_{side}"), 1 << (shift - 1), shift, mask)
        scales.append(np.array(scale, np.int64))
    sign = 1 if site.node.operator == "ADD" else -1
    arguments = (*scales, sign, site.node.integer("minimum"), site.node.integer("maximum"))

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        if unsigned:
            arrays = tuple([array.view(lane) for array in arrays])
        a, b = same_shape(arrays, lane)
        y = np.empty(a.shape, narrow)
        loop(a.ravel(), b.ravel(), *arguments, y.ravel())
        return (y,)

    return run


def make_clamp(site: Site) -> Kernel:
    """Make CLAMP."""
    loop, lane = site.loops["clamp"], lane_of(*site.inputs)
    low, high = site.node.integer("minimum"), site.node.integer("maximum")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], lane)
        y = np.empty(x.shape, lane)
        loop(x.reshape(-1), low, high, y.reshape(-1))
        return (y,)

    return run


def make_table8(site: Site) -> Kernel:
    """Make TABLE8, indexed by the input's bytes."""
    # The table begins at the smallest x; the bytes of x begin at 0.
    table = np.array(site.node.integers("table"), lane_of(*site.outputs))
    return _looked_up(site, np.roll(table, site.inputs[0].type.dtype.minimum))


def _looked_up(site: Site, table: Array) -> Kernel:
    """Take every byte of x to the entry of `table` (256,) at its unsigned value."""
    loop = site.loops["table8"]

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0].view(np.uint8), np.dtype(np.uint8))
        y = np.empty(x.shape, table.dtype)
        loop(x.reshape(-1), table, y.reshape(-1))
        return (y,)

    return run


def make_argmax(site: Site) -> Kernel:
    """Make ARGMAX over (outer, axis, inner)."""
    loop, lane = site.loops["argmax"], lane_of(*site.inputs)
    axis = site.node.integer("axis")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = owned(arrays[0], lane)
        outer, inner = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
        y = np.empty((*x.shape[:axis], *x.shape[axis + 1 :]) or (1,), np.int32)
        loop(x.reshape(outer, -1, inner), y.reshape(outer, inner))
        return (y,)

    return run


def make_divide(site: Site) -> Kernel:
    """Make DIVIDE; a repeated operand is spread out first."""
    loop, lane, narrow = site.loops["divide"], lane_of(*site.inputs), result_lane(*site.outputs)
    names = ("shift", "rounding", "minimum", "maximum")
    arguments = tuple(site.node.integer(name) for name in names)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        a, b = same_shape(arrays, lane)
        y = np.empty(a.shape, narrow)
        loop(a.reshape(-1), b.reshape(-1), *arguments, y.reshape(-1))
        return (y,)

    return run


def make_bit_length(site: Site) -> Kernel:
    """Make BIT_LENGTH: a look-up by the input's byte, or a search for each wider element."""
    x = site.inputs[0].type.dtype
    if x.itemsize == 1:
        # In the order of the bytes: those from 128 on are negative in i8.
        values = [byte if byte <= x.maximum else byte - 256 for byte in range(256)]
        table = np.array([max(1, abs(value).bit_length()) for value in values], np.int16)
        return _looked_up(site, table)
    loop, lane = site.loops["bit_length"], DType.I32.numpy

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        wide = owned(arrays[0], lane)
        y = np.empty(wide.shape, np.int16)
        loop(wide.reshape(-1), y.reshape(-1))
        return (y,)

    return run


def make_sign(site: Site) -> Kernel:
    """Make NEGATE or ABS in the dtype itself: only its smallest element would wrap."""
    least = site.inputs[0].type.dtype.minimum + 1
    change = np.negative if site.node.operator == "NEGATE" else np.absolute

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return (change(np.maximum(arrays[0], least)),)

    return run


def make_compare(site: Site) -> Kernel:
    """Make COMPARE in the narrowest type that holds both operands."""
    relation, lane = RELATIONS[site.node.integer("relation")], lane_of(*site.inputs)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        a, b = (array.astype(lane, copy=False) for array in arrays)
        return (relation(a, b).view(np.uint8),)

    return run


def make_where(site: Site) -> Kernel:
    """Make WHERE on bits, whatever they mean; repeated operands are spread out first."""
    loop = site.loops["choose"]
    lane = np.dtype(f"<i{site.outputs[0].type.dtype.itemsize}")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        condition = np.broadcast_to((arrays[0] != 0).view(np.uint8), shape)
        a, b = (owned(np.broadcast_to(array, shape).view(lane), lane) for array in arrays[1:])
        y = np.empty(shape, lane)
        flat = owned(condition, np.dtype(np.uint8)).reshape(-1)
        loop(flat, a.reshape(-1), b.reshape(-1), y.reshape(-1))
        return (y.view(site.outputs[0].type.dtype.numpy),)

    return run
