"""Proposals of operators that choose boxes and rows."""

from __future__ import annotations

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC
from tests.ai_ops.random_graphs.builder import Builder, Proposal, Proposals


def propose_non_max_suppression(b: Builder) -> Proposal:
    scores = b.pick(rank=1) if b.random.random() < 0.5 else b.weight(b.random.choice((1, 7, 30)))
    count = b.shape(scores)[0]
    boxes = b.typed_weight(DType.I16, max(count, 1), 4)
    classes = b.typed_weight(DType.I32, max(count, 1))
    attributes = {
        "score_threshold": b.random.choice((-(2**31), -20, 0, 100)),
        "iou_threshold": b.random.choice((0, 1_000, 20_000, 65_536)),
        "maximum_outputs": b.random.randint(1, max(count, 1)),
    }
    return (boxes, scores, classes)[: b.random.choice((2, 3))], attributes


def propose_valid_rows(b: Builder) -> Proposal:
    x = b.pick(rank=2)
    columns = b.shape(x)[1]
    column = b.random.randrange(columns) if columns != SYMBOLIC else 0
    return (x,), {"column": column, "threshold": b.random.choice((-100, -1, 0, 50))}


PROPOSALS: Proposals = {
    "NON_MAX_SUPPRESSION": propose_non_max_suppression,
    "VALID_ROWS": propose_valid_rows,
}
