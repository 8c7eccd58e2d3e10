"""Cases of the operators of transformers: dynamic products, attention, softmax, norms, rotations."""

from __future__ import annotations

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, Value
from tests.fuzz.draw import ANY, Draw, Proposal, count, magnitude
from tests.fuzz.generators.products import FACTORS, TOP, reach

NARROW = (DType.I8, DType.I16)


def propose_matmul(d: Draw) -> Proposal:
    left, right = d.choice(tuple(pair for pair in FACTORS if DType.I32 not in pair))
    depth, rows, columns = d.size(), d.size(17), d.size(33)
    lead = d.choice(((), (), (2,), (3, 2), (SYMBOLIC,)))
    rows_at = SYMBOLIC if SYMBOLIC not in lead and d.chance(0.15) else rows
    transposed = d.between(0, 1)
    other = tuple(1 if d.chance(0.3) else size for size in lead)[d.between(0, len(lead)) :]
    shape = (*other, columns, depth) if transposed else (*other, depth, columns)
    bound = min(depth * magnitude(left) * magnitude(right), TOP)
    attributes = {"transpose_b": transposed, **d.rescaled(columns, bound)}
    fixed = SYMBOLIC not in shape and d.chance(0.4)
    b = d.weight(right, shape) if fixed else d.value(right, shape)
    a = d.value(left, (*lead, rows_at, depth), reach(depth, right))
    return Proposal(values=(a, b), attributes=attributes, weights=(1,) if fixed else ())


def propose_dynamic_quantize(d: Draw) -> Proposal:
    shape = fixed_rows(d)
    x = d.value(d.choice((DType.I8, DType.I16, DType.I16)), shape, 32_767)
    return Proposal(values=(x,), attributes={})


def propose_gemm_dynamic(d: Draw) -> Proposal:
    depth, units = d.size(), d.size(33)
    lead = d.shape(d.choice((1, 1, 2)), symbolic=0.3)
    while count(lead) * depth * units > 60_000:
        lead = (d.size(5),)
    q = d.value(DType.I8, (*lead, depth))
    a = scales(d, (*lead, 1))
    dtype = d.dtype()
    channels = units if d.chance(0.5) else 1
    attributes = {
        "bias": tuple(
            d.choice((0, -(2**31), TOP, d.between(-(2**20), 2**20))) for _ in range(units)
        )
        if d.chance(0.7)
        else (),
        "multipliers": tuple(
            d.choice((0, 1, TOP)) if d.chance(0.1) else d.between(2**30, TOP)
            for _ in range(channels)
        ),
        "shifts": tuple(
            d.choice((9, 48, d.between(9, 48))) if d.chance(0.2) else d.between(22, 42)
            for _ in range(channels)
        ),
        "dtype": dtype.code,
        **d.clamp(dtype),
    }
    w = d.weight(DType.I8, (units, depth))
    weights = (2,) if d.chance(0.85) else ()
    return Proposal(values=(q, a, w), attributes=attributes, weights=weights)


def scales(d: Draw, shape: tuple[int, ...]) -> Value:
    """Draw the interval of row scales: 1 to 32,767 or a part of it."""
    ends = sorted(d.choice((1, 2, 127, 16_383, 16_384, 32_767)) for _ in range(2))
    low, high = (1, 32_767) if d.chance(0.5) else (ends[0], ends[1])
    value = d.weight(DType.I32, shape)
    return Value(type=value.type, minimum=low, maximum=high)


def propose_attention(d: Draw) -> Proposal:
    shared = d.choice((1, 1, 2, 3))
    heads = shared * d.choice((1, 1, 2, 3))
    depth = d.choice((1, 2, 3, 4, 8, 15, 16, 17, 32, 33))
    queries, keys = d.size(9), d.size(33)
    # Queries and keys may both be the symbolic dimension.
    kind = d.random.random()
    queries, keys = (SYMBOLIC if kind < 0.2 else queries), (SYMBOLIC if kind < 0.15 else keys)
    lead = () if kind < 0.2 else d.choice(((), (), (1,), (2,)))
    multiplier, shift = d.pair(depth * 16_384, 4_096)
    attributes = {
        "heads": heads,
        "kv_heads": shared,
        "causal": d.between(0, 1),
        "probability_bits": d.between(7, 12),
        "multiplier": multiplier,
        "shift": shift,
        **d.rescaled(heads * depth, 128 << 8),
    }
    values = [
        d.value(DType.I8, (*lead, queries, heads * depth)),
        d.value(DType.I8, (*lead, keys, shared * depth)),
        d.value(DType.I8, (*lead, keys, shared * depth)),
    ]
    if d.chance(0.5):
        values.append(near(d, max(keys, 5)))
    return Proposal(values=tuple(values), attributes=attributes)


def near(d: Draw, size: int) -> Value:
    """Draw the interval of an index: about 0 to size, a little outside, or all of i32."""
    value = d.weight(DType.I32, (1,))
    ends = d.choice(((0, size), (-2, size + 2), (0, 0), (size, size), (-(2**31), TOP)))
    return Value(type=value.type, minimum=ends[0], maximum=ends[1])


def propose_softmax(d: Draw) -> Proposal:
    x = d.value(d.dtype(ANY), d.shape())
    dtype = d.dtype(ANY)
    one = d.choice((1, 127, dtype.maximum, d.between(1, dtype.maximum), min(255, dtype.maximum)))
    multiplier, shift = d.pair(x.magnitude, 2_048)
    attributes = {"multiplier": multiplier, "shift": shift, "one": one, "dtype": dtype.code}
    return Proposal(values=(x,), attributes=attributes)


def fixed_rows(d: Draw) -> tuple[int, ...]:
    """Draw a shape whose last dimension is not symbolic."""
    shape = d.shape()
    if shape[-1] == SYMBOLIC:
        shape = (*shape[:-1], d.size())
    if len(shape) > 1 and SYMBOLIC not in shape and d.chance(0.2):
        shape = (SYMBOLIC, *shape[1:])
    return shape


def propose_layer_norm(d: Draw) -> Proposal:
    proposal = propose_rms_norm(d)
    row = proposal.values[0].type.shape[-1]
    limit = d.choice((0, 1, 2**20, 2**40, 2**60 - 1))
    beta = tuple(d.choice((-limit, limit, d.between(-limit, limit))) for _ in range(row))
    attributes = {**proposal.attributes, "beta": beta if d.chance(0.7) else ()}
    return Proposal(values=proposal.values, attributes=attributes)


def propose_rms_norm(d: Draw) -> Proposal:
    shape = fixed_rows(d)
    dtype = d.dtype((DType.I8, DType.I16, DType.I32))
    size = d.choice((2**8, 2**12, 2**20, TOP))
    entries = shape[-1] if d.chance(0.7) else 1
    # About n * gamma >> shift, with n around 2^18 a unit: mostly inside the result's dtype.
    top = dtype.maximum.bit_length()
    fitted = 18 + size.bit_length() - top + d.choice((-2, 0, 1, 2, 3))
    attributes = {
        "gamma": tuple(d.choice((size, -size, d.between(-size, size))) for _ in range(entries)),
        "epsilon": d.choice((0, 0, 1, 2**20, d.between(0, 2**60), 2**60)),
        "shift": d.choice((1, 40)) if d.chance(0.1) else max(1, min(40, fitted)),
        "dtype": dtype.code,
        **d.clamp(dtype),
    }
    x = d.value(d.choice((DType.I8, DType.I16, DType.I32, DType.U8)), shape, 2**21)
    return Proposal(values=(x,), attributes=attributes)


def propose_rope(d: Draw) -> Proposal:
    half, heads, positions = d.choice((1, 2, 3, 8, 15, 16, 17)), d.choice((1, 1, 2, 3)), d.size(17)
    rows = SYMBOLIC if d.chance(0.3) else d.size(17)
    lead = () if rows == SYMBOLIC else d.choice(((), (), (1,), (2,), (SYMBOLIC,)))
    x = d.value(d.choice(NARROW), (*lead, rows, 2 * half * heads))
    fixed = d.chance(0.8)
    table = d.weight if fixed else d.value
    values = [x, *(table(DType.I16, (positions, half)) for _ in range(2))]
    if d.chance(0.6):
        values.append(near(d, positions))
    return Proposal(
        values=tuple(values),
        attributes={"interleaved": d.between(0, 1)},
        weights=(1, 2) if fixed else (),
    )
