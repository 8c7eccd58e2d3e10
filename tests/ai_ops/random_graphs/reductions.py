"""Proposals of reductions."""

from __future__ import annotations

from tests.ai_ops.random_graphs.builder import Builder, Proposal, Proposals


def propose_argmax(b: Builder) -> Proposal:
    x = b.pick()
    return (x,), {"axis": b.random.randrange(len(b.shape(x)))}


def propose_axes(b: Builder) -> Proposal:
    """Propose MAX, MIN or MEAN."""
    x = b.pick()
    rank = len(b.shape(x))
    chosen = b.random.sample(range(rank), b.random.randint(1, min(rank, 3)))
    return (x,), {"axes": tuple(sorted(chosen)), "keep": b.random.randint(0, 1)}


def propose_sum(b: Builder) -> Proposal:
    handles, attributes = propose_axes(b)
    shape = b.shape(handles[0])
    # Dropping the last dimension makes another one the channel; one scale fits them all.
    channels = 1 if len(shape) - 1 in attributes["axes"] else shape[-1]  # type: ignore[operator]
    return handles, {**attributes, **b.rescaled(channels)}


PROPOSALS: Proposals = {
    "ARGMAX": propose_argmax,
    "SUM": propose_sum,
    "MAX": propose_axes,
    "MIN": propose_axes,
    "MEAN": propose_axes,
}
