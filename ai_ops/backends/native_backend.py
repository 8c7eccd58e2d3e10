"""The `native` backend: own C, one variant for each instruction set (`ai_ops.native`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ai_ops.backends.base import Backend, Kernel, Program, Runner
from ai_ops.backends.native_elementwise import (
    make_clamp,
    make_compare,
    make_divide,
    make_mul,
    make_plain,
    make_rescale,
    make_sign,
    make_sum,
    make_table8,
    make_table16,
)
from ai_ops.backends.native_matrices import make_gemm, make_gemm_dynamic, make_matmul
from ai_ops.backends.native_movement import (
    make_concat,
    make_gather,
    make_pad,
    make_repeat,
    make_slice,
    make_tile,
    make_transpose,
    make_update_rows,
    make_upsample,
)
from ai_ops.backends.native_phases import make_conv_transpose2d
from ai_ops.backends.native_program import NativeRunner, is_view, runs_in_c
from ai_ops.backends.native_reductions import make_argmax, make_pool, make_reduction
from ai_ops.backends.native_sequences import (
    make_attention,
    make_dynamic_quantize,
    make_norm,
    make_rope,
    make_softmax,
)
from ai_ops.backends.native_site import NativeSite
from ai_ops.backends.native_windows import make_conv2d
from ai_ops.backends.numba_backend import NumbaBackend
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.native.library import NativeKernel, open_variant
from ai_ops.planner import plan_memory
from ai_ops.step_loop import StepLoop, prepared

Maker = Callable[[NativeSite], NativeKernel | None]
"""Returns None for a node that its kernel is not made for."""

MAKERS: dict[str, Maker] = {
    "GEMM": make_gemm,
    "GEMM_DYNAMIC": make_gemm_dynamic,
    "MATMUL": make_matmul,
    "CONV2D": make_conv2d,
    "CONV_TRANSPOSE2D": make_conv_transpose2d,
    "MAX_POOL2D": make_pool,
    "AVG_POOL2D": make_pool,
    "ADD": make_sum,
    "SUB": make_sum,
    "MUL": make_mul,
    "RESCALE": make_rescale,
    "CLAMP": make_clamp,
    "TABLE8": make_table8,
    "NEGATE": make_sign,
    "ABS": make_sign,
    "MAXIMUM": make_plain("maximum"),
    "MINIMUM": make_plain("minimum"),
    "COMPARE": make_compare,
    "WHERE": make_plain("choose"),
    "DIVIDE": make_divide,
    "BIT_LENGTH": make_plain("bit_length"),
    "TABLE16": make_table16,
    "TRANSPOSE": make_transpose,
    "CONCAT": make_concat,
    "GATHER": make_gather,
    "SLICE": make_slice,
    "PAD": make_pad,
    "UPSAMPLE": make_upsample,
    "TILE": make_tile,
    "REPEAT": make_repeat,
    "UPDATE_ROWS": make_update_rows,
    "ARGMAX": make_argmax,
    "SUM": make_reduction,
    "MEAN": make_reduction,
    "MAX": make_reduction,
    "MIN": make_reduction,
    "DYNAMIC_QUANTIZE": make_dynamic_quantize,
    "ATTENTION": make_attention,
    "SOFTMAX": make_softmax,
    "LAYER_NORM": make_norm,
    "RMS_NORM": make_norm,
    "ROPE": make_rope,
}


class NativeBackend:
    """Kernels of one variant; what has none yet runs on `numba`."""

    def __init__(self, variant: str) -> None:
        self.name = f"native-{variant}"
        self.variant = open_variant(variant)
        self._others: Backend | None = None

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        """Fill the struct of a node's kernel."""
        maker = MAKERS.get(node.operator)
        site = NativeSite(
            variant=self.variant, node=node, inputs=inputs, outputs=outputs, weights=weights
        )
        if maker is not None and (kernel := maker(site)) is not None:
            return kernel
        if self._others is None:
            self._others = NumbaBackend()
        return self._others.prepare(node, inputs, outputs, weights)

    def compile(self, program: Program) -> Runner:
        """Plan the memory and make the runner; see `ai_ops.backends.native_program`."""
        units = program.facts.maximum_units
        plans = [plan_memory(program, n) for n in dict.fromkeys((1, units))]
        if not runs_in_c(program) or not all(plan.tight for plan in plans):
            return StepLoop(program, self)
        kernels = [
            None if is_view(step) else prepared(program, index, self)
            for index, step in enumerate(program.steps)
        ]
        return NativeRunner(program, self.variant, kernels, plans)
