"""The most memory that a model takes on a backend, known from its file before it runs.

Two parts: what is held while it is loaded, a multiple of its bytes; and what a call adds, a
multiple of the peak of live tensors that validation proved. A process has the interpreter and the
compiled loops on top. Tests hold every backend to it (tests/ai_ops/test_memory.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from ai_ops.graph import Model
from ai_ops.validate import ModelFacts

HEAD_FACTOR = 64
"""Of manifest and graph: an entry of a table is a Python integer after decoding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryBound:
    """Factors of one backend.

    Parameters
    ----------
    weights : int
        Times the bytes of the weights: the file, and what a backend makes of it.
    live : int
        Times the peak of live tensors: the tensors, and what an operator needs beside them.
    fixed : int
        Bytes on top: blocks that work is cut into.
    """

    weights: int
    live: int
    fixed: int


MEMORY_BOUNDS = {
    # Everything is int64, several times over; scores of ATTENTION in blocks.
    "reference": MemoryBound(weights=12, live=40, fixed=24 * 2**20),
    # A product of depth 1 has four int64 for each byte of its weights; SAMPLE sorts all logits.
    "numba": MemoryBound(weights=40, live=16, fixed=6 * 2**20),
    # The arena of the planner, rounded up; panels and bands as far as operands explain them; what
    # has no kernel in C runs as on numba.
    "native": MemoryBound(weights=40, live=18, fixed=6 * 2**20),
}


def memory_bound(backend: str, model: Model, facts: ModelFacts) -> int:
    """Return the most bytes that loading a model and one call of it take.

    Parameters
    ----------
    backend : str
        A key of `MEMORY_BOUNDS`.
    model : Model
    facts : ModelFacts
        From `validate` of this very model.
    """
    bound, weights = MEMORY_BOUNDS[backend], model.graph.weight_bytes
    return (
        bound.weights * weights
        + HEAD_FACTOR * (facts.total_bytes - weights)
        + bound.live * facts.live_bytes
        + bound.fixed
    )
