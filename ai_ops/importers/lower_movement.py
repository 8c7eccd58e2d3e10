"""Movements: what changes a tensor's shape or order and no number in it."""

import math

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.lowering import Lowering


def concat(lowering: Lowering, node: FloatNode) -> None:
    """Lower a concatenation; what has another format is rescaled first."""
    form = lowering.formats[node.name]
    places = [lowering.places[name] for name in node.inputs]
    keys = tuple(
        place.key
        if place.format == form
        else lowering.rescale(
            place.key, place.scale / form.scale, form.dtype, (form.least, form.levels)
        )
        for place in places
    )
    axis = node.attributes["axis"]
    axis = {1: 3, 2: 1, 3: 2}[axis] if places[0].image else axis
    key = lowering.emit("CONCAT", keys, axis=axis)
    lowering.put(node, key)


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
    key = lowering.emit("TRANSPOSE", (lowering.plain(node.inputs[0]),), permutation=axes)
    shape = lowering.shapes[node.name]
    lowering.put(node, lowering.image(key, shape) if len(shape) == 3 else key)
