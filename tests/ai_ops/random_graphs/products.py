"""Proposals of operators that sum products."""

from __future__ import annotations

from tests.ai_ops.random_graphs.builder import Builder, Proposal, Proposals


def propose_gemm(b: Builder) -> Proposal:
    x = b.pick()
    units = b.random.choice((1, 3, 10, 33))
    attributes = {"bias": b.bias(units), **b.rescaled(units)}
    return (x, b.weight(units, max(b.shape(x)[-1], 1))), attributes


def propose_conv2d(b: Builder) -> Proposal:
    x = b.pick(rank=4)
    channels = max(b.shape(x)[3], 1)
    groups = b.random.choice([g for g in range(1, channels + 1) if channels % g == 0])
    filters = groups * b.random.choice((1, 1, 2, 5, 17))
    kernel = (b.random.randint(1, 5), b.random.randint(1, 5))
    dilations = b.random.choice(((1, 1), (1, 1), (2, 1), (1, 2)))
    attributes = {
        **b.window(kernel, dilations),
        "dilations": dilations,
        "groups": groups,
        "bias": b.bias(filters),
        **b.rescaled(filters),
    }
    return (x, b.weight(filters, *kernel, channels // groups)), attributes


PROPOSALS: Proposals = {
    "GEMM": propose_gemm,
    "CONV2D": propose_conv2d,
}
