"""The `cpu` backend: integer loops compiled by numba, rescale and clamp fused into them.

Measured choices: the compiler's own vectorization of a plain i8 dot product reaches the speed of
float BLAS, needs a quarter of its memory and no thread control; so there is no float here at all.
Operators that only look up or move elements use NumPy in the tensor's own type.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.backends import kernels
from ai_ops.backends.base import Kernel
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.dtype import Array, DType
from ai_ops.graph import Node, Value
from ai_ops.ops.conv2d import dilations_of
from ai_ops.ops.max_pool2d import kernel_of

COMPILED = (
    "gemm",
    "conv2d_deep",
    "conv2d_wide",
    "conv2d_depthwise",
    "max_pool2d",
    "avg_pool2d",
    "rescale_channels",
    "rescale_tensor",
    "multiply",
    "add",
)
# Below this depth and from this many filters on, spreading over the filters is faster (measured).
WIDE_DEPTH = 64
WIDE_FILTERS = 16

Loop = Callable[..., None]


def compile_loop(name: str) -> Loop:
    """Compile one of `kernels`' functions on first use, keeping the machine code on disk.

    The disk is a convenience: where none can be written, every process compiles anew.
    """
    import numba

    function = getattr(kernels, name)
    try:
        return cast("Loop", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        return cast("Loop", numba.njit(nogil=True)(function))


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A node to make a kernel for, and the loops to make it from."""

    loops: Mapping[str, Loop]
    node: Node
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    weights: Mapping[int, Array]


class CpuBackend:
    """Compiled loops where they pay, the reference elsewhere; one thread for each call."""

    name = "cpu"

    def __init__(self, compiler: Callable[[str], Loop] = compile_loop) -> None:
        self.loops = {name: compiler(name) for name in COMPILED}
        self.reference = ReferenceBackend()

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        """Choose the kernel of a node and put its constants in the form the loops want."""
        maker = MAKERS.get(node.operator)
        if maker is None:
            return self.reference.prepare(node, inputs, outputs, weights)
        site = Site(loops=self.loops, node=node, inputs=inputs, outputs=outputs, weights=weights)
        return _narrowed(maker(site), outputs[0].type.dtype.numpy)


def _narrowed(kernel: Kernel, dtype: np.dtype[np.integer]) -> Kernel:
    """Bring a result from its lane to its dtype; the clamp made it fit."""

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        (y,) = kernel(arrays)
        return (y if y.dtype == dtype else y.astype(dtype),)

    return run


class Epilogue:
    """Bias, rescale and clamp of a node as the loops take them, one entry for each channel."""

    def __init__(self, node: Node, channels: int) -> None:
        bias = node.integers("bias") if "bias" in dict(node.attributes) else ()
        self.bias = _spread(bias or (0,), channels)
        self.multipliers = _spread(node.integers("multipliers"), channels)
        self.shifts = _spread(node.integers("shifts"), channels)
        self.halves = np.left_shift(np.int64(1), self.shifts - 1)
        self.low, self.high = node.integer("minimum"), node.integer("maximum")

    def part(self, index: int, parts: int) -> tuple[Wide, Wide, Wide, Wide, int, int]:
        """Return the channel arguments of one of `parts` equal groups of channels."""
        size = len(self.bias) // parts
        own = slice(index * size, (index + 1) * size)
        arrays = (self.bias, self.multipliers, self.halves, self.shifts)
        bias, multipliers, halves, shifts = (np.array(array[own]) for array in arrays)
        return (bias, multipliers, halves, shifts, self.low, self.high)

    @property
    def tensor_arguments(self) -> tuple[int, int, int, int, int]:
        """Multiplier, half, shift and clamp of a per-tensor rescale."""
        return (
            int(self.multipliers[0]),
            int(self.halves[0]),
            int(self.shifts[0]),
            self.low,
            self.high,
        )


def _spread(values: tuple[int, ...], channels: int) -> Wide:
    return np.ascontiguousarray(np.broadcast_to(np.array(values, np.int64), (channels,))).copy()


def _geometry(node: Node, dilations: tuple[int, int]) -> Wide:
    top, left, _, _ = node.integers("padding")
    return np.array((*node.integers("strides"), *dilations, top, left), np.int64)


def _same_shape(arrays: tuple[Array, ...], lane: np.dtype[np.integer]) -> tuple[Array, Array]:
    a, b = arrays
    if a.shape != b.shape:
        shape = np.broadcast_shapes(a.shape, b.shape)
        a, b = np.broadcast_to(a, shape), np.broadcast_to(b, shape)
    return _own(a, lane), _own(b, lane)


def _lane(*values: Value) -> np.dtype[np.integer]:
    """Return the narrowest signed type that holds all of the dtypes.

    Every loop is compiled once for each combination of types it meets, so there are few: i8, i16
    and i32. u8 travels as i16.
    """
    width = max(
        2 if value.type.dtype is DType.U8 else value.type.dtype.itemsize for value in values
    )
    return {1: DType.I8, 2: DType.I16, 4: DType.I32}[width].numpy


def _own(x: Array, lane: np.dtype[np.integer]) -> Array:
    """Give a loop what it is compiled for: its lane, contiguous, writable; copied if it is not."""
    return x if x.dtype == lane and x.flags.carray else np.array(x, lane, order="C")


def _make_gemm(site: Site) -> Kernel:
    loop = site.loops["gemm"]
    units, depth = site.inputs[1].type.shape
    arguments = Epilogue(site.node, units).part(0, 1)
    lane, narrow = _lane(*site.inputs), _sum_lane(site)
    fixed = np.array(site.weights[1], lane) if 1 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = arrays[0]
        w = _own(arrays[1], lane) if fixed is None else fixed
        y = np.empty((*x.shape[:-1], units), narrow)
        loop(_own(x, lane).reshape(-1, depth), w, *arguments, y.reshape(-1, units))
        return (y,)

    return run


def _make_conv2d(site: Site) -> Kernel:
    filters, height, width, depth = site.inputs[1].type.shape
    groups = site.node.integer("groups")
    geometry = _geometry(site.node, dilations_of(site.node))
    if groups == filters == site.inputs[0].type.shape[3]:
        name, arrange, parts = "conv2d_depthwise", _taps_channels, 1
    elif geometry[3] > 1 or (height * width * depth < WIDE_DEPTH and filters >= WIDE_FILTERS):
        name, arrange, parts = "conv2d_wide", _taps_depth_filters, groups
    else:
        name, arrange, parts = "conv2d_deep", _filters_patch, groups
    loop = site.loops[name]
    extra = (height, width * depth, geometry) if name == "conv2d_deep" else (geometry,)
    epilogue = Epilogue(site.node, filters)
    arguments = [epilogue.part(part, parts) for part in range(parts)]
    lane, narrow = _lane(*site.inputs), _sum_lane(site)
    fixed = _arrange(site.weights[1], parts, arrange, lane) if 1 in site.weights else None
    pixel_shape = (*site.outputs[0].type.shape[1:3], filters // parts)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = arrays[0]
        weights = _arrange(arrays[1], parts, arrange, lane) if fixed is None else fixed
        results = []
        for part, source in enumerate(np.split(x, parts, axis=3) if parts > 1 else (x,)):
            y = np.empty((x.shape[0], *pixel_shape), narrow)
            loop(_own(source, lane), weights[part], *extra, *arguments[part], y)
            results.append(y)
        return (np.concatenate(results, axis=3) if parts > 1 else results[0],)

    return run


def _sum_lane(site: Site) -> np.dtype[np.integer]:
    """Return the type in which sums leave their loop: i8 or i32."""
    narrow = site.outputs[0].type.dtype is DType.I8
    return (DType.I8 if narrow else DType.I32).numpy


def _arrange(
    w: Array, parts: int, arrange: Callable[[Array], Array], lane: np.dtype[np.integer]
) -> list[Array]:
    """Split the weights into groups and lay each out as its loop reads it."""
    return [np.array(arrange(part), lane, order="C") for part in np.split(w, parts, axis=0)]


def _taps_channels(w: Array) -> Array:
    return w[..., 0].transpose(1, 2, 0)


def _taps_depth_filters(w: Array) -> Array:
    return w.transpose(1, 2, 3, 0)


def _filters_patch(w: Array) -> Array:
    return w.reshape(w.shape[0], -1)


def _make_pool(site: Site) -> Kernel:
    tensor = site.inputs[0].type
    largest = site.node.operator == "MAX_POOL2D"
    loop = site.loops["max_pool2d" if largest else "avg_pool2d"]
    kernel = kernel_of(site.node)
    last = tensor.dtype.minimum if largest else site.node.integer("count_padding")
    pixel_shape = site.outputs[0].type.shape[1:]
    arguments = (*kernel, _geometry(site.node, (1, 1)), last)
    lane = _lane(*site.inputs)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = _own(arrays[0], lane)
        y = np.empty((x.shape[0], *pixel_shape), lane)
        loop(x, *arguments, y)
        return (y,)

    return run


def _make_rescale(site: Site) -> Kernel:
    channels = site.inputs[0].type.shape[-1]
    per_tensor = len(site.node.integers("multipliers")) == 1
    epilogue = Epilogue(site.node, 1 if per_tensor else channels)
    loop = site.loops["rescale_tensor" if per_tensor else "rescale_channels"]
    shape = (-1,) if per_tensor else (-1, channels)
    arguments = epilogue.tensor_arguments if per_tensor else epilogue.part(0, 1)[1:]
    lane, narrow = _lane(*site.inputs), _lane(*site.outputs)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = _own(arrays[0], lane)
        y = np.empty(x.shape, narrow)
        loop(x.reshape(shape), *arguments, y.reshape(shape))
        return (y,)

    return run


def _make_mul(site: Site) -> Kernel:
    loop, lane, narrow = site.loops["multiply"], _lane(*site.inputs), _lane(*site.outputs)
    shift = site.node.integer("shift")
    low, high = site.node.integer("minimum"), site.node.integer("maximum")
    arguments = (site.node.integer("multiplier"), 1 << (shift - 1), shift, low, high)

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        a, b = _same_shape(arrays, lane)
        y = np.empty(a.shape, narrow)
        loop(a.reshape(-1), b.reshape(-1), *arguments, y.reshape(-1))
        return (y,)

    return run


def _make_sum(site: Site) -> Kernel:
    loop, lane, narrow = site.loops["add"], _lane(*site.inputs), _lane(*site.outputs)
    scales = []
    for side in ("a", "b"):
        shift = site.node.integer(f"shift_{side}")
        scale = (site.node.integer(f"multiplier_{side}"), 1 << (shift - 1), shift)
        scales.append(np.array(scale, np.int64))
    sign = 1 if site.node.operator == "ADD" else -1
    arguments = (*scales, sign, site.node.integer("minimum"), site.node.integer("maximum"))

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        a, b = _same_shape(arrays, lane)
        y = np.empty(a.shape, narrow)
        loop(a.reshape(-1), b.reshape(-1), *arguments, y.reshape(-1))
        return (y,)

    return run


def _make_clamp(site: Site) -> Kernel:
    dtype = site.inputs[0].type.dtype.numpy
    low, high = (np.array(site.node.integer(name), dtype) for name in ("minimum", "maximum"))
    return lambda arrays: (np.minimum(np.maximum(arrays[0], low), high),)


def _make_table8(site: Site) -> Kernel:
    table = np.array(site.node.integers("table"), site.outputs[0].type.dtype.numpy)
    # The table begins at the smallest x; the bytes of x begin at 0.
    by_byte = np.roll(table, site.inputs[0].type.dtype.minimum)
    return lambda arrays: (by_byte[arrays[0].view(np.uint8)],)


Maker = Callable[[Site], Kernel]
MAKERS: dict[str, Maker] = {
    "GEMM": _make_gemm,
    "CONV2D": _make_conv2d,
    "MAX_POOL2D": _make_pool,
    "AVG_POOL2D": _make_pool,
    "ADD": _make_sum,
    "SUB": _make_sum,
    "MUL": _make_mul,
    "RESCALE": _make_rescale,
    "CLAMP": _make_clamp,
    "TABLE8": _make_table8,
}
