"""How many bytes an object holds on to: what a cache of prepared models counts.

A walk over what the object refers to; memory that two parts share counts once. Backends, compiled
loops and libraries belong to the process, not to a model, and do not count. The graph is counted
from its bytes: a walk over its small objects would take as long as preparing them. The figure
differs between machines and decides nothing but what a cache keeps.
"""

from __future__ import annotations

import sys
from collections.abc import Hashable, Mapping, Sequence
from enum import Enum
from functools import cache, partial
from types import CellType, FunctionType
from typing import cast

import numpy as np

from ai_ops.backends.base import Program, Runner

ENTRY_BYTES = 36
"""Of an integer in a tuple: the reference and the number."""
HEAD_FACTOR = 12
STEP_BYTES = 600
"""What decoding makes of a byte of manifest and graph, and of a node beside its bytes (measured)."""
TABLE = 64
"""Integers in a tuple from which on it is a table, not the arguments of a loop."""
DESCRIPTIONS = ("ai_ops.graph", "ai_ops.backends.base")
"""Modules whose objects are a graph's, not a backend's."""


def held_bytes(program: Program, runner: Runner) -> int:
    """Return about the bytes that a program and its runner take together."""
    weights = program.model.weights
    head = program.facts.total_bytes - len(weights)
    graph = HEAD_FACTOR * head + STEP_BYTES * len(program.steps)
    return graph + footprint((weights, runner))


def footprint(value: object) -> int:
    """Return the bytes that an object and what it refers to take.

    Parameters
    ----------
    value : object
        Data, arrays, closures and objects of this package, nested at will.
    """
    total = 0
    seen: set[int] = set()
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or item is None or isinstance(item, type | Enum):
            continue
        seen.add(id(item))
        if isinstance(item, np.ndarray):
            # With its elements, or without those of a view, which are its owner's.
            total += sys.getsizeof(item)
            waiting.append(item.base)
        elif isinstance(item, tuple) and len(item) >= TABLE and isinstance(item[0], int):
            # Walking a table's entries would take longer than packing it.
            total += ENTRY_BYTES * len(item)
        else:
            children = _children(item)
            if children or isinstance(item, bytes):
                total += sys.getsizeof(item)
                waiting.extend(children)
    return total


def _children(item: object) -> Sequence[object]:
    kind = type(item)
    if kind is tuple or kind is list:
        return cast("Sequence[object]", item)
    if isinstance(item, FunctionType):
        return item.__closure__ or ()
    if isinstance(item, CellType):
        return (item.cell_contents,)
    if isinstance(item, Mapping):
        return tuple(item.values())
    if isinstance(item, partial):
        return (item.func, item.args, item.keywords)
    if not _is_of_a_model(cast("Hashable", kind)):
        return ()
    members = [getattr(item, name, None) for name in _slots(cast("Hashable", kind))]
    return [*members, *getattr(item, "__dict__", {}).values()]


@cache
def _is_of_a_model(kind: type) -> bool:
    """Say whether objects of a type belong to a model: of this package, and no backend.

    What the gpu backend keeps is a device's, and bounded by its own cache; a model's graph is
    counted by `held_bytes`.
    """
    module = kind.__module__
    return (
        module.startswith("ai_ops.")
        and module not in DESCRIPTIONS
        and not module.startswith("ai_ops.backends.gpu.")
        and not hasattr(kind, "prepare")
    )


@cache
def _slots(kind: type) -> tuple[str, ...]:
    names: list[str] = []
    for base in kind.__mro__:
        own = base.__dict__.get("__slots__", ())
        names += [own] if isinstance(own, str) else own
    return tuple(names)
