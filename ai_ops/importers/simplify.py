"""Rewrite a float graph into the few forms that `lower` knows, without changing what it computes.

1. identities leave, a trailing softmax leaves (with a note: the order of scores is unchanged),
   masks get bounds (`masks`), spelled out normalizations become one operator (`norms`);
2. neighbouring affine maps become one, and fold into the convolution or dense layer before them;
3. a clamp (ReLU, ReLU6, clip) fuses into the operator before it when nothing else reads that;
4. operations on single numbers join into one table (`pointwise`).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode, renamed
from ai_ops.importers.integers import separate_integers
from ai_ops.importers.masks import bound_masks
from ai_ops.importers.norms import find_norms
from ai_ops.importers.pointwise import join_pointwise

# Operators whose result is computed in wide integers and clamped once, so a clamp costs nothing.
FUSES_CLAMP = frozenset(
    {"conv", "dense", "affine", "add", "subtract", "multiply", "conv_transpose", "matmul"}
)
MONOTONE = frozenset({"max_pool", "reshape", "transpose"})


def simplify(graph: FloatGraph) -> FloatGraph:
    """Apply all passes."""
    for rewrite in (
        drop_identities,
        separate_integers,
        bound_masks,
        find_norms,
        join_reshapes,
        drop_trailing_softmax,
        fold_pads,
        shrink_affine,
        join_affine,
        fuse_clamps,
        join_pointwise,
    ):
        graph = drop_unused(rewrite(graph))
    return complete_choices(graph)


def complete_choices(graph: FloatGraph) -> FloatGraph:
    """Make both parts of a choice outputs where only one is read: no result may be left unread."""
    parts = {
        (node.attributes["group"], node.attributes["part"])
        for node in graph.nodes
        if node.operator == "top_k"
    }
    nodes, outputs, notes = list(graph.nodes), list(graph.outputs), list(graph.notes)
    labels = list(graph.labels or graph.outputs)
    for node in graph.nodes if parts else ():
        if node.operator != "top_k":
            continue
        group = node.attributes["group"]
        (other,) = {"values", "indices"} - {node.attributes["part"]}
        if (group, other) in parts:
            continue
        name = f"{node.name}.{other}"
        nodes.append(replace(node, name=name, attributes={**node.attributes, "part": other}))
        outputs.append(name)
        labels.append(name)
        notes.append(f"{node.source}: its {other} are an output too, which nothing else reads")
    return graph.with_nodes(nodes, outputs=tuple(outputs), labels=tuple(labels), notes=tuple(notes))


def drop_identities(graph: FloatGraph) -> FloatGraph:
    """Remove `identity` nodes (dropout in evaluation, clone, detach)."""
    return _remove(graph, lambda node: node.operator == "identity")


def _remove(graph: FloatGraph, unwanted: Callable[[FloatNode], bool]) -> FloatGraph:
    """Remove one-input nodes; whoever read them reads their input."""
    names: dict[str, str] = {}
    kept = []
    for original in graph.nodes:
        node = renamed(original, names)
        if unwanted(node):
            names[node.name] = node.inputs[0]
        else:
            kept.append(node)
    outputs = tuple(names.get(name, name) for name in graph.outputs)
    return graph.with_nodes(kept, outputs=outputs)


def join_reshapes(graph: FloatGraph) -> FloatGraph:
    """Let a reshape of a reshape read what the first one reads."""
    makers: dict[str, FloatNode] = {}
    for node in graph.nodes:
        before = makers.get(node.inputs[0]) if node.operator == "reshape" else None
        joins = before is not None and before.operator == "reshape"
        if joins and before is not None and 0 not in node.attributes["shape"]:
            makers[node.name] = replace(node, inputs=before.inputs)
        else:
            makers[node.name] = node
    return graph.with_nodes(makers.values())


def drop_trailing_softmax(graph: FloatGraph) -> FloatGraph:
    """Remove a softmax that only makes an output: the scores before it have the same order."""
    trailing = {
        node.name: node
        for node in graph.nodes
        if node.operator == "softmax"
        and node.name in graph.outputs
        and not graph.consumers(node.name)
    }
    notes = tuple(
        f"{node.source} was left out: the output holds the scores before it, in the same order"
        for node in trailing.values()
    )
    graph = replace(graph, notes=graph.notes + notes)
    return _remove(graph, lambda node: node.name in trailing)


def shrink_affine(graph: FloatGraph) -> FloatGraph:
    """Give an affine map that treats every channel alike constants of one number."""
    constants = dict(graph.constants)
    nodes = []
    for node in graph.nodes:
        parts = (
            {part: constants[node.attributes[part]] for part in ("scale", "shift")}
            if (node.operator == "affine")
            else {}
        )
        if parts and all(array.size and np.ptp(array) == 0 for array in parts.values()):
            names = {part: f"{node.name}.one.{part}" for part in parts}
            constants |= {names[part]: array.reshape(-1)[:1] for part, array in parts.items()}
            nodes.append(replace(node, attributes={**node.attributes, **names}))
        else:
            nodes.append(node)
    return graph.with_nodes(nodes, constants=constants)


def join_affine(graph: FloatGraph) -> FloatGraph:
    """Fold each affine map into the conv, dense or affine node before it, when it reads it alone."""
    constants = dict(graph.constants)
    nodes: dict[str, FloatNode] = {}
    names: dict[str, str] = {}
    for original in graph.nodes:
        node = renamed(original, names)
        before = nodes.get(node.inputs[0]) if node.inputs else None
        foldable = (
            node.operator == "affine"
            and before is not None
            and _takes(before, node, constants)
            and len(graph.consumers(original.inputs[0])) == 1
            and original.inputs[0] not in graph.outputs
        )
        if not foldable or before is None:
            nodes[node.name] = node
            continue
        nodes[before.name] = _folded(before, node, constants)
        names[node.name] = before.name
    outputs = tuple(names.get(name, name) for name in graph.outputs)
    return graph.with_nodes(nodes.values(), constants=constants, outputs=outputs)


def _takes(before: FloatNode, affine: FloatNode, constants: Mapping[str, FloatArray]) -> bool:
    """Tell whether the channels of an affine map are the rows of the weights before it."""
    if before.operator == "dense":
        # Of a rank-3 tensor, axis 1 is not the one that a dense layer makes.
        sizes = {constants[affine.attributes[part]].size for part in ("scale", "shift")}
        return affine.attributes["rank"] == 2 or sizes == {1}
    return before.operator in {"conv", "conv_transpose", "affine"}


def _folded(before: FloatNode, affine: FloatNode, constants: dict[str, FloatArray]) -> FloatNode:
    """Return `before` with the affine map worked into its constants (float64 inside)."""
    scale = constants[affine.attributes["scale"]].astype(np.float64)
    shift = constants[affine.attributes["shift"]].astype(np.float64)
    first, second = ("scale", "shift") if before.operator == "affine" else ("weight", "bias")
    weight = constants[before.attributes[first]].astype(np.float64)
    bias_name = before.attributes[second]
    bias = np.zeros(len(weight)) if bias_name is None else constants[bias_name].astype(np.float64)
    column = (-1,) + (1,) * (weight.ndim - 1)
    weight_name, new_bias = f"{affine.name}.{first}", f"{affine.name}.{second}"
    constants[weight_name] = (weight * scale.reshape(column)).astype(np.float32)
    constants[new_bias] = (bias * scale + shift).astype(np.float32)
    attributes = {**before.attributes, first: weight_name, second: new_bias}
    return replace(before, attributes=attributes)


def fuse_clamps(graph: FloatGraph) -> FloatGraph:
    """Give each clamp to the operator before it, when that can clamp and nothing else reads it.

    A clamp is monotone and acts on single elements, so it also passes a max pool and movements.
    """
    nodes: dict[str, FloatNode] = {}
    names: dict[str, str] = {}
    shared = {node.name for node in graph.nodes if len(graph.consumers(node.name)) != 1}
    shared.update(graph.outputs)
    for original in graph.nodes:
        node = renamed(original, names)
        maker = nodes.get(node.inputs[0]) if node.operator == "clamp" else None
        while maker is not None and maker.operator in MONOTONE and _single(maker, names, shared):
            maker = nodes.get(maker.inputs[0])
        if maker is None or maker.operator not in FUSES_CLAMP or not _single(maker, names, shared):
            nodes[node.name] = node
            continue
        low, high = maker.clamp or (-math.inf, math.inf)
        bounds = (node.attributes["low"], node.attributes["high"])
        clamp = (float(np.clip(low, *bounds)), float(np.clip(high, *bounds)))
        nodes[maker.name] = replace(maker, clamp=clamp)
        names[node.name] = node.inputs[0]
    outputs = tuple(names.get(name, name) for name in graph.outputs)
    return graph.with_nodes(nodes.values(), outputs=outputs)


def _single(node: FloatNode, names: dict[str, str], shared: set[str]) -> bool:
    """Tell whether one reader sees the node's value, through clamps already fused into it."""
    chain = {node.name, *(name for name, target in names.items() if target == node.name)}
    # With a clamp fused, the clamp's readers read this node; only the last link may be shared.
    return len(chain & shared) == 0


def fold_pads(graph: FloatGraph) -> FloatGraph:
    """Move zero padding of height and width into the convolutions that read it."""
    nodes: dict[str, FloatNode] = {}
    for node in graph.nodes:
        maker = nodes.get(node.inputs[0]) if node.inputs else None
        if maker is None or node.operator != "conv" or not _pads_image(maker):
            nodes[node.name] = node
            continue
        before, after = maker.attributes["before"], maker.attributes["after"]
        added = (before[1], before[2], after[1], after[2])
        pads = tuple(a + b for a, b in zip(added, node.attributes["pads"], strict=True))
        attributes = {**node.attributes, "pads": pads}
        nodes[node.name] = replace(node, inputs=maker.inputs, attributes=attributes)
    return drop_unused(graph.with_nodes(nodes.values()))


def _pads_image(node: FloatNode) -> bool:
    if node.operator != "pad" or node.attributes["value"] != 0:
        return False
    before, after = node.attributes["before"], node.attributes["after"]
    return len(before) == 3 and before[0] == after[0] == 0


def drop_unused(graph: FloatGraph) -> FloatGraph:
    """Remove nodes whose results nothing reads."""
    needed = set(graph.outputs)
    kept = []
    for node in reversed(graph.nodes):
        if node.name in needed:
            kept.append(node)
            needed.update(node.inputs)
    return graph.with_nodes(kept[::-1])
