"""Cases of reductions, of sorting and of detection."""

from __future__ import annotations

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, AttributeValue, Value
from tests.fuzz.draw import Draw, Proposal, count
from tests.fuzz.generators.transformers import fixed_rows, near

TOP = 2**31 - 1


def propose_reduction(d: Draw) -> Proposal:
    """Propose MAX, MIN or MEAN."""
    shape = d.shape()
    return Proposal(values=(d.value(d.dtype(), shape),), attributes=chosen(d, shape))


def chosen(d: Draw, shape: tuple[int, ...]) -> dict[str, AttributeValue]:
    """Choose the dimensions that are reduced."""
    axes = sorted(d.random.sample(range(len(shape)), d.between(1, len(shape))))
    return {"axes": tuple(axes), "keep": d.between(0, 1)}


def propose_sum(d: Draw) -> Proposal:
    shape = d.shape()
    attributes = chosen(d, shape)
    axes = attributes["axes"]
    assert isinstance(axes, tuple)
    terms = count(tuple(shape[axis] for axis in axes))
    # Over a symbolic dimension the total may leave i32 and is clamped; otherwise it is bounded.
    free = SYMBOLIC in (shape[axis] for axis in axes) and d.chance(0.5)
    x = d.value(d.dtype(), shape, TOP if free else TOP // terms)
    kept = [size for axis, size in enumerate(shape) if axis not in axes]
    last = 1 if len(shape) - 1 in axes and attributes["keep"] else (kept or [1])[-1]
    channels = 1 if last == SYMBOLIC else last
    bound = min(TOP, max(1, x.magnitude * terms // d.choice((1, 4, 16))))
    return Proposal(values=(x,), attributes={**attributes, **d.rescaled(channels, bound)})


def propose_top_k(d: Draw) -> Proposal:
    shape = fixed_rows(d)
    k = d.choice((1, shape[-1], d.between(1, shape[-1])))
    return Proposal(values=(d.value(d.dtype(), shape),), attributes={"k": k})


def propose_sample(d: Draw) -> Proposal:
    size = d.choice((1, 2, 3, 17, 64, 100, 600))
    logits = d.value(d.dtype(), d.choice(((size,), (1, size))))
    multiplier, shift = d.pair(logits.magnitude, 1_024)
    attributes = {
        "top_k": d.choice((1, size, d.between(1, size))),
        "multiplier": multiplier,
        "shift": shift,
    }
    seed = d.value(DType.U8, (32,))
    return Proposal(values=(logits, seed, near(d, 2**31 - 3)), attributes=attributes)


def propose_non_max_suppression(d: Draw) -> Proposal:
    rows = d.choice((1, 2, 3, 5, 8, 16, 17, 33, 64))
    boxes = d.value(DType.I16, (rows, 4))
    if d.chance(0.7):  # near each other, so that they overlap; some are empty or turned over
        boxes = Value(type=boxes.type, minimum=0, maximum=d.choice((3, 10, 100)))
    scores = d.value(d.dtype(), (rows,))
    values = [boxes, scores]
    if d.chance(0.5):
        kinds = d.weight(DType.I32, (rows,))
        values.append(Value(type=kinds.type, minimum=0, maximum=d.choice((0, 1, 3, TOP))))
    low, high = scores.minimum, scores.maximum
    attributes = {
        "score_threshold": d.choice((low, high, 0, d.between(low, high), -(2**31), TOP)),
        "iou_threshold": d.choice((0, 1, 2**15, 29_491, 2**16, d.between(0, 2**16))),
        "maximum_outputs": d.choice((1, rows, d.between(1, rows), rows + 3)),
    }
    return Proposal(values=tuple(values), attributes=attributes)


def propose_valid_rows(d: Draw) -> Proposal:
    shape = (d.size(33), d.size(9))
    x = d.value(d.dtype((DType.I8, DType.I16, DType.I32)), shape)
    threshold = d.choice((x.minimum, x.maximum, 0, -1, d.between(x.minimum, x.maximum)))
    attributes = {"column": d.between(0, shape[1] - 1), "threshold": threshold}
    return Proposal(values=(x,), attributes=attributes)
