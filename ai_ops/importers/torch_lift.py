"""Read calls that move or merge the sample axis, as attention written time first does.

With one sample, an exported program says what happens to that sample, wherever it keeps the axis of
size 1. A value whose first axis is that of samples is stored without change; any other as a tensor
of its own behind the sample axis: (T, 1, E) as (n, T, 1, E). Calls on such values are read with
every axis one further.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.torch_calls import Call

AXES = frozenset({"dim", "dim0", "dim1", "dims"})
STATES = frozenset({"lstm", "gru", "lstm_cell", "gru_cell", "zeros"})
"""Calls whose states have another first axis than that of samples."""
CHOOSES = frozenset({"select", "mean", "sum", "amax", "amin", "argmax", "softmax", "topk", "slice"})
Read = FloatNode | list[FloatNode]


def leaves_samples(call: Call) -> bool:
    """Tell whether a call reads or makes a value whose first axis is not that of samples."""
    reader = call.reader
    name = call.target.partition(".")[0]
    if reader.batch != 1 or name in STATES or call.get("self") in reader.states:
        return False
    values = [value for value in call.tensors if value not in reader.constants]
    if not values:
        return False
    if any(_first(reader.shapes[value]) != 1 for value in [*values, *call.results]):
        return True
    if name in {"permute", "transpose"}:
        return _permutation(call)[0] != 0
    return False


def _first(shape: list[int]) -> int:
    return shape[0] if shape else 0


def _permutation(call: Call) -> list[int]:
    rank = len(call.reader.shapes[call.value()])
    if "dims" in call.arguments:
        return [axis % rank for axis in call.get("dims")]
    axes = list(range(rank))
    first, second = call.get("dim0") % rank, call.get("dim1") % rank
    axes[first], axes[second] = axes[second], axes[first]
    return axes


def read_lifted(call: Call, read: Callable[[Call], Read]) -> list[FloatNode]:
    """Read a call one axis further back; what it reads and makes is reshaped as needed."""
    reader = call.reader
    _refuse_mixing(call)
    lifted = copy.copy(call)
    lifted.reader = copy.copy(reader)
    lifted.reader.shapes = dict(reader.shapes)
    nodes: list[FloatNode] = []
    names: dict[str, str] = {}
    for value in call.tensors:
        if value in reader.constants or value in names:
            continue
        shape = reader.shapes[value]
        names[value] = value
        if _first(shape) == 1:
            names[value] = f"{call.name}.{value}"
            inner = replace(call.node("reshape", (value,), shape=tuple(shape)), name=names[value])
            nodes.append(inner)
        lifted.reader.shapes[names[value]] = [1, *shape]
    results = {name: _result(call, name) for name in call.results}
    for name, inside in results.items():
        lifted.reader.shapes[inside] = [1, *reader.shapes[name]]
    lifted.arguments = {
        key: _moved(key, value, names, call) for key, value in call.arguments.items()
    }
    lifted.name = results.get(call.name, call.name)
    lifted.names = [results.get(name, name) for name in call.names]
    made = read(lifted)
    nodes += made if isinstance(made, list) else [made]
    for name, inside in results.items():
        if inside != name and any(node.name == inside for node in nodes):
            rest = tuple(reader.shapes[name][1:])
            nodes.append(replace(call.node("reshape", (inside,), shape=rest), name=name))
    return nodes


def _result(call: Call, name: str) -> str:
    return f"{name}.lifted" if _first(call.reader.shapes[name]) == 1 else name


def _moved(key: str, value: Any, names: dict[str, str], call: Call) -> Any:
    """Return an argument with axes one further and values by their lifted names."""
    if key == "dims" and call.target.startswith("permute"):
        return [0, *(axis + 1 for axis in _permutation(call))]
    if key == "indices" and call.target.startswith("index"):
        return [None, *(names.get(each, each) if each else None for each in value)]
    if key in AXES:
        if isinstance(value, list):
            return [axis + 1 if axis >= 0 else axis for axis in value]
        return value + 1 if isinstance(value, int) and value >= 0 else value
    if isinstance(value, list):
        return [names.get(each, each) if isinstance(each, str) else each for each in value]
    return names.get(value, value) if isinstance(value, str) else value


def _refuse_mixing(call: Call) -> None:
    """Refuse what would choose or add up samples if there were several."""
    name = call.target.partition(".")[0]
    if not call.reader.symbolic or name not in CHOOSES:
        return
    value = call.value()
    axes = call.get("dim", 0)
    rank = len(call.reader.shapes[value])
    if any(
        axis % rank in call.reader.sample_axes.get(value, ())
        for axis in (axes if isinstance(axes, list) else [axes])
        if isinstance(axis, int)
    ):
        raise call.refuse("it mixes samples; keep them apart or export with one sample")
