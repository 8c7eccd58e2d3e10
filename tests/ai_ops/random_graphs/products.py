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


def propose_matmul(b: Builder) -> Proposal:
    """Propose a product with a weight, or with the same tensor turned."""
    x = b.pick()
    depth = max(b.shape(x)[-1], 1)
    turned = b.random.randint(0, 1)
    columns = b.random.choice((1, 3, 17))
    lead = b.random.choice(((), (), (1,), (2,)))
    matrix = (columns, depth) if turned else (depth, columns)
    other = b.weight(*lead, *matrix)
    if b.random.random() < 0.4:
        other, turned, columns = x, 1, b.shape(x)[-2] if len(b.shape(x)) > 1 else 1
    return (x, other), {"transpose_b": turned, **b.rescaled(columns)}


def propose_conv_transpose2d(b: Builder) -> Proposal:
    (x, w), attributes = propose_conv2d(b)
    strides = b.random.randint(1, 3), b.random.randint(1, 3)
    extra = tuple(b.random.randrange(stride) for stride in strides)
    return (x, w), {**attributes, "strides": strides, "output_padding": extra}


PROPOSALS: Proposals = {
    "GEMM": propose_gemm,
    "CONV2D": propose_conv2d,
    "MATMUL": propose_matmul,
    "CONV_TRANSPOSE2D": propose_conv_transpose2d,
}
