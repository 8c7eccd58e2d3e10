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


def propose_one(b: Builder) -> Proposal:
    """Propose an operator of one operand and no attribute."""
    return (b.pick(),), {}


def propose_one_dtype(b: Builder) -> Proposal:
    """Propose an operator of two operands of one dtype."""
    x = b.pick()
    dtype = b.value_of(x).type.dtype
    handles = [h for h in propose_pairwise(b) if b.value_of(h).type.dtype is dtype]
    return (x, b.random.choice((x, *handles))), {}


def propose_compare(b: Builder) -> Proposal:
    return propose_pairwise(b), {"relation": b.random.randint(0, 5)}


def propose_where(b: Builder) -> Proposal:
    (a, other), _ = propose_one_dtype(b)
    return (b.random.choice((b.pick(), other)), a, other), {}


def propose_divide(b: Builder) -> Proposal:
    dtype = b.dtype()
    attributes = {
        "shift": b.random.choice((0, 1, 7, 8, 29)),
        "rounding": b.random.randint(0, 2),
        "dtype": dtype.code,
        **b.clamp(dtype),
    }
    return propose_pairwise(b), attributes


PROPOSALS: Proposals = {
    "ADD": propose_sum,
    "SUB": propose_sum,
    "MUL": propose_mul,
    "RESCALE": propose_rescale,
    "CLAMP": propose_clamp,
    "TABLE8": propose_table8,
    "NEGATE": propose_one,
    "ABS": propose_one,
    "MAXIMUM": propose_one_dtype,
    "MINIMUM": propose_one_dtype,
    "COMPARE": propose_compare,
    "WHERE": propose_where,
    "DIVIDE": propose_divide,
    "BIT_LENGTH": propose_one,
}
