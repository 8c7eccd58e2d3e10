"""Scales as exact fractions, and the integer multipliers that stand for their ratios.

A scale says what one integer step is worth: real = integer * scale. All of it happens off the
chain; what the chain stores is the pair (multiplier, shift).
"""

import math
from fractions import Fraction

from ai_ops.importers.errors import ImportRefused

LEVELS = 127
"""Integers of a symmetric 8-bit tensor run from -127 to 127."""
UNSIGNED_LEVELS = 255
"""The same of an unsigned 8-bit tensor, from 0."""
WIDE_LEVELS = 32767
"""The same of 16 bits."""
MANTISSA_BITS = 24
MULTIPLIER_BITS = 31
SHIFT_MAXIMUM = 62
BIAS_LIMIT = 2**24 - 1
"""With at most 2^17 products beside it, a bias of this size keeps the accumulator within i32."""


def scale_for(magnitude: float, levels: int = LEVELS) -> Fraction:
    """Return the scale at which `magnitude` is about the integer `levels`.

    The result has a 24-bit mantissa, so that a manifest holds it exactly. A tensor that is zero
    on every sample gets the scale of magnitude 1.
    """
    mantissa, exponent = math.frexp((magnitude or 1.0) / levels)
    return Fraction(round(mantissa * 2**MANTISSA_BITS)) * Fraction(2) ** (exponent - MANTISSA_BITS)


def mantissa_exponent(scale: Fraction) -> tuple[int, int]:
    """Return (mantissa, exponent) with ``scale == mantissa * 2**exponent`` exactly, mantissa odd."""
    exponent = 1 - scale.denominator.bit_length()
    mantissa = int(scale * Fraction(2) ** -exponent)
    while mantissa % 2 == 0:
        mantissa, exponent = mantissa // 2, exponent + 1
    return mantissa, exponent


def multiplier_shift(ratio: Fraction, source: str) -> tuple[int, int]:
    """Return (m, s) with ``m / 2**s`` nearest to `ratio`, m below 2^31 and 1 <= s <= 62.

    Raises
    ------
    ImportRefused : the ratio is 2^30 or more, so no legal shift is left
    """
    if ratio <= 0:
        return 0, 1
    size = ratio.numerator.bit_length() - ratio.denominator.bit_length()
    shift = min(SHIFT_MAXIMUM, MULTIPLIER_BITS - 1 - size)
    multiplier = round(ratio * Fraction(2) ** shift)
    while multiplier >= 2**MULTIPLIER_BITS:
        shift -= 1
        multiplier = round(ratio * Fraction(2) ** shift)
    if shift < 1:
        raise ImportRefused(
            f"the node {source} multiplies by {float(ratio):.3g}, beyond 2^30: scale its weights"
        )
    return multiplier, shift
