"""How a matrix product is quantized: the integers of its input, a smoothing, and its weights.

With 8 bits the rows of the input are scaled one by one (DYNAMIC_QUANTIZE, GEMM_DYNAMIC); with 16
they keep one scale and GEMM multiplies them directly, within what its accumulator holds. A
smoothing divides each input element by a factor and multiplies its weight column by it, so that no
element's range is far above the others'; the exponent is searched on calibration text.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ai_ops.importers.language.observe import Observations, Reals
from ai_ops.importers.rounding import Moments, compensated
from ai_ops.importers.scales import BIAS_LIMIT, LEVELS, scale_for

DYNAMIC_BITS, STATIC_BITS = 8, 16
DYNAMIC_LIMIT = 32_767
WEIGHT_MAGNITUDE = 128
"""What validation takes an i8 weight to be."""
EXPONENTS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7)
"""Shares of the range that a smoothing moves from an input into its weights."""
LEAST = 1e-5
SPREAD_LIMIT = 2.0**12
"""The largest ratio of two factors of a smoothing."""
HEADROOM = {DYNAMIC_BITS: 1.2, STATIC_BITS: 1.5}
"""Calibration does not show the largest value there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputPlan:
    """The integers that stand for a product's input: ``real = integer * unit * factors``.

    Attributes
    ----------
    bits : 8 (scaled row by row) or 16 (one scale)
    factors : the smoothing, float64 (K,)
    unit : what one integer is worth where the factor is 1
    limit : the largest integer
    exponent : the smoothing's, for the report
    """

    bits: int
    factors: Reals
    unit: float
    limit: int
    exponent: float

    @property
    def scales(self) -> Reals:
        """What one integer of each element is worth."""
        return self.factors * self.unit


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegerMatrix:
    """Weights as integers: ``real = integer * scales[row]``, for the smoothed input.

    Attributes
    ----------
    weight : int8 (N, K)
    scales : float64 (N,)
    bias : float64 (N,), in real units
    """

    weight: NDArray[np.int8]
    scales: Reals
    bias: Reals


def input_limit(bits: int, depth: int, *, biased: bool) -> int:
    """Return the largest input integer with which a product of `depth` stays within i32."""
    if bits == DYNAMIC_BITS:
        return DYNAMIC_LIMIT
    room = 2**31 - 1 - (BIAS_LIMIT if biased else 0)
    return min(DYNAMIC_LIMIT, room // (depth * WEIGHT_MAGNITUDE))


def plan_input(
    seen: Observations,
    name: str,
    weights: Sequence[Reals],
    bits: int,
    *,
    smooth: bool = True,
    biased: bool = False,
) -> InputPlan:
    """Choose the smoothing and scale of a value that `weights` (each (N, K)) multiply.

    Parameters
    ----------
    biased : a bias is added to the products, which needs room in the accumulator
    """
    limit = input_limit(bits, weights[0].shape[1], biased=biased)
    plans = [
        _plan(seen, name, weights, (bits, limit), exponent)
        for exponent in (EXPONENTS if smooth else EXPONENTS[:1])
    ]
    if len(plans) == 1:
        return plans[0]
    return min(plans, key=lambda plan: _error(seen, name, weights, plan))


def _plan(
    seen: Observations,
    name: str,
    weights: Sequence[Reals],
    size: tuple[int, int],
    exponent: float,
) -> InputPlan:
    bits, limit = size
    largest = seen.largest[name]
    factors = np.ones_like(largest)
    if exponent > 0:
        columns = np.max([np.abs(weight).max(0) for weight in weights], 0)
        factors = np.maximum(largest, LEAST) ** exponent
        factors /= np.maximum(columns, LEAST) ** (1 - exponent)
        factors /= np.exp(np.log(factors).mean())
        factors = np.clip(factors, SPREAD_LIMIT**-0.5, SPREAD_LIMIT**0.5)
    top = float((largest / factors).max()) * HEADROOM[bits]
    return InputPlan(
        bits=bits,
        factors=factors,
        unit=float(scale_for(top, limit)),
        limit=limit,
        exponent=exponent,
    )


def _error(seen: Observations, name: str, weights: Sequence[Reals], plan: InputPlan) -> float:
    """Return the squared error that quantization adds to the products of the sample rows."""
    rows = seen.rows[name].astype(np.float64)
    integers = np.clip(np.rint(rows / plan.scales), -plan.limit, plan.limit)
    if plan.bits == DYNAMIC_BITS:
        top = np.maximum(np.abs(integers).max(1, keepdims=True), 1)
        integers = np.rint(integers * LEVELS / top) * top / LEVELS
    error = 0.0
    for weight in weights:
        matrix = round_matrix(weight * plan.factors, np.zeros(len(weight)), None)
        real = matrix.weight * matrix.scales[:, None]
        difference = (integers * plan.unit) @ real.T - rows @ weight.T
        error += float((difference**2).sum())
    return error


def round_matrix(weight: Reals, bias: Reals, moments: Moments | None) -> IntegerMatrix:
    """Round a matrix to 8 bits, one scale per row.

    Parameters
    ----------
    weight : (N, K), smoothed
    moments : of its smoothed input, to make rounding errors cancel; None rounds to nearest
    """
    scales = np.abs(weight).max(1) / LEVELS
    scales[scales == 0] = 1.0
    if moments is None:
        integers = np.clip(np.rint(weight / scales[:, None]), -LEVELS, LEVELS).astype(np.int8)
        return IntegerMatrix(weight=integers, scales=scales, bias=bias)
    rounded, offset = compensated(weight[None], bias[None], scales[None], moments)
    return IntegerMatrix(weight=rounded[0], scales=scales, bias=offset[0])


def smoothed_moments(seen: Observations, name: str, factors: Reals, *, with_bias: bool) -> Moments:
    """Return the second moments of a value divided by the factors of a smoothing.

    Without a bias the constant 1 varies with nothing, so that no error is left to it.
    """
    found = seen.moments[name]
    divisors = np.append(factors, 1.0)
    sums = found.sums / divisors[:, None] / divisors
    if not with_bias:
        sums[:, -1, :-1] = sums[:, :-1, -1] = 0.0
    return Moments(sums, found.rows)
