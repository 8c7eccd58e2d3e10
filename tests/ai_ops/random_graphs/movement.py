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


def propose_gather(b: Builder) -> Proposal:
    data = b.random.choice((b.pick(), b.weight(b.random.choice((1, 5, 40)), 3)))
    return (data, b.pick()), {"axis": b.random.randrange(len(b.shape(data)))}


def propose_slice(b: Builder) -> Proposal:
    x = b.pick()
    cuts = [propose_cut(b, size) for size in b.shape(x)]
    starts, sizes, strides = (tuple(cut[at] for cut in cuts) for at in range(3))
    return (x,), {"starts": starts, "sizes": sizes, "strides": strides}


def propose_cut(b: Builder, size: int) -> tuple[int, int, int]:
    """Choose a start, a size and a stride of one dimension."""
    if size == SYMBOLIC:
        return b.random.choice(((0, -1, 1), (0, -1, 1), (0, 1, 1), (-1, 1, 1)))
    if b.random.random() < 0.4:
        return 0, size, 1
    start, stride = b.random.randrange(size), b.random.choice((1, 1, 2, 3, -1, -2))
    room = (size - 1 - start) // stride if stride > 0 else start // -stride
    return start, b.random.randint(1, room + 1), stride


def propose_pad(b: Builder) -> Proposal:
    x = b.pick()
    dtype = b.value_of(x).type.dtype
    before, after = (
        tuple(0 if size == SYMBOLIC else b.random.choice((0, 0, 1, 2)) for size in b.shape(x))
        for _ in range(2)
    )
    value = b.random.choice((0, dtype.minimum, dtype.maximum))
    return (x,), {"before": before, "after": after, "value": value}


def propose_upsample(b: Builder) -> Proposal:
    return (b.pick(rank=4),), {"scales": (b.random.randint(1, 3), b.random.randint(1, 3))}


def propose_tile(b: Builder) -> Proposal:
    x = b.pick()
    counts = (1 if size == SYMBOLIC else b.random.choice((1, 1, 2, 3)) for size in b.shape(x))
    return (x,), {"repetitions": tuple(counts)}


def propose_repeat(b: Builder) -> Proposal:
    x = b.pick()
    axis = b.random.randrange(len(b.shape(x)))
    return (x,), {"axis": axis, "count": b.random.choice((1, 2, 3))}


PROPOSALS: Proposals = {
    "RESHAPE": propose_reshape,
    "TRANSPOSE": propose_transpose,
    "CONCAT": propose_concat,
    "GATHER": propose_gather,
    "SLICE": propose_slice,
    "PAD": propose_pad,
    "UPSAMPLE": propose_upsample,
    "TILE": propose_tile,
    "REPEAT": propose_repeat,
}
