"""Proposals of operators that only move elements."""

from __future__ import annotations

from math import prod

from ai_ops.graph import SYMBOLIC
from tests.ai_ops.random_graphs.builder import Builder, Proposal, Proposals


def propose_reshape(b: Builder) -> Proposal:
    x = b.pick()
    shape = list(b.shape(x))
    fixed = prod(size for size in shape if size != SYMBOLIC)
    divisor = b.random.choice([d for d in range(1, min(fixed, 40) + 1) if fixed % d == 0])
    parts = [fixed // divisor, divisor]
    if SYMBOLIC in shape:
        parts.insert(b.random.randint(0, 2), SYMBOLIC)
    return (x,), {"shape": tuple(parts)}


def propose_transpose(b: Builder) -> Proposal:
    x = b.pick()
    rank = len(b.shape(x))
    return (x,), {"permutation": tuple(b.random.sample(range(rank), rank))}


def propose_concat(b: Builder) -> Proposal:
    x = b.pick()
    others = [h for h in (b.pick(), b.pick(), x) if b.shape(h)[:-1] == b.shape(x)[:-1]]
    axis = b.random.choice((len(b.shape(x)) - 1, b.random.randrange(len(b.shape(x)))))
    return (x, *others), {"axis": axis}


PROPOSALS: Proposals = {
    "RESHAPE": propose_reshape,
    "TRANSPOSE": propose_transpose,
    "CONCAT": propose_concat,
}
