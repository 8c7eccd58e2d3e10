"""Steps that both classes of models are built from, with their scales worked out."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from ai_ops.dtype import DType
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.language.builder import Builder, pair, pairs, second
from ai_ops.importers.language.observe import Observations, Reals
from ai_ops.importers.language.products import (
    DYNAMIC_BITS,
    InputPlan,
    IntegerMatrix,
    round_matrix,
    smoothed_moments,
)
from ai_ops.importers.scales import BIAS_LIMIT, LEVELS, scale_for

WIDE = 32_767
RESIDUAL_LIMIT = 2**21 - 1
"""The largest integer of a 32-bit residual stream: what a norm takes."""
DYNAMIC_SHIFTS = (9, 48)
GAMMA_BITS = 30
NORM_FRACTION = 12
NORM_SHIFT_MAXIMUM = 40
ROW_BITS = 15
PROBABILITY_BITS = 12
SCORE_UNITS = 256 * math.log2(math.e)
"""A score of 1 in ATTENTION's units, 1/256 of a power of 2."""

Clamp = tuple[DType, int, int]
NARROW: Clamp = (DType.I8, -LEVELS, LEVELS)
MIDDLE: Clamp = (DType.I16, -WIDE, WIDE)


def clamp_fields(clamp: Clamp) -> dict[str, int]:
    """Return the fields dtype, minimum and maximum."""
    return {"dtype": clamp[0].code, "minimum": clamp[1], "maximum": clamp[2]}


def plan_clamp(plan: InputPlan) -> Clamp:
    """Return the range of a product's input."""
    return (DType.I16, -plan.limit, plan.limit)


def wide_scale(magnitude: float, headroom: float) -> float:
    """Return the scale of a 16-bit value."""
    return float(scale_for(magnitude * headroom, WIDE))


def multiply(
    builder: Builder,
    key: str,
    plan: InputPlan,
    matrix: IntegerMatrix,
    scales: float | Reals,
    clamp: Clamp,
    source: str,
    shared_weight: str | None = None,
) -> str:
    """Multiply an input by a matrix; the result's integers are worth `scales`.

    Parameters
    ----------
    key : i16 input, or the quantized rows of one (`quantize_rows`) when the plan has 8 bits
    scales : one number or one per row of the matrix
    shared_weight : the key of the matrix when it is in the model already
    """
    weight = builder.weight(matrix.weight) if shared_weight is None else shared_weight
    ratio = plan.unit * matrix.scales / scales
    if plan.bits == DYNAMIC_BITS:
        bias = np.rint(matrix.bias / scales * 256)
        return builder.emit(
            "GEMM_DYNAMIC",
            (key, second(key), weight),
            bias=integers(bias),
            **pairs(ratio * (2.0**ROW_BITS / LEVELS), source, DYNAMIC_SHIFTS),
            **clamp_fields(clamp),
        )
    bias = np.rint(matrix.bias / (plan.unit * matrix.scales))
    if np.abs(bias).max() > BIAS_LIMIT:
        raise ImportRefused(f"the step {source} adds a bias far above its products")
    return builder.emit(
        "GEMM",
        (key, weight),
        bias=integers(bias),
        **pairs(ratio, source),
        **clamp_fields(clamp),
    )


def integers(values: Reals) -> tuple[int, ...]:
    """Return Python integers; none at all when every one is 0."""
    return tuple(int(value) for value in values) if values.any() else ()


def quantize_rows(builder: Builder, key: str, plan: InputPlan) -> str:
    """Bring a planned i16 value to what `multiply` takes."""
    if plan.bits != DYNAMIC_BITS:
        return key
    return builder.emit("DYNAMIC_QUANTIZE", (key,))


def matrix_for(
    seen: Observations, name: str, plan: InputPlan, weight: Any, bias: Any | None
) -> IntegerMatrix:
    """Quantize a float matrix (N, K) whose input is the value `name`."""
    smoothed = np.asarray(weight, np.float64) * plan.factors
    offset = np.zeros(len(smoothed)) if bias is None else np.asarray(bias, np.float64)
    moments = smoothed_moments(seen, name, plan.factors, with_bias=bias is not None)
    return round_matrix(smoothed, offset, moments)


def norm_fields(
    weight: Any, scales: float | Reals, epsilon: float, input_scale: float
) -> tuple[dict[str, int | tuple[int, ...]], Reals]:
    """Return gamma, epsilon and shift of a norm, and what one unit of beta is worth.

    Parameters
    ----------
    weight : (N,), the float norm's factors
    scales : what one integer of the result is worth: one number or (N,)
    input_scale : what one integer of the norm's input is worth
    """
    ratio = np.asarray(weight, np.float64) / scales
    top = float(np.abs(ratio).max()) or 1.0
    shift = min(NORM_SHIFT_MAXIMUM, GAMMA_BITS + NORM_FRACTION - 1 - math.frexp(top)[1])
    gamma = np.rint(ratio * 2.0 ** (shift - NORM_FRACTION))
    # The mean square is computed in 1/4096 of the input's squared unit.
    rounded = round(Fraction(epsilon) / Fraction(input_scale) ** 2 * 4096)
    return {
        "gamma": tuple(int(value) for value in gamma),
        "epsilon": min(rounded, 2**60),
        "shift": shift,
    }, np.asarray(scales, np.float64) * 2.0**-shift


def table_fields(
    function: Callable[[Any], Any], input_scale: float, scales: float | Reals, source: str
) -> dict[str, Any]:
    """Return TABLE16's table and rescale for a function of reals.

    The points lie a little beside the curve, so that the straight lines between them are off by
    as much above it as below.
    """
    middle = (np.arange(-1, 513) * 128 - 32_704) * input_scale
    points = function((np.arange(-1, 514) * 128 - 32_768) * input_scale)
    sagitta = (points[:-1] + points[1:]) / 2 - function(middle)
    bent = points[1:-1] - (sagitta[:-1] + sagitta[1:]) / 3
    top = float(np.abs(bent).max()) or 1.0
    step = float(scale_for(top, WIDE))
    return {
        "table": tuple(int(value) for value in np.rint(bent / step)),
        **pairs(step / 128 / np.asarray(scales, np.float64), source),
    }


def rescale(builder: Builder, key: str, ratios: float | Reals, clamp: Clamp, source: str) -> str:
    """Bring integers to another scale."""
    return builder.emit("RESCALE", (key,), **pairs(ratios, source), **clamp_fields(clamp))


def add(
    builder: Builder,
    keys: tuple[str, str],
    scales: tuple[float, float],
    scale: float,
    clamp: Clamp,
    source: str,
) -> str:
    """Add two values of different scales."""
    multiplier_a, shift_a = pair(scales[0] / scale, source)
    multiplier_b, shift_b = pair(scales[1] / scale, source)
    return builder.emit(
        "ADD",
        keys,
        multiplier_a=multiplier_a,
        shift_a=shift_a,
        multiplier_b=multiplier_b,
        shift_b=shift_b,
        **clamp_fields(clamp),
    )


def embed(
    builder: Builder,
    tokens: str,
    matrix: IntegerMatrix,
    weight: str,
    scale: float,
    clamp: Clamp,
) -> str:
    """Look up rows of an i8 matrix, each brought from its own scale to one."""
    step = float(scale_for(float(matrix.scales.max()), WIDE))
    factors = np.rint(matrix.scales / step).astype(np.int16)
    rows = builder.emit("GATHER", (weight, tokens), axis=0)
    factor = builder.emit("GATHER", (builder.weight(factors[:, None]), tokens), axis=0)
    multiplier, shift = pair(step / scale, "embedding")
    return builder.emit(
        "MUL", (rows, factor), multiplier=multiplier, shift=shift, **clamp_fields(clamp)
    )


def attend(
    builder: Builder,
    keys: tuple[str, ...],
    heads: tuple[int, int],
    score_scale: float,
    ratios: Reals,
    clamp: Clamp,
    *,
    causal: bool,
    source: str,
) -> str:
    """Attend; `score_scale` is what one unit of q times k is worth, root of the depth included.

    Parameters
    ----------
    keys : q, k, v, and the number of valid rows of k and v when they are a cache
    ratios : (heads * depth,), scale of a value's integer over scale of a result's
    """
    multiplier, shift = pair(score_scale * SCORE_UNITS, source)
    return builder.emit(
        "ATTENTION",
        keys,
        heads=heads[0],
        kv_heads=heads[1],
        causal=int(causal),
        probability_bits=PROBABILITY_BITS,
        multiplier=multiplier,
        shift=shift,
        **pairs(ratios / 256, source),
        **clamp_fields(clamp),
    )
