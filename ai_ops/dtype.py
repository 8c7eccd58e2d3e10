"""Element types of tensors."""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.integer]


class DType(enum.Enum):
    """A two's-complement or unsigned integer; bytes are little-endian everywhere.

    Source: docs/spec/01-tensors.md T-1.

    Attributes
    ----------
    code : int
        The number that stands for this type in encodings and digests.
    numpy : numpy.dtype
        Little-endian on every machine.
    itemsize : int
        Bytes per element.
    minimum, maximum : int
        The smallest and the largest element.
    """

    I8 = (1, "i1")
    I16 = (2, "<i2")
    I32 = (3, "<i4")
    U8 = (4, "u1")

    def __init__(self, code: int, numpy: str) -> None:
        self.code = code
        self.numpy: np.dtype[np.integer] = np.dtype(numpy)
        self.itemsize = self.numpy.itemsize
        self.minimum = int(np.iinfo(self.numpy).min)
        self.maximum = int(np.iinfo(self.numpy).max)


BY_CODE = {dtype.code: dtype for dtype in DType}
