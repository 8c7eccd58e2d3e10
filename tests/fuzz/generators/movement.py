"""Cases of operators that move elements, and of pools."""

from __future__ import annotations

from ai_ops.graph import SYMBOLIC
from tests.fuzz.draw import Draw, Proposal
from tests.fuzz.generators.products import image, window


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
