"""Proposals of pools."""

from __future__ import annotations

from tests.ai_ops.random_graphs.builder import Builder, Proposal, Proposals


def propose_max_pool2d(b: Builder) -> Proposal:
    kernel = (b.random.randint(1, 4), b.random.randint(1, 4))
    return (b.pick(rank=4),), {"kernel": kernel, **b.window(kernel, (1, 1))}


def propose_avg_pool2d(b: Builder) -> Proposal:
    handles, attributes = propose_max_pool2d(b)
    return handles, {**attributes, "count_padding": b.random.randint(0, 1)}


PROPOSALS: Proposals = {
    "MAX_POOL2D": propose_max_pool2d,
    "AVG_POOL2D": propose_avg_pool2d,
}
