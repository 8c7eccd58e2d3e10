"""Operators that look up, compare and choose: embeddings, masks, the best of many."""

import math

import numpy as np

from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_choices import RELATIONS
from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.lowering import Lowering

ONE = 2**16
"""Of a threshold of NON_MAX_SUPPRESSION."""
INTEGER_LIMIT = 2**31 - 1


def lookup(lowering: Lowering, node: FloatNode) -> None:
    """Lower rows of a stored table to GATHER."""
    form = lowering.formats[node.name]
    real = lowering.graph.constants[node.attributes["table"]].astype(np.float64)
    steps = np.clip(np.rint(real / float(form.scale)), form.least, form.levels)
    table = lowering.weight(steps.astype(form.dtype.numpy))
    key = lowering.emit("GATHER", (table, lowering.plain(node.inputs[0])), axis=0)
    lowering.put_plain(node, key)


def real(lowering: Lowering, node: FloatNode) -> None:
    """Lower integers to numbers with a scale: RESCALE."""
    x, form = lowering.places[node.inputs[0]], lowering.formats[node.name]
    lowering.put(node, lowering.reformat(x, form))


def compare(lowering: Lowering, node: FloatNode) -> None:
    """Lower a relation to COMPARE; a constant is rounded so that nothing changes sides."""
    relation, (first, second) = node.attributes["relation"], node.inputs
    a, constant = lowering.places[first], lowering.stored(second)
    if constant is not None:
        exact = constant.astype(np.float64) / float(a.scale)
        rounded = (np.rint if relation in {"==", "!="} else _ROUND[relation])(exact)
        steps = np.clip(rounded, -INTEGER_LIMIT, INTEGER_LIMIT).astype(np.int32)
        if a.image:
            steps = steps.transpose(0, 2, 3, 1)
        other = lowering.weight(steps)
    else:
        other = lowering.reformat(lowering.places[second], a.format)
    key = lowering.emit("COMPARE", (a.key, other), relation=list(RELATIONS).index(relation))
    lowering.put(node, key)


# x > 1.5 steps where x > 1 step; x >= 1.5 where x >= 2.
_ROUND = {">": np.floor, "<=": np.floor, "<": np.ceil, ">=": np.ceil}


def where(lowering: Lowering, node: FloatNode) -> None:
    """Lower a choice to WHERE, both sides brought to one format."""
    condition, *sides = (lowering.places[name] for name in node.inputs)
    if len({len(place.shape) for place in (condition, *sides)}) != 1:
        raise ImportRefused(
            f"the node {node.source} joins tensors of different ranks: reshape them first"
        )
    form = lowering.formats[node.name]
    keys = tuple(
        lowering.constant(name, form) or lowering.reformat(side, form)
        for name, side in zip(node.inputs[1:], sides, strict=True)
    )
    lowering.put(node, lowering.emit("WHERE", (condition.key, *keys)))


def top_k(lowering: Lowering, node: FloatNode) -> None:
    """Lower the k largest or their places to TOP_K; both parts come from one step."""
    x, group = lowering.places[node.inputs[0]], node.attributes["group"]
    if group not in lowering.groups:
        lowering.groups[group] = lowering.emit_several(
            "TOP_K", (lowering.plain_key(x),), 2, k=node.attributes["k"]
        )
    values, indices = lowering.groups[group]
    key = indices if node.attributes["part"] == "indices" else values
    lowering.put_plain(node, key)


def suppress(lowering: Lowering, node: FloatNode) -> None:
    """Lower the suppression of overlapping boxes: one NON_MAX_SUPPRESSION for each class."""
    boxes, scores = (lowering.places[name] for name in node.inputs)
    if lowering.options.maximum_batch > 1:
        raise ImportRefused(
            f"the node {node.source} takes one sample in a call: leave --maximum-batch at 1"
        )
    classes, count = scores.shape
    corners = lowering.emit("RESHAPE", (lowering.plain_key(boxes),), shape=(count, 4))
    limit = max(-INTEGER_LIMIT, min(INTEGER_LIMIT, node.attributes["score"] / float(scores.scale)))
    kept = []
    for kind in range(classes):
        row = lowering.plain_key(scores)
        if classes > 1:
            row = lowering.emit(
                "SLICE", (row,), starts=(0, kind, 0), sizes=(1, 1, count), strides=(1, 1, 1)
            )
        row = lowering.emit("RESHAPE", (row,), shape=(count,))
        found = lowering.emit(
            "NON_MAX_SUPPRESSION",
            (corners, row),
            score_threshold=min(INTEGER_LIMIT, math.floor(limit) + 1),
            iou_threshold=max(0, min(ONE, round(node.attributes["overlap"] * ONE))),
            maximum_outputs=node.attributes["count"],
        )
        kept.append(lowering.emit("RESHAPE", (found,), shape=(1, 1, node.attributes["count"])))
    key = kept[0] if classes == 1 else lowering.emit("CONCAT", tuple(kept), axis=1)
    lowering.put(node, key)
