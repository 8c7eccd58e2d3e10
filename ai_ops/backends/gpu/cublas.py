"""NVIDIA's own int8 product, to measure ours against; no run of a model uses it."""

from __future__ import annotations

import numpy as np

from ai_ops.backends.gpu.device import Memory
from ai_ops.errors import BackendFault

# cudaDataType and cublasComputeType_t.
INT8, INT32, COMPUTE_INT32 = 3, 10, 72
TRANSPOSED, PLAIN = 1, 0
DEFAULT_ALGORITHM = -1


class CublasProduct:
    """y (M, N, i32) = x (M, K, i8) w (N, K, i8)^T on CuPy's null stream.

    Raises
    ------
    BackendFault
        cuBLAS is not installed.
    """

    def __init__(self, rows: int, columns: int, depth: int) -> None:
        try:
            from cupy.cuda import cublas, device
        except ImportError as error:
            raise BackendFault(
                f"cuBLAS is not here ({error}): pip install 'engram-node[gpu]'"
            ) from error
        self._library = cublas
        self._handle = device.get_cublas_handle()
        self.sizes = (rows, columns, depth)
        self._one, self._zero = np.ones(1, np.int32), np.zeros(1, np.int32)

    def __call__(self, x: Memory, w: Memory, y: Memory) -> None:
        """Queue the product; row-major matrices are column-major ones transposed."""
        rows, columns, depth = self.sizes
        self._library.gemmEx(
            *(self._handle, TRANSPOSED, PLAIN, columns, rows, depth),
            *(self._one.ctypes.data, w.address, INT8, depth),
            *(x.address, INT8, depth),
            *(self._zero.ctypes.data, y.address, INT32, columns),
            *(COMPUTE_INT32, DEFAULT_ALGORITHM),
        )

    def wait(self) -> None:
        """Wait until it is done."""
        from cupy.cuda import runtime

        runtime.deviceSynchronize()
