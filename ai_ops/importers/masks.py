"""Masks of attention: numbers so far below the scores that a softmax gives them no share.

Frameworks write minus infinity, or the least float there is, and add it to the scores or choose it
in their place. Quantized beside the scores, such a number would leave them no levels. So

1. `bound_masks` limits what masks are made of, before anything is measured;
2. `calibrate` looks past what is masked when it finds the scores' range;
3. `bound_scores` limits masked scores to `HEADROOM` below the least score seen, which the
   engine's exponential takes for 0.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode

MASK = 1000.0
"""Masks are limited to this, in natural logarithms: exp(-1000) is 0 in any float."""
MASKED_BELOW = -MASK / 2
HEADROOM = 12.0
"""Weights below exp(-11.1) of the largest are 0 in SOFTMAX (page 02, O-54 and O-55)."""
MOVES = frozenset({"reshape", "transpose", "tile", "identity", "slice"})
MADE_OF = MOVES | {
    *("constant", "real", "compare", "where", "affine", "unary", "clamp", "add", "subtract"),
    *("multiply", "maximum", "minimum", "concat", "pad", "take"),
}


def masked_scores(graph: FloatGraph) -> set[str]:
    """Return the values on the way from a mask to a softmax: sums, choices and movements."""
    return _search(graph)[0]


def bound_masks(graph: FloatGraph) -> FloatGraph:
    """Limit the constants that masks are computed from to `MASK`."""
    inside = _search(graph)[1]
    constants = dict(graph.constants)
    nodes = []
    for node in graph.nodes:
        names: dict[str, str] = {}
        for part in ("value", "scale", "shift") if node.name in inside else ():
            stored = node.attributes.get(part)
            if isinstance(stored, str) and _outside(constants[stored]):
                names[part] = f"{node.name}.bounded.{part}"
                constants[names[part]] = np.clip(constants[stored], -MASK, MASK)
        nodes.append(replace(node, attributes={**node.attributes, **names}))
    return graph.with_nodes(nodes, constants=constants)


def _outside(array: FloatArray) -> bool:
    return bool(array.size and np.abs(array).max() > MASK)


def bound_scores(graph: FloatGraph, least: Mapping[str, float]) -> FloatGraph:
    """Clamp each masked sum or choice.

    Parameters
    ----------
    least : the bound of each value, from `calibrate`
    """

    def bounded(node: FloatNode) -> FloatNode:
        if node.name not in least or node.operator not in {"add", "subtract", "where"}:
            return node
        _, high = node.clamp or (-np.inf, np.inf)
        return replace(node, clamp=(least[node.name], high))

    return graph.with_nodes(bounded(node) for node in graph.nodes)


def _search(graph: FloatGraph) -> tuple[set[str], set[str]]:
    """Return the masked scores, and all nodes that masks are made of."""
    makers = {node.name: node for node in graph.nodes}
    scores: set[str] = set()
    inside: set[str] = set()
    stored: dict[str, bool] = dict.fromkeys(graph.inputs, True)
    for node in graph.nodes:
        made = node.operator in MADE_OF
        stored[node.name] = made and all(stored[name] for name in node.inputs)
    waiting = [node.inputs[0] for node in graph.nodes if node.operator == "softmax"]
    while waiting:
        name = waiting.pop()
        if name not in makers or name in scores:
            continue
        node = makers[name]
        if node.operator in MOVES:
            scores.add(node.name)
            waiting.append(node.inputs[0])
        elif node.operator in {"add", "subtract", "where"}:
            sides = node.inputs[-2:]
            scores.add(node.name)
            waiting += [side for side in sides if not stored[side]]
            _collect(makers, [side for side in sides if stored[side]], inside)
    return scores, inside


def _collect(makers: Mapping[str, FloatNode], names: list[str], found: set[str]) -> None:
    """Add what the values `names` are made of to `found`."""
    while names:
        name = names.pop()
        if name in makers and name not in found:
            found.add(name)
            names += makers[name].inputs
