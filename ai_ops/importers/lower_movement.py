"""Movements: what changes a tensor's shape or order and no number in it."""

import math
from collections.abc import Sequence

import numpy as np

from ai_ops.graph import SYMBOLIC
from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.lowering import IMAGE_AXES, Lowering, Place


def concat(lowering: Lowering, node: FloatNode) -> None:
    """Lower a concatenation; what has another format is rescaled first."""
    form = lowering.formats[node.name]
    places = [lowering.places[name] for name in node.inputs]
    keys = tuple(
        _for_every_sample(lowering, node, index) or lowering.reformat(place, form)
        for index, place in enumerate(places)
    )
    axis = node.attributes["axis"]
    axis = IMAGE_AXES[axis] if places[0].image else axis
    key = lowering.emit("CONCAT", keys, axis=axis)
    lowering.put(node, key)


def _for_every_sample(lowering: Lowering, node: FloatNode, index: int) -> str | None:
    """Store a part of a join that is a constant; with several samples each gets a copy of it."""
    form = lowering.formats[node.name]
    key = lowering.constant(node.inputs[index], form)
    computed = next((name for name in node.inputs if lowering.stored(name) is None), None)
    if key is None or lowering.batch != SYMBOLIC or computed is None:
        return key
    # A choice that always takes the constant, beside one element of each sample.
    rank = len(lowering.shapes[computed])
    first = lowering.emit(
        "SLICE",
        (lowering.reformat(lowering.places[computed], form),),
        starts=(0,) * (rank + 1),
        sizes=(-1, *(1,) * rank),
        strides=(1,) * (rank + 1),
    )
    never = lowering.weight(np.zeros((1,) * (rank + 1), np.int8))
    return lowering.emit("WHERE", (never, first, key))


def reshape(lowering: Lowering, node: FloatNode) -> None:
    """Lower a reshape: nothing moves, unless an image becomes something else."""
    x, shape = lowering.places[node.inputs[0]], lowering.shapes[node.name]
    target = (lowering.batch, *shape)
    moves = x.image and x.shape[0] != 1 and math.prod(x.shape[1:]) != 1
    consumers = lowering.graph.consumers(node.name)
    to_dense = (
        len(shape) == 1
        and node.name not in lowering.graph.outputs
        and all(consumer.operator == "dense" for consumer in consumers)
    )
    if moves and to_dense:
        order = np.arange(shape[0]).reshape(x.shape).transpose(1, 2, 0).reshape(-1)
        lowering.put(node, lowering.emit("RESHAPE", (x.key,), shape=target), order)
        return
    key = lowering.plain(node.inputs[0]) if moves else x.key
    if len(shape) == 3:
        moves = shape[0] != 1 and math.prod(shape[1:]) != 1
        if moves:
            key = lowering.emit("RESHAPE", (key,), shape=target)
        key = lowering.image(key, shape)
    else:
        key = lowering.emit("RESHAPE", (key,), shape=target)
    lowering.put(node, key)


def transpose(lowering: Lowering, node: FloatNode) -> None:
    """Lower a permutation of the axes after the first."""
    axes = (0, *node.attributes["axes"])
    key = lowering.transpose(lowering.plain(node.inputs[0]), axes)
    lowering.put_plain(node, key)


def _stored(image: bool, values: Sequence[int]) -> tuple[int, ...]:
    """Bring one entry for each axis after the first into the order of storage."""
    return (values[1], values[2], values[0]) if image else tuple(values)


def slice_(lowering: Lowering, node: FloatNode) -> None:
    """Lower a part of each axis to SLICE; the sample axis stays whole."""
    x = lowering.places[node.inputs[0]]
    whole = -1 if lowering.batch == SYMBOLIC else 1
    key = lowering.emit(
        "SLICE",
        (x.key,),
        starts=(0, *_stored(x.image, node.attributes["starts"])),
        sizes=(whole, *_stored(x.image, node.attributes["sizes"])),
        strides=(1, *_stored(x.image, node.attributes["strides"])),
    )
    lowering.put(node, key)


def pad(lowering: Lowering, node: FloatNode) -> None:
    """Lower padding that no convolution took in to PAD."""
    x = lowering.places[node.inputs[0]]
    steps = round(node.attributes["value"] / float(x.scale))
    key = lowering.emit(
        "PAD",
        (x.key,),
        before=(0, *_stored(x.image, node.attributes["before"])),
        after=(0, *_stored(x.image, node.attributes["after"])),
        value=max(x.format.least, min(x.format.levels, steps)),
    )
    lowering.put(node, key)


def upsample(lowering: Lowering, node: FloatNode) -> None:
    """Lower the enlargement of an image by whole factors, each pixel repeated."""
    x = lowering.places[node.inputs[0]]
    lowering.put(node, lowering.emit("UPSAMPLE", (x.key,), scales=node.attributes["scales"]))


def tile(lowering: Lowering, node: FloatNode) -> None:
    """Lower the repetition of whole axes to TILE."""
    x = lowering.places[node.inputs[0]]
    counts = (1, *_stored(x.image, node.attributes["repetitions"]))
    lowering.put(node, lowering.emit("TILE", (x.key,), repetitions=counts))


def take(lowering: Lowering, node: FloatNode) -> None:
    """Lower the choice of constant positions along one axis to GATHER."""
    x = lowering.places[node.inputs[0]]
    indices = np.array(node.attributes["indices"], np.int32)
    axis = IMAGE_AXES[node.attributes["axis"]] if x.image else node.attributes["axis"]
    key = lowering.emit("GATHER", (x.key, lowering.weight(indices)), axis=axis)
    lowering.put(node, key)


def constant(lowering: Lowering, node: FloatNode) -> None:
    """Store a tensor of the network as a weight, quantized like any value."""
    form = lowering.formats[node.name]
    shape = lowering.shapes[node.name]
    key = lowering.constant(node.name, form)
    assert key is not None, "a constant is stored"
    lowering.places[node.name] = Place(key, shape, form, len(shape) == 3)
