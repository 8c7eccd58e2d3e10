"""Sums, products, bounds and pools."""

from fractions import Fraction

from ai_ops.dtype import DType
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.float_windows import ceil_extra
from ai_ops.importers.lowering import Lowering
from ai_ops.importers.scales import WIDE_LEVELS, multiplier_shift


def clamp(lowering: Lowering, node: FloatNode) -> None:
    """Lower a clamp that nothing took in to CLAMP."""
    x = lowering.places[node.inputs[0]]
    scale, least, levels = float(x.scale), x.format.least, x.format.levels
    low, high = (
        round(max(least, min(levels, node.attributes[bound] / scale))) for bound in ("low", "high")
    )
    if (low, high) == (least, levels):
        lowering.places[node.name] = x  # it limits nothing
        return
    lowering.put(node, lowering.emit("CLAMP", (x.key,), minimum=low, maximum=high))


def _both(lowering: Lowering, node: FloatNode) -> tuple[str, str, Fraction, Fraction]:
    a, b = (lowering.places[name] for name in node.inputs)
    if len(a.shape) != len(b.shape):
        raise ImportRefused(
            f"the node {node.source} joins tensors of the shapes {a.shape} and {b.shape}:"
            " reshape them to the same rank first"
        )
    return a.key, b.key, a.scale, b.scale


def add(lowering: Lowering, node: FloatNode) -> None:
    """Lower a sum to ADD, each term with its own scale."""
    a, b, scale_a, scale_b = _both(lowering, node)
    form = lowering.formats[node.name]
    multiplier_a, shift_a = multiplier_shift(scale_a / form.scale, node.source)
    multiplier_b, shift_b = multiplier_shift(scale_b / form.scale, node.source)
    low, high = lowering.clamp(node)
    key = lowering.emit(
        "ADD",
        (a, b),
        multiplier_a=multiplier_a,
        shift_a=shift_a,
        multiplier_b=multiplier_b,
        shift_b=shift_b,
        dtype=form.dtype.code,
        minimum=low,
        maximum=high,
    )
    lowering.put(node, key)


def multiply(lowering: Lowering, node: FloatNode) -> None:
    """Lower a product of two values to MUL."""
    a, b, scale_a, scale_b = _both(lowering, node)
    form = lowering.formats[node.name]
    ratio = scale_a * scale_b / form.scale
    multiplier, shift = multiplier_shift(ratio, node.source)
    low, high = lowering.clamp(node)
    key = lowering.emit(
        "MUL",
        (a, b),
        multiplier=multiplier,
        shift=shift,
        dtype=form.dtype.code,
        minimum=low,
        maximum=high,
    )
    lowering.put(node, key)


def max_pool(lowering: Lowering, node: FloatNode) -> None:
    """Lower a max pool."""
    x = lowering.places[node.inputs[0]]
    top, left, bottom, right = node.attributes["pads"]
    kernel, strides = node.attributes["kernel"], node.attributes["strides"]
    if node.attributes["ceil_mode"]:
        _, height, width = x.shape
        bottom += ceil_extra(height + top + bottom, kernel[0], strides[0], height + top)
        right += ceil_extra(width + left + right, kernel[1], strides[1], width + left)
    key = lowering.emit(
        "MAX_POOL2D", (x.key,), kernel=kernel, strides=strides, padding=(top, left, bottom, right)
    )
    lowering.put(node, key)


def average_pool(lowering: Lowering, node: FloatNode) -> None:
    """Lower an average pool; the mean keeps its input's scale."""
    key = lowering.emit(
        "AVG_POOL2D",
        (lowering.places[node.inputs[0]].key,),
        kernel=node.attributes["kernel"],
        strides=node.attributes["strides"],
        padding=node.attributes["pads"],
        count_padding=int(node.attributes["count_pads"]),
    )
    lowering.put(node, key)


def global_average(lowering: Lowering, node: FloatNode) -> None:
    """Lower the mean over height and width."""
    x, form = lowering.narrowed(node.inputs[0]), lowering.formats[node.name]
    channels, height, width = x.shape
    # The mean is taken of 16-bit integers, so that it keeps more bits than it is made of.
    gain = WIDE_LEVELS // x.format.levels
    key = lowering.rescale(x.key, Fraction(gain), DType.I16, (-WIDE_LEVELS, WIDE_LEVELS))
    key = lowering.emit(
        "AVG_POOL2D",
        (key,),
        kernel=(height, width),
        strides=(1, 1),
        padding=(0, 0, 0, 0),
        count_padding=0,
    )
    ratio = x.scale / gain / form.scale
    key = lowering.rescale(key, ratio, form.dtype, lowering.clamp(node))
    if not node.attributes["keep"]:
        key = lowering.emit("RESHAPE", (key,), shape=(lowering.batch, channels))
    lowering.put(node, key)
