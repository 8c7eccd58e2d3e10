"""Sums, products, bounds and pools."""

from collections.abc import Callable

from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.float_windows import ceil_extra
from ai_ops.importers.lowering import Lowering, Place
from ai_ops.importers.scales import multiplier_shift


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


def _both(lowering: Lowering, node: FloatNode) -> tuple[Place, Place]:
    a, b = (lowering.places[name] for name in node.inputs)
    if len(a.shape) != len(b.shape):
        raise ImportRefused(
            f"the node {node.source} joins tensors of the shapes {a.shape} and {b.shape}:"
            " reshape them to the same rank first"
        )
    return a, b


def _sum(operator: str) -> Callable[[Lowering, FloatNode], None]:
    """Lower a sum or difference, each term with its own scale."""

    def lower(lowering: Lowering, node: FloatNode) -> None:
        a, b = _both(lowering, node)
        form = lowering.formats[node.name]
        multiplier_a, shift_a = multiplier_shift(a.scale / form.scale, node.source)
        multiplier_b, shift_b = multiplier_shift(b.scale / form.scale, node.source)
        low, high = lowering.clamp(node)
        key = lowering.emit(
            operator,
            (a.key, b.key),
            multiplier_a=multiplier_a,
            shift_a=shift_a,
            multiplier_b=multiplier_b,
            shift_b=shift_b,
            dtype=form.dtype.code,
            minimum=low,
            maximum=high,
        )
        lowering.put(node, key)

    return lower


add = _sum("ADD")
subtract = _sum("SUB")


def multiply(lowering: Lowering, node: FloatNode) -> None:
    """Lower a product of two values to MUL."""
    a, b = _both(lowering, node)
    form = lowering.formats[node.name]
    multiplier, shift = multiplier_shift(a.scale * b.scale / form.scale, node.source)
    low, high = lowering.clamp(node)
    key = lowering.emit(
        "MUL",
        (a.key, b.key),
        multiplier=multiplier,
        shift=shift,
        dtype=form.dtype.code,
        minimum=low,
        maximum=high,
    )
    lowering.put(node, key)


def _extreme(operator: str) -> Callable[[Lowering, FloatNode], None]:
    """Lower the larger or smaller of two values, brought to one scale first."""

    def lower(lowering: Lowering, node: FloatNode) -> None:
        a, b = _both(lowering, node)
        form = lowering.formats[node.name]
        keys = tuple(lowering.reformat(place, form) for place in (a, b))
        lowering.put(node, lowering.emit(operator, keys))

    return lower


maximum = _extreme("MAXIMUM")
minimum = _extreme("MINIMUM")


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
