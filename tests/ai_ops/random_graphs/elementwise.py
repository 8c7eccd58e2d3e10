"""Proposals of operators that work element by element."""

from __future__ import annotations

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC
from tests.ai_ops.random_graphs.builder import Builder, Handle, Proposal, Proposals


def propose_pairwise(b: Builder) -> tuple[Handle, Handle]:
    a = b.pick()
    shape = b.shape(a)
    fixed = tuple(size if size != SYMBOLIC and b.random.random() < 0.7 else 1 for size in shape)
    other = b.weight(*fixed[b.random.randint(0, len(fixed) - 1) :])
    choices = (other, a, b.pick())
    pair = (a, b.random.choice(choices))
    if pair[1] != other:
        b.weights.pop()
    return pair if b.random.random() < 0.5 else (pair[1], pair[0])


def propose_sum(b: Builder) -> Proposal:
    handles = propose_pairwise(b)
    (multiplier_a, shift_a), (multiplier_b, shift_b) = b.pair(), b.pair()
    dtype = b.dtype()
    attributes = {
        "multiplier_a": multiplier_a,
        "shift_a": shift_a,
        "multiplier_b": multiplier_b,
        "shift_b": shift_b,
        "dtype": dtype.code,
        **b.clamp(dtype),
    }
    return handles, attributes


def propose_mul(b: Builder) -> Proposal:
    handles = propose_pairwise(b)
    multiplier, shift = b.pair()
    dtype = b.dtype()
    scale = {"multiplier": multiplier, "shift": shift, "dtype": dtype.code}
    return handles, {**scale, **b.clamp(dtype)}


def propose_rescale(b: Builder) -> Proposal:
    x = b.pick()
    return (x,), b.rescaled(b.shape(x)[-1])


def propose_clamp(b: Builder) -> Proposal:
    x = b.pick()
    return (x,), b.clamp(b.value_of(x).type.dtype)


def propose_table8(b: Builder) -> Proposal:
    dtype = b.random.choice((DType.I8, DType.U8, DType.I16))
    low, high = dtype.minimum, dtype.maximum
    table = tuple(b.random.randint(low, high) for _ in range(256))
    return (b.pick(),), {"dtype": dtype.code, "table": table}


PROPOSALS: Proposals = {
    "ADD": propose_sum,
    "SUB": propose_sum,
    "MUL": propose_mul,
    "RESCALE": propose_rescale,
    "CLAMP": propose_clamp,
    "TABLE8": propose_table8,
}
