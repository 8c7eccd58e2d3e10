"""Element types of tensors."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.integer]


class DType(enum.Enum):
    """A two's-complement or unsigned integer; bytes are little-endian everywhere.

    Source: docs/spec/01-tensors.md T-1.
    """

    I8 = 1
    I16 = 2
    I32 = 3
    U8 = 4

    @property
    def code(self) -> int:
        """The number that stands for this type in encodings and digests."""
        return int(self.value)

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return _ITEMSIZE[self]

    @property
    def numpy(self) -> np.dtype[np.integer]:
        """The NumPy type, little-endian on every machine."""
        return _NUMPY[self]

    @property
    def minimum(self) -> int:
        """The smallest element."""
        return _RANGE[self][0]

    @property
    def maximum(self) -> int:
        """The largest element."""
        return _RANGE[self][1]


_ITEMSIZE = {DType.I8: 1, DType.I16: 2, DType.I32: 4, DType.U8: 1}
_NUMPY: dict[DType, np.dtype[np.integer]] = {
    DType.I8: np.dtype("i1"),
    DType.I16: np.dtype("<i2"),
    DType.I32: np.dtype("<i4"),
    DType.U8: np.dtype("u1"),
}
_RANGE = {
    DType.I8: (-(2**7), 2**7 - 1),
    DType.I16: (-(2**15), 2**15 - 1),
    DType.I32: (-(2**31), 2**31 - 1),
    DType.U8: (0, 2**8 - 1),
}
BY_CODE = {dtype.code: dtype for dtype in DType}
