"""Float forms of the operators that look up, compare and choose, in NumPy."""

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode

RELATIONS = {
    "==": np.equal,
    "!=": np.not_equal,
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
"""In the order of the codes of COMPARE."""
NONE = -1


def lookup(node: FloatNode, graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Take rows of a stored table; an index outside it means its nearest row."""
    table = graph.constants[node.attributes["table"]]
    return table[np.clip(x.astype(np.int64), 0, len(table) - 1)]


def compare(node: FloatNode, _graph: FloatGraph, a: FloatArray, b: FloatArray) -> FloatArray:
    """Return 1 where a relation holds, else 0."""
    return np.asarray(RELATIONS[node.attributes["relation"]](a, b), np.float32)


def where(
    _node: FloatNode, _graph: FloatGraph, condition: FloatArray, a: FloatArray, b: FloatArray
) -> FloatArray:
    """Choose a where the condition is not 0, else b."""
    return np.where(condition != 0, a, b)


def top_k(node: FloatNode, _graph: FloatGraph, x: FloatArray) -> FloatArray:
    """Return the k largest along the last axis or their indices, among equals the lowest first."""
    indices = np.argsort(-x, axis=-1, kind="stable")[..., : node.attributes["k"]]
    if node.attributes["part"] == "indices":
        return np.asarray(indices, np.float32)
    return np.take_along_axis(x, indices, -1)


def suppress(
    node: FloatNode, _graph: FloatGraph, boxes: FloatArray, scores: FloatArray
) -> FloatArray:
    """Suppress boxes that overlap a better one.

    Parameters
    ----------
    boxes : (samples, N, 4), two opposite corners x1, y1, x2, y2 with x1 <= x2 and y1 <= y2
    scores : (samples, classes, N)

    Returns
    -------
    indices of the boxes kept, best first, (samples, classes, count), the rest of it -1
    """
    samples, classes, _ = scores.shape
    kept = np.full((samples, classes, node.attributes["count"]), NONE, np.float32)
    for sample, kind in np.ndindex(samples, classes):
        found = _kept(node, boxes[sample].astype(np.float64), scores[sample, kind])
        kept[sample, kind, : len(found)] = found
    return kept


def _kept(node: FloatNode, boxes: FloatArray, scores: FloatArray) -> list[int]:
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > node.attributes["score"]]
    kept: list[int] = []
    while len(order) and len(kept) < node.attributes["count"]:
        first, rest = int(order[0]), order[1:]
        kept.append(first)
        low = np.maximum(boxes[first, :2], boxes[rest, :2])
        high = np.minimum(boxes[first, 2:], boxes[rest, 2:])
        shared = np.maximum(high - low, 0).prod(1)
        areas = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1)
        union = areas[first] + areas[rest] - shared
        order = rest[shared <= node.attributes["overlap"] * union]
    return kept
