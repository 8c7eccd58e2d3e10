"""The `numba` backend: integer loops compiled by numba, rescale and clamp fused into them.

Measured choices: the compiler's own vectorization of a plain i8 dot product reaches the speed of
float BLAS, needs a quarter of its memory and no thread control; so there is no float here at all.
Where the processor has AVX2 or VNNI, products are tiles with its instructions named (`tile_code`),
two to six times as fast. Operators that only move elements use NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np

from ai_ops.backends import (
    attention_kernels,
    kernels,
    line_kernels,
    matrix_kernels,
    sequence_kernels,
)
from ai_ops.backends.base import Kernel
from ai_ops.backends.copies import make_gather, make_pad, make_reshape, make_slice
from ai_ops.backends.elementwise import (
    make_argmax,
    make_bit_length,
    make_clamp,
    make_compare,
    make_divide,
    make_mul,
    make_pool,
    make_rescale,
    make_sign,
    make_sum,
    make_table8,
    make_where,
)
from ai_ops.backends.lines import (
    make_extreme,
    make_mean,
    make_reduced_sum,
    make_suppression,
    make_valid_rows,
)
from ai_ops.backends.products import (
    make_conv2d,
    make_conv_transpose2d,
    make_gemm,
    make_matmul,
)
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.backends.sequences import (
    make_attention,
    make_dynamic_quantize,
    make_gemm_dynamic,
    make_norm,
    make_rope,
    make_sample,
    make_softmax,
    make_table16,
    make_top_k,
)
from ai_ops.backends.site import Loop, Site
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value

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
    "matmul",
    "reach",
    "conv_transpose2d",
    "divide",
    "bit_length",
    "sum_lines",
    "mean_lines",
    "extreme_lines",
    "choose",
    "suppress",
    "valid_rows",
    "dynamic_quantize",
    "gemm_dynamic",
    "attention_scores",
    "attention_shares",
    "attention_sums",
    "attention_means",
    "softmax",
    "norm",
    "table16",
    "rope",
    "largest",
)
SOURCES = (kernels, matrix_kernels, line_kernels, sequence_kernels, attention_kernels)


def source_of(name: str) -> Loop:
    """Return a loop uncompiled."""
    (found,) = (vars(module)[name] for module in SOURCES if name in vars(module))
    return cast("Loop", found)


def compile_loop(name: str) -> Loop:
    """Compile one of `kernels`' functions on first use."""
    return compiled(source_of(name))


def compiled(function: Loop) -> Loop:
    """Compile a loop on first use, keeping the machine code on disk.

    The disk is a convenience: where none can be written, every process compiles anew.
    """
    import numba

    try:
        return cast("Loop", numba.njit(nogil=True, cache=True)(function))
    except RuntimeError:
        return cast("Loop", numba.njit(nogil=True)(function))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiles:
    """The loops over tiles of products, and the size of a tile (see `Site`)."""

    loops: Mapping[str, Loop]
    bits: int
    rows: int


NO_TILES = Tiles(loops={}, bits=0, rows=0)


def compile_tiles() -> Tiles:
    """Compile the loops over tiles that the processor has; none where numba does not compile."""
    import numba

    from ai_ops.backends import tile_code

    bits = 0 if numba.config.DISABLE_JIT else tile_code.tile_width()
    if not bits:
        return NO_TILES
    from ai_ops.backends import tile_kernels

    names = ("conv2d_tiles", "gemm_dynamic_tiles")
    loops = {name: compiled(vars(tile_kernels)[name]) for name in names}
    return Tiles(loops=loops, bits=bits, rows=tile_code.ROWS)


Maker = Callable[[Site], Kernel]
MAKERS: dict[str, Maker] = {
    "GEMM": make_gemm,
    "CONV2D": make_conv2d,
    "MAX_POOL2D": make_pool,
    "AVG_POOL2D": make_pool,
    "ADD": make_sum,
    "SUB": make_sum,
    "MUL": make_mul,
    "RESCALE": make_rescale,
    "CLAMP": make_clamp,
    "TABLE8": make_table8,
    "ARGMAX": make_argmax,
    "MATMUL": make_matmul,
    "CONV_TRANSPOSE2D": make_conv_transpose2d,
    "NEGATE": make_sign,
    "ABS": make_sign,
    "COMPARE": make_compare,
    "DIVIDE": make_divide,
    "BIT_LENGTH": make_bit_length,
    "WHERE": make_where,
    "RESHAPE": make_reshape,
    "GATHER": make_gather,
    "SLICE": make_slice,
    "PAD": make_pad,
    "SUM": make_reduced_sum,
    "MAX": make_extreme,
    "MIN": make_extreme,
    "MEAN": make_mean,
    "NON_MAX_SUPPRESSION": make_suppression,
    "VALID_ROWS": make_valid_rows,
    "DYNAMIC_QUANTIZE": make_dynamic_quantize,
    "GEMM_DYNAMIC": make_gemm_dynamic,
    "ATTENTION": make_attention,
    "SOFTMAX": make_softmax,
    "LAYER_NORM": make_norm,
    "RMS_NORM": make_norm,
    "TABLE16": make_table16,
    "ROPE": make_rope,
    "TOP_K": make_top_k,
    "SAMPLE": make_sample,
}


class NumbaBackend:
    """Compiled loops where they pay, the reference elsewhere; one thread for each call."""

    name = "numba"

    def __init__(self, compiler: Callable[[str], Loop] = compile_loop) -> None:
        # Tiles are machine code: loops that stay Python have none.
        self.tiles = compile_tiles() if compiler is compile_loop else NO_TILES
        self.loops = {name: compiler(name) for name in COMPILED} | dict(self.tiles.loops)
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
        site = Site(
            loops=self.loops,
            node=node,
            inputs=inputs,
            outputs=outputs,
            weights=weights,
            tile_bits=self.tiles.bits,
            tile_rows=self.tiles.rows,
        )
        return narrowed(maker(site), tuple(out.type.dtype.numpy for out in outputs))


def narrowed(kernel: Kernel, dtypes: tuple[np.dtype[np.integer], ...]) -> Kernel:
    """Bring each result from its lane to its dtype; the clamp made it fit."""
    if len(dtypes) == 1:  # nearly always, and every step of a small network pays for this
        (only,) = dtypes

        def run_one(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
            results = kernel(arrays)
            (y,) = results
            return results if y.dtype is only else (_fitted(y, only),)

        return run_one

    def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        return tuple(_fitted(y, dtype) for y, dtype in zip(kernel(arrays), dtypes, strict=True))

    return run


def _fitted(y: Array, dtype: np.dtype[np.integer]) -> Array:
    """Narrow elements; those of the same width are already its bits (`site.result_lane`)."""
    return y.view(dtype) if y.itemsize == dtype.itemsize else y.astype(dtype)
