"""Cases of operators that sum products."""

from __future__ import annotations

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC
from tests.fuzz.draw import Draw, Proposal, count, magnitude

TOP = 2**31 - 1
DEEPEST = TOP // 2**14
"""131,071 products of -128 * -128 fill an accumulator."""
MAXIMUM_MACS = 60_000
FACTORS = ((DType.I8, DType.I8),) * 5 + (
    (DType.U8, DType.I8),
    (DType.U8, DType.I8),
    (DType.I8, DType.U8),
    (DType.I16, DType.I8),
    (DType.I16, DType.I16),
    (DType.I8, DType.I32),
    (DType.I32, DType.I8),
)


def reach(depth: int, other: DType, room: int = TOP) -> int:
    """Largest operand of `depth` products with any `other` whose sum stays within `room`."""
    return room // (depth * magnitude(other))


def propose_gemm(d: Draw) -> Proposal:
    left, right = d.choice(FACTORS)
    if d.chance(0.004):  # an accumulator filled to its end
        depth, units = DEEPEST - d.choice((0, 0, 1, 31)), 1
        lead: tuple[int, ...] = (1,)
        left = right = DType.I8
    else:
        depth, units = d.size(), d.size(33)
        lead = d.shape(d.choice((1, 1, 1, 2)), symbolic=0.3)
        while depth * units * count(lead) > MAXIMUM_MACS:
            lead = (d.size(5),)
    bound = min(depth * magnitude(left) * magnitude(right), TOP)
    bias = d.bias(units, bound)
    room = TOP - max(map(abs, bias), default=0)
    x = d.value(left, (*lead, depth), reach(depth, right, room))
    w = d.weight(right, (units, depth))
    attributes = {"bias": bias, **d.rescaled(units, bound)}
    return Proposal(values=(x, w), attributes=attributes, weights=(1,) if d.chance(0.85) else ())


def propose_conv2d(d: Draw) -> Proposal:
    left, right = d.choice(FACTORS)
    groups = d.choice((1, 1, 1, 1, 2, 3, 16, 17))
    style = d.random.random()
    if style < 0.3:  # depthwise, now and then with several filters a channel
        groups = d.choice((2, 3, 8, 15, 16, 17, 32, 33))
        depth, filters = 1, groups * d.choice((1, 1, 1, 2, 3))
    else:
        depth, filters = (
            d.choice((1, 2, 3, 4, 5, 8, 16, 17)),
            groups * d.choice((1, 2, 3, 5, 8, 17)),
        )
    kernel = d.choice(((1, 1), (3, 3), (3, 3), (2, 2), (1, 3), (5, 1), (4, 5), (5, 5)))
    dilations = d.choice(((1, 1), (1, 1), (1, 1), (2, 1), (1, 2), (3, 2)))
    taps = kernel[0] * kernel[1] * depth
    shape = image(d, depth * groups, budget=max(40, MAXIMUM_MACS // (taps * filters)))
    bound = min(taps * magnitude(left) * magnitude(right), TOP)
    bias = d.bias(filters, bound)
    room = TOP - max(map(abs, bias), default=0)
    attributes = {
        **window(d, kernel, dilations),
        "dilations": dilations,
        "groups": groups,
        "bias": bias,
        **d.rescaled(filters, bound),
    }
    x = d.value(left, shape, reach(taps, right, room))
    w = d.weight(right, (filters, *kernel, depth))
    return Proposal(values=(x, w), attributes=attributes, weights=(1,) if d.chance(0.85) else ())


def propose_conv_transpose2d(d: Draw) -> Proposal:
    """Weights are (O, KH, KW, C / groups); a result grows by stride."""
    left, right = d.choice(tuple(pair for pair in FACTORS if DType.I32 not in pair))
    groups = d.choice((1, 1, 1, 2, 3, 16))
    depth, filters = d.choice((1, 2, 3, 5, 16, 17)), groups * d.choice((1, 2, 3, 5, 8, 17))
    kernel = d.choice(((1, 1), (2, 2), (2, 2), (3, 3), (3, 3), (4, 4), (1, 3), (5, 2)))
    dilations = d.choice(((1, 1), (1, 1), (1, 1), (2, 1), (1, 2)))
    strides = d.choice(((1, 1), (2, 2), (2, 2), (1, 2), (3, 1), (3, 4)))
    taps = kernel[0] * kernel[1] * depth
    shape = image(d, depth * groups, budget=max(20, MAXIMUM_MACS // (8 * taps * filters)))
    bound = min(taps * magnitude(left) * magnitude(right), TOP)
    bias = d.bias(filters, bound)
    room = TOP - max(map(abs, bias), default=0)
    reaches = [(size - 1) * gap for size, gap in zip(kernel, dilations, strict=True)]
    attributes = {
        "strides": strides,
        "padding": tuple(d.choice((0, reaches[at % 2] // 2, reaches[at % 2])) for at in range(4)),
        "output_padding": tuple(d.choice((0, 0, stride - 1)) for stride in strides),
        "dilations": dilations,
        "groups": groups,
        "bias": bias,
        **d.rescaled(filters, bound),
    }
    x = d.value(left, shape, reach(taps, right, room))
    w = d.weight(right, (filters, *kernel, depth))
    return Proposal(values=(x, w), attributes=attributes, weights=(1,) if d.chance(0.85) else ())


def image(d: Draw, channels: int, budget: int = 1_000) -> tuple[int, int, int, int]:
    """Draw an NHWC shape with at most about `budget` pixels."""
    rows = d.choice((1, 2, 3, 5, 6, 7, 8, 9, 16, 17))
    columns = d.choice((1, 2, 3, 5, 6, 7, 8, 9, 16, 17, 33))
    while rows * columns > budget:
        rows, columns = max(1, rows // 2), max(1, columns // 2)
    lead = d.choice((1, 1, SYMBOLIC, 2)) if rows * columns * 5 <= budget else 1
    return lead, rows, columns, channels


def window(
    d: Draw, kernel: tuple[int, int], dilations: tuple[int, int]
) -> dict[str, tuple[int, ...]]:
    """Draw strides and paddings; the padding stays below the window's extent."""
    reaches = [(size - 1) * gap for size, gap in zip(kernel, dilations, strict=True)]
    same = tuple(reaches[at % 2] // 2 for at in range(4))
    edge = tuple(d.choice((0, reaches[at % 2], d.between(0, reaches[at % 2]))) for at in range(4))
    return {
        "strides": d.choice(((1, 1), (1, 1), (2, 2), (1, 2), (3, 1), (5, 4))),
        "padding": d.choice((same, edge, edge, (0, 0, 0, 0))),
    }
