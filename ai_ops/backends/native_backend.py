"""The `native` backend: own C, one variant for each instruction set (`ai_ops.native`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ai_ops.backends.base import Backend, Kernel
from ai_ops.backends.native_matrices import make_gemm, make_gemm_dynamic, make_matmul
from ai_ops.backends.native_phases import make_conv_transpose2d
from ai_ops.backends.native_site import NativeSite
from ai_ops.backends.native_windows import make_conv2d
from ai_ops.backends.numba_backend import NumbaBackend
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.native.library import NativeKernel, open_variant

Maker = Callable[[NativeSite], NativeKernel | None]
"""Returns None for a node that its kernel is not made for."""

MAKERS: dict[str, Maker] = {
    "GEMM": make_gemm,
    "GEMM_DYNAMIC": make_gemm_dynamic,
    "MATMUL": make_matmul,
    "CONV2D": make_conv2d,
    "CONV_TRANSPOSE2D": make_conv_transpose2d,
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
