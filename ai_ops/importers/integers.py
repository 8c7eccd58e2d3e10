"""Integers inside a float network: token ids, indices, truth values."""

from dataclasses import replace

from ai_ops.importers.float_graph import FloatGraph, FloatNode
from ai_ops.importers.formats import MOVES, Format, exact_integers

INDEXED = {"lookup": (0,), "where": (0,)}
"""Operands that are taken as integers."""
ALIKE = frozenset({"compare", "maximum", "minimum", "concat"})


def separate_integers(graph: FloatGraph) -> FloatGraph:
    """Put a `real` node wherever something computes with an integer as with any number."""
    forms = exact_integers(graph)
    made: dict[str, FloatNode] = {}
    nodes = []
    for node in graph.nodes:
        inputs = list(node.inputs)
        for index, name in enumerate(node.inputs):
            if name not in forms or _takes_integer(graph, node, index, forms):
                continue
            inputs[index] = f"{name}.real"
            if inputs[index] not in made:
                made[inputs[index]] = FloatNode(
                    operator="real", name=inputs[index], inputs=(name,), source=node.source
                )
                nodes.append(made[inputs[index]])
        nodes.append(replace(node, inputs=tuple(inputs)))
    return graph.with_nodes(nodes)


def _takes_integer(
    graph: FloatGraph, node: FloatNode, index: int, forms: dict[str, Format]
) -> bool:
    if node.operator in MOVES or node.operator == "real":
        return True
    if index in INDEXED.get(node.operator, ()):
        return True
    if node.operator not in ALIKE:
        return False
    stored = {other.name for other in graph.nodes if other.operator == "constant"}
    allowed = stored if node.operator == "compare" else set()
    return all(name in forms or name in allowed for name in node.inputs)
