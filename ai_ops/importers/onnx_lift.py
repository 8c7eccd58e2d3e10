"""Read ONNX nodes that move or merge the sample axis, as attention written time first does.

The file is read for one sample, so its axis of samples has size 1 wherever it goes. A value whose
first axis is not that one is stored behind a sample axis of its own, (T, 1, E) as (n, T, 1, E), and
nodes on it are read with every axis one further. `Reader.lifted` names these values.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.onnx_nodes import OnnxNode

Read = FloatNode | list[FloatNode] | None
ALONG = frozenset({"Concat", "Softmax", "LogSoftmax", "Split", "Gather", "ArgMax", "TopK"})
FIRST_BY_DEFAULT = frozenset({"Split", "Gather", "ArgMax"})
AXES_INPUT = {"Slice": 3, "ReduceMean": 1, "ReduceSum": 1, "ReduceMax": 1, "ReduceMin": 1}
LEADING_ONE = {"Expand": 1, "Tile": 1}
CHOOSES = ALONG | frozenset(AXES_INPUT)


def leaves_samples(node: OnnxNode) -> bool:
    """Tell whether a node reads or makes a value whose first axis is not that of samples."""
    reader = node.reader
    if not reader.fixed_shapes:
        return False
    if any(name in reader.lifted for name in node.arguments):
        return True
    perm = list(node.get("perm", []))
    return node.operator == "Transpose" and bool(perm) and perm[0] != 0


def read_lifted(node: OnnxNode, read: Callable[[OnnxNode], Read]) -> list[FloatNode]:
    """Read a node one axis further back; what it reads and makes is reshaped as needed."""
    reader = node.reader
    nodes: list[FloatNode] = []
    lifted = copy.copy(node)
    lifted.arguments = list(node.arguments)
    lifted.attributes = dict(node.attributes)
    for index, name in enumerate(node.arguments):
        if not name or name in reader.constants or name in reader.lifted:
            continue
        shape = tuple(reader.fixed_shapes[name])
        inner = replace(node.node("reshape", (name,), shape=shape), name=f"{node.name}.{name}")
        reader.learn([inner])
        nodes.append(inner)
        lifted.arguments[index] = inner.name
    _move_axes(lifted)
    made = read(lifted)
    made = made if isinstance(made, list) else [] if made is None else [made]
    reader.learn(made)
    outputs = set(node.outputs)
    for each in made:
        rest = reader.fixed_shapes[each.name][1:]
        if each.name not in outputs or not rest or rest[0] != 1:
            nodes.append(each)
            if each.name in outputs:
                reader.lifted.add(each.name)
            continue
        inner = replace(each, name=f"{each.name}.lifted")
        nodes += [
            inner,
            replace(node.node("reshape", (inner.name,), shape=tuple(rest[1:])), name=each.name),
        ]
    return nodes


def _move_axes(node: OnnxNode) -> None:
    """Move every axis that a node names one further."""
    attributes, reader = node.attributes, node.reader
    if "perm" in attributes:
        attributes["perm"] = [0, *(axis + 1 for axis in attributes["perm"])]
    if node.operator in ALONG:
        axis = attributes.get("axis", 0 if node.operator in FIRST_BY_DEFAULT else -1)
        attributes["axis"] = axis + 1 if axis >= 0 else axis
    if "axes" in attributes:
        attributes["axes"] = [axis + 1 if axis >= 0 else axis for axis in attributes["axes"]]
    index = AXES_INPUT.get(node.operator)
    if index is not None:
        _replace(node, index, lambda axes: [axis + 1 if axis >= 0 else axis for axis in axes])
        if node.operator == "Slice" and node.constant(3) is None:
            count = len(node.integers(1, "starts") or [])
            node.arguments += [""] * (4 - len(node.arguments))
            node.arguments[3] = f"{node.name}.axes"
            reader.constants[node.arguments[3]] = np.arange(1, count + 1, dtype=np.float32)
    if node.operator in LEADING_ONE:
        _replace(node, LEADING_ONE[node.operator], lambda sizes: [1, *sizes])
    if node.operator == "Pad":
        _replace(node, 1, lambda pads: [0, *pads[: len(pads) // 2], 0, *pads[len(pads) // 2 :]])


def _replace(node: OnnxNode, index: int, change: Callable[[list[int]], list[int]]) -> None:
    """Give a node another constant operand of integers."""
    stored = node.constant(index)
    if stored is not None:
        name = f"{node.name}.moved{index}"
        integers = [int(value) for value in stored.reshape(-1)]
        node.reader.constants[name] = np.array(change(integers), np.float64)
        node.arguments[index] = name


def refuse_mixing(node: OnnxNode) -> None:
    """Refuse what chooses or adds up along the sample axis, wherever that is now."""
    reader = node.reader
    name = next((n for n in node.arguments if n in reader.lifted), None)
    if name is None or node.operator not in CHOOSES:
        return
    shape = reader.fixed_shapes[name][1:]
    if node.operator in ALONG:
        axes = [int(node.get("axis", 0 if node.operator in FIRST_BY_DEFAULT else -1))]
    else:
        axes = node.integers(AXES_INPUT[node.operator], "axes") or []
    if any(shape[axis % len(shape)] == 1 for axis in axes):
        raise node.refuse("it works along an axis of size 1, which may be that of samples")


def logical_shape(node: OnnxNode, name: str) -> list[int]:
    """Return a value's shape as the file has it, for one sample."""
    shape = node.reader.fixed_shapes[name]
    return shape[1:] if name in node.reader.lifted else shape


def placed(node: OnnxNode, shape: list[int]) -> FloatNode:
    """Return the reshape to a shape that the file has, wherever its samples are."""
    if shape and shape[0] == 1:
        return node.node("reshape", shape=tuple(shape[1:]))
    node.reader.lifted.add(node.name)
    return node.node("reshape", shape=tuple(shape))


def reshaped(node: OnnxNode) -> FloatNode | None:
    """Read Reshape, Flatten, Squeeze and Unsqueeze of one sample; None when sizes are open."""
    reader = node.reader
    if node.arguments[0] not in reader.fixed_shapes or node.arguments[0] in reader.constants:
        return None
    shape = logical_shape(node, node.arguments[0])
    if node.operator == "Reshape":
        wanted = node.integers(1, "shape")
        if wanted is None:
            return None
        full = [shape[i] if size == 0 else size for i, size in enumerate(wanted)]
        if -1 in full:
            known = -int(np.prod(full))
            full[full.index(-1)] = int(np.prod(shape)) // max(1, known)
        return placed(node, full)
    if node.operator == "Flatten":
        axis = int(node.get("axis", 1)) % (len(shape) + 1)
        return placed(node, [int(np.prod(shape[:axis])), int(np.prod(shape[axis:]))])
    axes = node.integers(1, "axes")
    if node.operator == "Unsqueeze":
        rank = len(shape) + len(axes or [])
        full = list(shape)
        for axis in sorted(axis % rank for axis in axes or []):
            full.insert(axis, 1)
        return placed(node, full)
    gone = (
        {axis % len(shape) for axis in axes}
        if axes
        else {i for i, n in enumerate(shape) if n == 1 and i}
    )
    return placed(node, [size for i, size in enumerate(shape) if i not in gone])
