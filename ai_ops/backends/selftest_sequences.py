"""Self-test cases of the operators on sequences."""

from __future__ import annotations

from ai_ops.backends.selftest_case import Case, rescaled
from ai_ops.dtype import DType
from ai_ops.graph import AttributeValue
from ai_ops.operators import make_node

SPREAD = {"multiplier": 2**31 - 1, "shift": 33}
LIMITS = {
    dtype: {"dtype": dtype.code, "minimum": dtype.minimum, "maximum": dtype.maximum}
    for dtype in DType
}
FACTOR = (1, 2**15 - 1)
TURN = (DType.I16, (5, 4))
ONE = (DType.I32, (1,))


def _dense(
    rows: int, depth: int, units: int, out: DType, shift: int, *, weight: bool = False
) -> Case:
    fields = rescaled(units, shift, out)
    node = make_node("GEMM_DYNAMIC", (0, 1, 2), bias=(-129,) * units, **fields)
    return Case(
        node=node,
        types=((DType.I8, (rows, depth)), (DType.I32, (rows, 1)), (DType.I8, (units, depth))),
        ranges={1: FACTOR},
        weight=weight,
    )


def _attention(
    heads: int, shared: int, queries: int, keys: int, bits: int, out: DType = DType.I8
) -> Case:
    """Make a causal case where there is a query for each key; i32 results show every bit."""
    depth = 16
    node = make_node(
        "ATTENTION",
        (0, 1, 2),
        heads=heads,
        kv_heads=shared,
        causal=int(queries == keys),
        probability_bits=bits,
        **SPREAD,
        **rescaled(heads * depth, 31 if out is DType.I32 else 38, out),
    )
    key = (DType.I8, (2, keys, shared * depth))
    return Case(node=node, types=((DType.I8, (2, queries, heads * depth)), key, key))


def _norm(operator: str, dtype: DType, rows: int, width: int, shift: int) -> Case:
    fields: dict[str, AttributeValue] = {
        "gamma": tuple(range(2**20, 2**20 + width)),
        "epsilon": 2**12,
        "shift": shift,
        **LIMITS[DType.I16],
    }
    if operator == "LAYER_NORM":
        fields["beta"] = tuple(range(-(2**40), -(2**40) + width))
    ranges = {0: (-(2**21), 2**21)} if dtype is DType.I32 else {}
    node = make_node(operator, (0,), **fields)
    return Case(node=node, types=((dtype, (rows, width)),), ranges=ranges)


def _rope(dtype: DType, interleaved: int) -> Case:
    node = make_node("ROPE", (0, 1, 2, 3), interleaved=interleaved)
    return Case(node=node, types=((dtype, (2, 7, 24)), TURN, TURN, ONE))


SEQUENCE_CASES = (
    Case(
        node=make_node("DYNAMIC_QUANTIZE", (0,)),
        types=((DType.I16, (3, 71)),),
        ranges={0: (-(2**15) + 1, 2**15 - 1)},
    ),
    Case(node=make_node("DYNAMIC_QUANTIZE", (0,)), types=((DType.I8, (2, 3, 5)),)),
    _dense(5, 70, 19, DType.I8, 34),
    _dense(3, 33, 40, DType.I16, 29),
    _dense(5, 70, 19, DType.I8, 34, weight=True),
    _dense(21, 64, 19, DType.I8, 34, weight=True),
    _attention(4, 4, 9, 9, 7, DType.I32),
    _attention(4, 2, 3, 37, 12, DType.I32),
    _attention(1, 1, 10, 5, 10),
    Case(
        node=make_node("SOFTMAX", (0,), **SPREAD, one=2**31 - 1, dtype=DType.I32.code),
        types=((DType.I16, (3, 41)),),
    ),
    Case(
        node=make_node("SOFTMAX", (0,), multiplier=2**30, shift=30, one=127, dtype=1),
        types=((DType.I32, (2, 9)),),
    ),
    _norm("LAYER_NORM", DType.I16, 3, 67, 22),
    _norm("LAYER_NORM", DType.I32, 2, 16, 22),
    _norm("RMS_NORM", DType.I16, 3, 67, 22),
    Case(
        node=make_node(
            "TABLE16",
            (0,),
            table=tuple((at * 7_919) % 65_536 - 32_768 for at in range(513)),
            **rescaled(67, 38, DType.I16),
        ),
        types=((DType.I16, (3, 67)),),
    ),
    _rope(DType.I8, 0),
    _rope(DType.I16, 1),
    Case(
        node=make_node("UPDATE_ROWS", (0, 1, 2)),
        types=((DType.I8, (6, 5)), (DType.I8, (2, 5)), ONE),
        ranges={2: (0, 3)},
    ),
    Case(node=make_node("TOP_K", (0,), k=7), types=((DType.I8, (5, 71)),)),
    Case(node=make_node("TOP_K", (0,), k=37), types=((DType.I16, (2, 601)),)),
    Case(
        node=make_node("SAMPLE", (0, 1, 2), top_k=9, multiplier=2**30, shift=45),
        types=((DType.I32, (67,)), (DType.U8, (32,)), ONE),
    ),
)
