"""Reductions over axes: sums, means, extremes, softmax, layer normalization, argmax."""

import math
from fractions import Fraction

import numpy as np

from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.lowering import IMAGE_AXES, Lowering, Place
from ai_ops.importers.scales import multiplier_shift

REDUCTIONS = {"mean": "SUM", "sum": "SUM", "max": "MAX", "min": "MIN"}
# A mean is a sum with another scale: one rounding, where MEAN and a rescale would be two.
WHOLE_IMAGES = ({2, 3}, {1}, {1, 2, 3})
NORM_FRACTION_BITS = 12
NORM_SHIFT_MAXIMUM = 40
GAMMA_LIMIT = 2**31


def reduce(lowering: Lowering, node: FloatNode) -> None:
    """Lower a sum, mean, maximum or minimum over some axes."""
    x = lowering.places[node.inputs[0]]
    axes, keep = node.attributes["axes"], node.attributes["keep"]
    key = x.key
    if x.image and (keep or set(axes) in WHOLE_IMAGES):
        stored = sorted(IMAGE_AXES[axis] for axis in axes)
    else:
        key, stored = lowering.plain(node.inputs[0]), sorted(axes)
    function = node.attributes["function"]
    attributes = {}
    if REDUCTIONS[function] == "SUM":
        count = math.prod(x.shape[axis - 1] for axis in axes) if function == "mean" else 1
        attributes = _rescaled(lowering, node, x.scale / count)
    key = lowering.emit(
        REDUCTIONS[function], (key,), axes=tuple(stored), keep=int(keep), **attributes
    )
    shape = lowering.shapes[node.name]
    if len(shape) == 0:
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch,))
    if len(shape) == 3 and not x.image:
        key = lowering.image(key, shape)
    lowering.put(node, key)


def global_average(lowering: Lowering, node: FloatNode) -> None:
    """Lower the mean over height and width."""
    x = lowering.places[node.inputs[0]]
    _, height, width = x.shape
    key = lowering.emit(
        "SUM",
        (x.key,),
        axes=(1, 2),
        keep=int(node.attributes["keep"]),
        **_rescaled(lowering, node, x.scale / (height * width)),
    )
    lowering.put(node, key)


def _rescaled(lowering: Lowering, node: FloatNode, scale: Fraction) -> dict[str, int | tuple[int]]:
    form = lowering.formats[node.name]
    multiplier, shift = multiplier_shift(scale / form.scale, node.source)
    low, high = lowering.clamp(node)
    return {
        "multipliers": (multiplier,),
        "shifts": (shift,),
        "dtype": form.dtype.code,
        "minimum": low,
        "maximum": high,
    }


def softmax(lowering: Lowering, node: FloatNode) -> None:
    """Lower a softmax along one axis, which is brought to the end for it."""
    x, form = lowering.places[node.inputs[0]], lowering.formats[node.name]
    if node.attributes["logarithm"]:
        raise ImportRefused(f"the node {node.source} is a log-softmax inside the network")
    multiplier, shift = multiplier_shift(
        x.scale * Fraction(256 / math.log(2)).limit_denominator(10**9), node.source
    )
    rank = len(x.shape) + 1
    axis = node.attributes["axis"] % rank
    axis = IMAGE_AXES[axis] if x.image else axis
    key = x.key
    order = [other for other in range(rank) if other != axis] + [axis]
    if axis != rank - 1:
        key = lowering.transpose(key, tuple(order))
    key = lowering.emit(
        "SOFTMAX",
        (key,),
        multiplier=multiplier,
        shift=shift,
        one=min(form.levels, round(1 / float(form.scale))),
        dtype=form.dtype.code,
    )
    if axis != rank - 1:
        key = lowering.transpose(key, tuple(np.argsort(order).tolist()))
    lowering.put(node, key)


def layer_norm(lowering: Lowering, node: FloatNode) -> None:
    """Lower a normalization over the last axis to LAYER_NORM or RMS_NORM."""
    x, form = lowering.places[node.inputs[0]], lowering.formats[node.name]
    key = lowering.plain(node.inputs[0])
    gamma = lowering.graph.constants[node.attributes["weight"]].astype(np.float64)
    one = 1 / float(form.scale)
    # The normalized element has 12 bits after the point; the rest of the shift is gamma's own.
    largest = max(float(np.abs(gamma).max()) * one, 1e-30)
    bits = min(
        NORM_SHIFT_MAXIMUM - NORM_FRACTION_BITS, math.floor(math.log2(GAMMA_LIMIT / largest))
    )
    if bits < 1 - NORM_FRACTION_BITS:
        raise ImportRefused(f"the node {node.source} scales by more than 2^31 steps")
    shift = bits + NORM_FRACTION_BITS
    low, high = lowering.clamp(node)
    deviation = float(node.attributes["epsilon"]) / float(x.scale) ** 2 * 2.0**NORM_FRACTION_BITS
    beta = {}
    if node.operator == "layer_norm":
        bias = lowering.graph.constants[node.attributes["bias"]].astype(np.float64)
        integers = tuple(_integers(bias * one * 2.0**shift, 2**60 - 1))
        beta["beta"] = integers if any(integers) else ()
    key = lowering.emit(
        "LAYER_NORM" if node.operator == "layer_norm" else "RMS_NORM",
        (key,),
        gamma=tuple(_integers(gamma * one * 2.0**bits, GAMMA_LIMIT - 1)),
        **beta,
        epsilon=min(2**60, round(deviation)),
        shift=shift,
        dtype=form.dtype.code,
        minimum=low,
        maximum=high,
    )
    lowering.put_plain(node, key)


def _integers(reals: np.ndarray, limit: int) -> list[int]:
    return [max(-limit, min(limit, round(float(real)))) for real in reals]


def argmax(lowering: Lowering, node: FloatNode) -> None:
    """Lower the index of the largest element along one axis."""
    x: Place = lowering.places[node.inputs[0]]
    key = lowering.plain(node.inputs[0])
    key = lowering.emit("ARGMAX", (key,), axis=node.attributes["axis"] % (len(x.shape) + 1))
    shape = lowering.shapes[node.name]
    if node.attributes["keep"] or not shape:
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch, *shape))
    lowering.put_plain(node, key)
