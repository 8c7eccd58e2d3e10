"""Cases of operators that work element by element."""

from __future__ import annotations

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, Value
from tests.fuzz.draw import ANY, BYTES, SIGNED, Draw, Proposal

FACTORS = (
    (DType.I8, DType.I8),
    (DType.I16, DType.I16),
    (DType.U8, DType.I8),
    (DType.I16, DType.U8),
    (DType.I32, DType.I8),
    (DType.I8, DType.I32),
)


def operands(d: Draw) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Draw two shapes, one of which may have to be repeated."""
    shape = d.shape()
    kind = d.random.random()
    if kind < 0.4:
        other = shape
    elif kind < 0.6:  # a row, a column, one element
        other = shape[d.between(0, len(shape) - 1) :]
    else:
        other = tuple(size if d.chance(0.6) else 1 for size in shape)
    if kind > 0.9:  # both sides are repeated
        shape = tuple(size if d.chance(0.6) else 1 for size in shape)
    return (shape, other) if d.chance(0.5) else (other, shape)


def pairwise(d: Draw, left: DType, right: DType) -> tuple[tuple[Value, Value], tuple[int, ...]]:
    first, second = operands(d)
    weights = [at for at, shape in enumerate((first, second)) if SYMBOLIC not in shape]
    chosen = (d.choice(weights),) if weights and d.chance(0.3) else ()
    values = tuple(
        d.weight(dtype, shape) if at in chosen else d.value(dtype, shape)
        for at, (dtype, shape) in enumerate(((left, first), (right, second)))
    )
    return (values[0], values[1]), chosen


def propose_sum(d: Draw) -> Proposal:
    """Propose ADD or SUB."""
    dtype = d.dtype()
    values, weights = pairwise(d, d.dtype(), d.dtype())
    pairs = [d.pair(value.magnitude, dtype.maximum) for value in values]
    attributes = {
        "multiplier_a": pairs[0][0],
        "shift_a": pairs[0][1],
        "multiplier_b": pairs[1][0],
        "shift_b": pairs[1][1],
        "dtype": dtype.code,
        **d.clamp(dtype),
    }
    return Proposal(values=values, attributes=attributes, weights=weights)


def propose_mul(d: Draw) -> Proposal:
    left, right = d.choice(FACTORS)
    values, weights = pairwise(d, left, right)
    values = (narrowed(values[0], values[1], 0 in weights), values[1])
    values = (values[0], narrowed(values[1], values[0], 1 in weights))
    dtype = d.dtype()
    multiplier, shift = d.pair(values[0].magnitude * values[1].magnitude, dtype.maximum)
    scale = {"multiplier": multiplier, "shift": shift, "dtype": dtype.code}
    return Proposal(values=values, attributes={**scale, **d.clamp(dtype)}, weights=weights)


def narrowed(value: Value, other: Value, fixed: bool) -> Value:
    """Narrow an interval until its products with `other` fit i32."""
    limit = (2**31 - 1) // max(1, other.magnitude)
    if fixed or value.magnitude <= limit:
        return value
    low = min(max(value.minimum, -limit), limit)
    return Value(type=value.type, minimum=low, maximum=max(low, min(value.maximum, limit)))


def propose_rescale(d: Draw) -> Proposal:
    x = d.value(d.dtype(), d.shape())
    channels = x.type.shape[-1]
    return Proposal(values=(x,), attributes=d.rescaled(channels, x.magnitude))


def propose_clamp(d: Draw) -> Proposal:
    dtype = d.dtype()
    return Proposal(values=(d.value(dtype, d.shape()),), attributes=d.clamp(dtype))


def propose_table8(d: Draw) -> Proposal:
    dtype = d.dtype((*BYTES, DType.I16))
    low, high = dtype.minimum, dtype.maximum
    table = tuple(d.choice((low, high, d.between(low, high))) for _ in range(256))
    x = d.value(d.dtype(BYTES), d.shape())
    return Proposal(values=(x,), attributes={"dtype": dtype.code, "table": table})


def propose_argmax(d: Draw) -> Proposal:
    x = d.value(d.dtype(ANY), d.shape())
    axes = [axis for axis, size in enumerate(x.type.shape) if size != SYMBOLIC]
    return Proposal(values=(x,), attributes={"axis": d.choice(axes or [0])})


def propose_sign(d: Draw) -> Proposal:
    """Propose NEGATE or ABS."""
    return Proposal(values=(d.value(d.dtype(SIGNED), d.shape()),), attributes={})


def propose_bit_length(d: Draw) -> Proposal:
    return Proposal(values=(d.value(d.dtype(), d.shape()),), attributes={})


def propose_alike(d: Draw) -> Proposal:
    """Propose MAXIMUM or MINIMUM: two operands of one dtype."""
    dtype = d.dtype()
    values, weights = pairwise(d, dtype, dtype)
    return Proposal(values=values, attributes={}, weights=weights)


def propose_compare(d: Draw) -> Proposal:
    left = d.dtype()
    values, weights = pairwise(d, left, left if d.chance(0.5) else d.dtype())
    attributes = {"relation": d.between(0, 5)}
    return Proposal(values=values, attributes=attributes, weights=weights)


def propose_where(d: Draw) -> Proposal:
    dtype = d.dtype()
    values, weights = pairwise(d, dtype, dtype)
    like = d.choice(values).type.shape
    fixed = all(size != SYMBOLIC for size in like)
    shape = like if d.chance(0.6) else tuple(1 if d.chance(0.5) else size for size in like)
    condition = d.choice((DType.U8, DType.U8, DType.I8, DType.I16, DType.I32))
    fixed = fixed and d.chance(0.1)
    first = d.weight(condition, shape) if fixed else d.value(condition, shape, d.choice((1, None)))
    moved = tuple(position + 1 for position in weights)
    return Proposal(values=(first, *values), attributes={}, weights=(0, *moved) if fixed else moved)


def propose_divide(d: Draw) -> Proposal:
    left, right = d.dtype(), d.dtype()
    values, weights = pairwise(d, left, right)
    dtype = d.dtype()
    attributes = {
        "shift": d.choice((0, 0, 1, 8, 16, 29, d.between(0, 29))),
        "rounding": d.between(0, 2),
        "dtype": dtype.code,
        **d.clamp(dtype),
    }
    return Proposal(values=values, attributes=attributes, weights=weights)


def propose_table16(d: Draw) -> Proposal:
    low, high = DType.I16.minimum, DType.I16.maximum
    rise = d.chance(0.5)
    table = tuple(
        max(low, min(high, (at - 256) * 128 + d.between(-9, 9)))
        if rise
        else d.choice((low, high, d.between(low, high)))
        for at in range(513)
    )
    x = d.value(DType.I16, d.shape())
    attributes = {"table": table, **d.rescaled(x.type.shape[-1], 2**22)}
    return Proposal(values=(x,), attributes=attributes)
