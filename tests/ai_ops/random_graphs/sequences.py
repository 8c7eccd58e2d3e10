"""Proposals of operators on sequences."""

from __future__ import annotations

from math import prod

from ai_ops.dtype import DType
from ai_ops.errors import InvalidModel
from ai_ops.graph import SYMBOLIC, AttributeValue
from tests.ai_ops.random_graphs.builder import Builder, Handle, Proposal, Proposals


def divisors(size: int) -> list[int]:
    return [d for d in range(1, size + 1) if size % d == 0]


def score_fields(b: Builder) -> dict[str, AttributeValue]:
    """Draw a scale that spreads scores over the table, or an extreme one."""
    if b.random.random() < 0.3:
        multiplier, shift = b.pair()
        return {"multiplier": multiplier, "shift": shift}
    return {"multiplier": b.random.randrange(2**30, 2**31), "shift": b.random.randint(27, 36)}


def propose_dynamic_quantize(b: Builder) -> Proposal:
    return (b.pick(),), {}


def propose_gemm_dynamic(b: Builder) -> Proposal:
    found = [at for at in range(1, len(b.results)) if scaled_rows(b, at)]
    if not found:
        raise InvalidModel(0, "no rows with their scales yet")
    at = b.random.choice(found)
    units = b.random.choice((1, 3, 10, 33))
    fields = b.rescaled(units)
    shifts = fields["shifts"]
    assert isinstance(shifts, tuple)
    fields["shifts"] = tuple(min(max(shift, 9), 48) for shift in shifts)
    w = b.typed_weight(DType.I8, units, b.results[at - 1].type.shape[-1])
    return (("result", at - 1), ("result", at), w), {"bias": b.bias(units), **fields}


def scaled_rows(b: Builder, at: int) -> bool:
    """Whether results `at` - 1 and `at` are quantized rows and their scales."""
    q, a = b.results[at - 1], b.results[at]
    return (
        q.type.dtype is DType.I8
        and a.minimum >= 1
        and a.maximum < 2**15
        and a.type.dtype is DType.I32
        and a.type.shape == (*q.type.shape[:-1], 1)
    )


def propose_attention(b: Builder) -> Proposal:
    q = b.pick()
    shape = b.shape(q)
    heads = b.random.choice(divisors(max(shape[-1], 1)))
    shared = b.random.choice(divisors(heads))
    if SYMBOLIC not in shape[:-2] and (shared < heads or b.random.random() < 0.3):
        keys = (*shape[:-2], b.random.choice((1, 2, 7, 33)), shape[-1] // heads * shared)
        k, v = b.typed_weight(DType.I8, *keys), b.typed_weight(DType.I8, *keys)
    else:
        k, v = q, b.random.choice((q, b.pick()))
        shared = heads
    attributes = {
        "heads": heads,
        "kv_heads": shared,
        "causal": b.random.randint(0, 1),
        "probability_bits": b.random.randint(7, 12),
        **score_fields(b),
        **b.rescaled(shape[-1]),
    }
    return (q, k, v, *index(b)), attributes


def index(b: Builder) -> tuple[Handle, ...]:
    """Now and then an operand of one i32."""
    return (b.typed_weight(DType.I32, 1),) if b.random.random() < 0.3 else ()


def propose_softmax(b: Builder) -> Proposal:
    dtype = b.dtype()
    one = b.random.choice((1, dtype.maximum, b.random.randint(1, dtype.maximum)))
    return (b.pick(),), {**score_fields(b), "one": one, "dtype": dtype.code}


def propose_rms_norm(b: Builder) -> Proposal:
    x = b.pick()
    dtype = b.dtype()
    count = b.random.choice((1, max(b.shape(x)[-1], 1)))
    limit = b.random.choice((2**8, 2**16, 2**31 - 1))
    attributes = {
        "gamma": tuple(b.random.randint(-limit, limit) for _ in range(count)),
        "epsilon": b.random.choice((0, 1, 2**12, 2**60, b.random.randrange(2**60))),
        "shift": b.random.randint(1, 40),
        "dtype": dtype.code,
        **b.clamp(dtype),
    }
    return (x,), attributes


def propose_layer_norm(b: Builder) -> Proposal:
    handles, attributes = propose_rms_norm(b)
    limit = b.random.choice((2**12, 2**32, 2**60 - 1))
    count = b.random.choice((0, max(b.shape(handles[0])[-1], 1)))
    beta = tuple(b.random.randint(-limit, limit) for _ in range(count))
    return handles, {**attributes, "beta": beta}


def propose_table16(b: Builder) -> Proposal:
    x = b.pick()
    table = tuple(b.random.randint(-(2**15), 2**15 - 1) for _ in range(513))
    return (x,), {"table": table, **b.rescaled(b.shape(x)[-1])}


def propose_rope(b: Builder) -> Proposal:
    x = b.pick()
    width = max(b.shape(x)[-1], 1)
    halves = [d for d in divisors(width) if width % (2 * d) == 0]
    if not halves:
        raise InvalidModel(0, "no pairs")
    tables = (b.random.choice((1, 3, 40)), b.random.choice(halves))
    cos, sin = b.typed_weight(DType.I16, *tables), b.typed_weight(DType.I16, *tables)
    return (x, cos, sin, *index(b)), {"interleaved": b.random.randint(0, 1)}


def propose_update_rows(b: Builder) -> Proposal:
    cache = b.pick()
    size, *rest = b.shape(cache)
    rows = (b.random.randint(1, max(size, 1)), *(max(d, 1) for d in rest))
    dtype = b.value_of(cache).type.dtype
    return (cache, b.typed_weight(dtype, *rows), b.typed_weight(DType.I32, 1)), {}


def propose_top_k(b: Builder) -> Proposal:
    x = b.pick()
    return (x,), {"k": b.random.randint(1, max(b.shape(x)[-1], 1))}


def propose_sample(b: Builder) -> Proposal:
    logits = b.pick()
    size = prod(b.shape(logits))
    if size < 1 or b.shape(logits) not in {(size,), (1, size)}:
        size = b.random.choice((1, 5, 40))
        logits = b.typed_weight(b.dtype(), *b.random.choice(((size,), (1, size))))
    seed = b.typed_weight(DType.U8, 32)
    fields = {"top_k": b.random.randint(1, size), **score_fields(b)}
    return (logits, seed, b.typed_weight(DType.I32, 1)), fields


PROPOSALS: Proposals = {
    "DYNAMIC_QUANTIZE": propose_dynamic_quantize,
    "GEMM_DYNAMIC": propose_gemm_dynamic,
    "ATTENTION": propose_attention,
    "SOFTMAX": propose_softmax,
    "LAYER_NORM": propose_layer_norm,
    "RMS_NORM": propose_rms_norm,
    "TABLE16": propose_table16,
    "ROPE": propose_rope,
    "UPDATE_ROWS": propose_update_rows,
    "TOP_K": propose_top_k,
    "SAMPLE": propose_sample,
}
