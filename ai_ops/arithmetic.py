"""The integer arithmetic every operator is written in.

Both functions work on Python integers and on int64 arrays alike: `>>` is the arithmetic shift and
`//` the floor in both. Source: docs/spec/01-tensors.md T-3 and T-4.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

Wide = npt.NDArray[np.int64]
Number = TypeVar("Number", int, Wide)

MULTIPLIER_LIMIT = 2**31
SHIFT_MINIMUM = 1
SHIFT_MAXIMUM = 62


def rescale(v: Number, m: Number, s: Number) -> Number:
    """Multiply by m / 2^s, rounding half up: ``(v*m + 2^(s-1)) >> s``.

    With |v| <= 2^31, 0 <= m < 2^31 and 1 <= s <= 62 the sum stays below 2^63 in size.
    """
    return (v * m + (1 << (s - 1))) >> s


def divide(n: Number, d: Number) -> Number:
    """Divide by d > 0, rounding half up: ``(2n + d) // (2d)``."""
    return (2 * n + d) // (2 * d)
