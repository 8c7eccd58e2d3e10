"""Cases of operators that move elements, and of pools."""

from __future__ import annotations

from ai_ops.graph import SYMBOLIC, Value
from tests.fuzz.draw import Draw, Proposal
from tests.fuzz.generators.products import image, window
from tests.fuzz.generators.transformers import near


def propose_reshape(d: Draw) -> Proposal:
    shape = d.shape()
    factors = []
    for size in shape:
        if size != SYMBOLIC:
            divisors = [part for part in range(1, size + 1) if size % part == 0]
            part = d.choice(divisors)
            factors += [part, size // part] if d.chance(0.5) else [size]
    d.random.shuffle(factors)
    while len(factors) > 1 and (len(factors) > 6 or d.chance(0.5)):
        factors[:2] = [factors[0] * factors[1]]
    if SYMBOLIC in shape:
        factors.insert(d.between(0, len(factors)), SYMBOLIC)
    if not factors:
        factors = [1]
    return Proposal(values=(d.value(d.dtype(), shape),), attributes={"shape": tuple(factors)})


def propose_transpose(d: Draw) -> Proposal:
    shape = d.shape(d.choice((1, 2, 2, 3, 3, 4, 5)))
    order = tuple(d.random.sample(range(len(shape)), len(shape)))
    return Proposal(values=(d.value(d.dtype(), shape),), attributes={"permutation": order})


def propose_concat(d: Draw) -> Proposal:
    shape = list(d.shape())
    axes = [axis for axis, size in enumerate(shape) if size != SYMBOLIC]
    axis = d.choice(axes or [0])
    dtype = d.dtype()
    values = []
    for _ in range(d.choice((1, 2, 2, 3, 5))):
        shape[axis] = d.size(17) if shape[axis] != SYMBOLIC else SYMBOLIC
        values.append(d.value(dtype, tuple(shape)))
    fixed = SYMBOLIC not in shape and d.chance(0.2)
    if fixed:
        values[-1] = d.weight(dtype, values[-1].type.shape)
    weights = (len(values) - 1,) if fixed else ()
    return Proposal(values=tuple(values), attributes={"axis": axis}, weights=weights)


def propose_max_pool2d(d: Draw) -> Proposal:
    kernel = d.choice(((1, 1), (2, 2), (2, 2), (3, 3), (1, 3), (4, 1), (5, 5), (7, 2)))
    channels = d.choice((1, 1, 2, 3, 15, 16, 17, 33))
    shape = image(d, channels, budget=max(40, 4_000 // channels))
    attributes = {"kernel": kernel, **window(d, kernel, (1, 1))}
    return Proposal(values=(d.value(d.dtype(), shape),), attributes=attributes)


def propose_avg_pool2d(d: Draw) -> Proposal:
    proposal = propose_max_pool2d(d)
    rows, columns = proposal.attributes["kernel"]  # type: ignore[misc]
    (x,) = proposal.values
    value = d.value(x.type.dtype, x.type.shape, (2**31 - 1) // (rows * columns))
    attributes = {**proposal.attributes, "count_padding": d.between(0, 1)}
    return Proposal(values=(value,), attributes=attributes)


def propose_gather(d: Draw) -> Proposal:
    shape = d.shape(d.choice((1, 2, 2, 3)), symbolic=0.15)
    axes = [axis for axis, size in enumerate(shape) if size != SYMBOLIC]
    axis = d.choice(axes or [0])
    fixed = SYMBOLIC not in shape and d.chance(0.5)  # an embedding
    dtype = d.dtype()
    data = d.weight(dtype, shape) if fixed else d.value(dtype, shape)
    lead = SYMBOLIC if SYMBOLIC not in shape and d.chance(0.3) else d.size(9)
    where = d.choice(((lead,), (lead,), (lead, d.size(4))))
    indexes = d.value(d.dtype(), where)
    if d.chance(0.7):  # mostly inside, a little outside; otherwise far outside on both sides
        size = shape[axis]
        low, high = indexes.type.dtype.minimum, indexes.type.dtype.maximum
        ends = max(low, d.choice((0, -2))), min(high, size - 1 + d.choice((0, 2)))
        indexes = Value(type=indexes.type, minimum=ends[0], maximum=max(ends))
    return Proposal(
        values=(data, indexes), attributes={"axis": axis}, weights=(0,) if fixed else ()
    )


def propose_slice(d: Draw) -> Proposal:
    shape = d.shape()
    starts, sizes, strides = [], [], []
    for size in shape:
        if size == SYMBOLIC:
            start, count, stride = d.choice(((0, -1, 1), (0, -1, 1), (0, 1, 1), (-1, 1, 1)))
        else:
            count = d.choice((1, size, d.between(1, size)))
            reach = (size - 1) // max(1, count - 1)
            stride = d.choice((1, reach, -1, -reach, d.between(1, max(1, reach)))) or 1
            span = (count - 1) * abs(stride)
            start = d.choice((0, size - 1 - span, d.between(0, size - 1 - span)))
            start += span if stride < 0 else 0
        starts.append(start)
        sizes.append(count)
        strides.append(stride)
    attributes = {"starts": tuple(starts), "sizes": tuple(sizes), "strides": tuple(strides)}
    return Proposal(values=(d.value(d.dtype(), shape),), attributes=attributes)


def propose_pad(d: Draw) -> Proposal:
    shape = d.shape()
    dtype = d.dtype()
    sides = [
        tuple(0 if size == SYMBOLIC else d.choice((0, 0, 1, 2, 5)) for size in shape)
        for _ in range(2)
    ]
    value = d.choice((0, dtype.minimum, dtype.maximum, d.between(dtype.minimum, dtype.maximum)))
    return Proposal(
        values=(d.value(dtype, shape),),
        attributes={"before": sides[0], "after": sides[1], "value": value},
    )


def propose_upsample(d: Draw) -> Proposal:
    scales = (d.choice((1, 2, 2, 3, 5)), d.choice((1, 2, 2, 3, 5)))
    x = d.value(d.dtype(), image(d, d.choice((1, 2, 3, 15, 16, 17)), budget=60))
    return Proposal(values=(x,), attributes={"scales": scales})


def propose_tile(d: Draw) -> Proposal:
    shape = d.shape()
    counts = tuple(1 if size == SYMBOLIC else d.choice((1, 1, 2, 3)) for size in shape)
    return Proposal(values=(d.value(d.dtype(), shape),), attributes={"repetitions": counts})


def propose_repeat(d: Draw) -> Proposal:
    shape = d.shape()
    axes = [axis for axis, size in enumerate(shape) if size != SYMBOLIC]
    axis = d.choice(axes or [0])
    count = d.choice((1, 2, 3, 5)) if axes else 1
    return Proposal(values=(d.value(d.dtype(), shape),), attributes={"axis": axis, "count": count})


def propose_update_rows(d: Draw) -> Proposal:
    rest = d.choice(((), (1,), (d.size(33),), (2, d.size(17))))
    total = d.size(33)
    rows = d.choice((1, 1, total, d.between(1, total)))
    dtype = d.dtype()
    values = (d.value(dtype, (total, *rest)), d.value(dtype, (rows, *rest)), near(d, total))
    return Proposal(values=values, attributes={})
