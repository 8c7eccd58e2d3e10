"""Join operations that act on each number alone into one table of 256 entries.

A GELU written as five operations, ``x * sigmoid(x)``, a scaling after a tanh: whatever is computed
from one value, number by number, is a function of 8 bits, and one rounding is better than five.
"""

from dataclasses import dataclass, replace

from ai_ops.importers.float_graph import FloatGraph, FloatNode

UNARY = frozenset({"unary", "clamp", "affine"})
BINARY = frozenset({"add", "subtract", "multiply", "maximum", "minimum"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A value as a function of another one, number by number."""

    root: str
    nodes: tuple[FloatNode, ...]


def join_pointwise(graph: FloatGraph) -> FloatGraph:
    """Replace each group of two or more pointwise nodes by one `pointwise` node.

    A value of the group that something outside reads stays, as a function of the same root.
    """
    functions: dict[str, Function] = {}
    for node in graph.nodes:
        function = _function(graph, node, functions)
        if function is not None:
            functions[node.name] = function
    return graph.with_nodes(_joined(node, functions.get(node.name)) for node in graph.nodes)


def _joined(node: FloatNode, function: Function | None) -> FloatNode:
    if function is None or len(function.nodes) < 2:
        return node
    return replace(
        node,
        operator="pointwise",
        inputs=(function.root,),
        attributes={"nodes": function.nodes},
        clamp=None,
    )


def _function(
    graph: FloatGraph, node: FloatNode, functions: dict[str, Function]
) -> Function | None:
    if node.operator not in UNARY | BINARY or not node.inputs:
        return None
    if node.operator == "affine" and any(
        graph.constants[node.attributes[part]].size != 1 for part in ("scale", "shift")
    ):
        return None
    parts = [functions.get(name, Function(root=name, nodes=())) for name in node.inputs]
    roots = {part.root for part in parts}
    if len(roots) != 1:
        return None
    steps = {step.name: step for part in parts for step in part.nodes}
    return Function(root=parts[0].root, nodes=(*steps.values(), node))
