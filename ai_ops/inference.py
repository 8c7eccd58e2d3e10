"""A call and what comes of it: input, result, one opened step, and the flag that stops it.

Source: docs/spec/03-models.md M-17 to M-20.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ai_ops.errors import Cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One input that passed `check_input`.

    Parameters
    ----------
    data : bytes
        The input tensors one after another, little-endian, row-major.
    n : int
        Units; 1 for a model without a symbolic dimension.
    """

    data: bytes
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """The result of one call.

    Parameters
    ----------
    output : bytes
        The output tensors one after another, little-endian, row-major.
    step_digests : tuple of bytes
        32 bytes for each node, in order.
    """

    output: bytes
    step_digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTrace:
    """One step, opened up for a person.

    Parameters
    ----------
    index : int
    operator : str
    dtype : str
        Of the (first) output.
    shape : tuple of int
        Of the (first) output.
    digest : bytes
    minimum, maximum : int
        Range of the values that occurred.
    tensor : bytes
        The (first) output's bytes.
    """

    index: int
    operator: str
    dtype: str
    shape: tuple[int, ...]
    digest: bytes
    minimum: int
    maximum: int
    tensor: bytes


class Cancellation:
    """A flag that ends a run before its next step; any thread may set it, for good.

    Attributes
    ----------
    flag : int32 array (1,)
        0 until cancelled. A backend that runs a whole graph outside Python reads this memory.
    """

    __slots__ = ("flag",)

    def __init__(self) -> None:
        self.flag: npt.NDArray[np.int32] = np.zeros(1, np.int32)

    def cancel(self) -> None:
        """Ask the runs that were given this flag to stop."""
        self.flag[0] = 1

    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return bool(self.flag[0])

    def check(self) -> None:
        """Raise `Cancelled` once `cancel` was called."""
        if self.flag[0]:
            raise Cancelled("the inference was cancelled between two steps")
