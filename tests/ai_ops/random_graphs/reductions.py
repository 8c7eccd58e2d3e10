"""Proposals of reductions."""

from __future__ import annotations

from tests.ai_ops.random_graphs.builder import Builder, Proposal, Proposals


def propose_argmax(b: Builder) -> Proposal:
    x = b.pick()
    return (x,), {"axis": b.random.randrange(len(b.shape(x)))}


PROPOSALS: Proposals = {
    "ARGMAX": propose_argmax,
}
