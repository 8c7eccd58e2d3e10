"""The `cpu` backend: integer loops compiled by numba, rescale and clamp fused into them.

Measured choices: the compiler's own vectorization of a plain i8 dot product reaches the speed of
float BLAS, needs a quarter of its memory and no thread control; so there is no float here at all.
Operators that only move elements use NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
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
    "clamp",
    "table8",
    "argmax",
)
# Up to this depth and from this many filters on, spreading over the filters is faster (measured).
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
    units, depth = site.inputs[1].type.shape
    arguments = Epilogue(site.node, units).part(0, 1)
    lane, narrow = _lane(*site.inputs), _sum_lane(site)
    wide = depth <= WIDE_DEPTH and units >= WIDE_FILTERS
    loop = site.loops["conv2d_wide" if wide else "gemm"]
    run_of = (np.zeros((1, 2), np.int64), depth, np.array((1, depth), np.int64))

    def arrange(w: Array) -> Array:
        return np.array(w.T if wide else w, lane, order="C")

    fixed = arrange(site.weights[1]) if 1 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = _own(arrays[0], lane)
        w = arrange(arrays[1]) if fixed is None else fixed
        y = np.empty((*x.shape[:-1], units), narrow)
        if wide:  # a convolution of one row with 1 x 1 kernels
            loop(x.reshape(1, 1, -1), w, *run_of, *arguments, y.reshape(1, 1, -1, units))
        else:
            loop(x.reshape(-1, depth), w, *arguments, y.reshape(-1, units))
        return (y,)

    return run


def _make_conv2d(site: Site) -> Kernel:
    filters, height, width, depth = site.inputs[1].type.shape
    channels = site.inputs[0].type.shape[3]
    groups = site.node.integer("groups")
    if groups == filters == channels:
        return _make_depthwise(site)
    wide = height * width * depth <= WIDE_DEPTH and filters // groups >= WIDE_FILTERS
    loop = site.loops["conv2d_wide" if wide else "conv2d_deep"]
    taps, row, steps = _runs(site.node, height, width, depth)
    epilogue = Epilogue(site.node, filters)
    arguments = [epilogue.part(part, groups) for part in range(groups)]
    lane, narrow = _lane(*site.inputs), _sum_lane(site)
    pixel_shape = (*site.outputs[0].type.shape[1:3], filters // groups)

    def arrange(w: Array) -> list[Array]:
        matrices = [part.reshape(part.shape[0], -1) for part in np.split(w, groups, axis=0)]
        return [np.array(part.T if wide else part, lane, order="C") for part in matrices]

    fixed = arrange(site.weights[1]) if 1 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = arrays[0]
        weights = arrange(arrays[1]) if fixed is None else fixed
        results = []
        for part, source in enumerate(np.split(x, groups, axis=3) if groups > 1 else (x,)):
            y = np.empty((x.shape[0], *pixel_shape), narrow)
            flat = _own(source, lane).reshape(*x.shape[:2], -1)
            loop(flat, weights[part], taps, row, steps, *arguments[part], y)
            results.append(y)
        return (np.concatenate(results, axis=3) if groups > 1 else results[0],)

    return run


def _runs(node: Node, height: int, width: int, depth: int) -> tuple[Wide, int, Wide]:
    """Cut a patch into runs of elements that lie together (see `kernels.conv2d_deep`).

    A kernel row is one run, unless dilation pulls its columns apart.
    """
    top, left, _, _ = node.integers("padding")
    down, right = node.integers("strides")
    rows, columns = dilations_of(node)
    together = width if columns == 1 else 1
    taps = [
        (p * rows - top, (q * columns - left) * depth)
        for p in range(height)
        for q in range(0, width, together)
    ]
    return np.array(taps, np.int64), together * depth, np.array((down, right * depth), np.int64)


def _make_depthwise(site: Site) -> Kernel:
    loop = site.loops["conv2d_depthwise"]
    filters = site.inputs[1].type.shape[0]
    geometry = _geometry(site.node, dilations_of(site.node))
    arguments = Epilogue(site.node, filters).part(0, 1)
    lane, narrow = _lane(*site.inputs), _sum_lane(site)
    pixel_shape = site.outputs[0].type.shape[1:]

    def arrange(w: Array) -> Array:
        return np.array(w[..., 0].transpose(1, 2, 0), lane, order="C")

    fixed = arrange(site.weights[1]) if 1 in site.weights else None

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = arrays[0]
        w = arrange(arrays[1]) if fixed is None else fixed
        y = np.empty((x.shape[0], *pixel_shape), narrow)
        loop(_own(x, lane), w, geometry, *arguments, y)
        return (y,)

    return run


def _sum_lane(site: Site) -> np.dtype[np.integer]:
    """Return the type in which sums leave their loop: i8 or i32."""
    narrow = site.outputs[0].type.dtype is DType.I8
    return (DType.I8 if narrow else DType.I32).numpy


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
    loop, lane = site.loops["clamp"], _lane(*site.inputs)
    low, high = site.node.integer("minimum"), site.node.integer("maximum")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = _own(arrays[0], lane)
        y = np.empty(x.shape, lane)
        loop(x.reshape(-1), low, high, y.reshape(-1))
        return (y,)

    return run


def _make_table8(site: Site) -> Kernel:
    loop, narrow = site.loops["table8"], _lane(*site.outputs)
    # The table begins at the smallest x; the bytes of x begin at 0.
    table = np.roll(
        np.array(site.node.integers("table"), narrow), site.inputs[0].type.dtype.minimum
    )

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = _own(arrays[0].view(np.uint8), np.dtype(np.uint8))
        y = np.empty(x.shape, narrow)
        loop(x.reshape(-1), table, y.reshape(-1))
        return (y,)

    return run


def _make_argmax(site: Site) -> Kernel:
    loop, lane = site.loops["argmax"], _lane(*site.inputs)
    axis = site.node.integer("axis")

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        x = _own(arrays[0], lane)
        outer, inner = prod(x.shape[:axis]), prod(x.shape[axis + 1 :])
        y = np.empty((*x.shape[:axis], *x.shape[axis + 1 :]) or (1,), np.int32)
        loop(x.reshape(outer, -1, inner), y.reshape(outer, inner))
        return (y,)

    return run


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
    "ARGMAX": _make_argmax,
}
