"""Hostile models of sequences: work that grows with the square of n, rows of millions, long lists."""

from __future__ import annotations

import tracemalloc

import pytest

from ai_ops.dtype import DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, AttributeValue, Graph, Model, Node
from ai_ops.model import build_model, encode_model, head_of
from ai_ops.operators import make_node
from ai_ops.validate import DEFAULT_LIMITS, ModelFacts, validate
from tests.ai_ops.models import port

RESCALED: dict[str, AttributeValue] = {
    "multipliers": (2**30,),
    "shifts": (38,),
    "dtype": DType.I8.code,
    "minimum": -128,
    "maximum": 127,
}


def single(
    node: Node, shape: tuple[int, ...], *more: tuple[DType, tuple[int, ...]], units: int = 1
) -> Model:
    """Build a model of one node: i8 to i8 of the same shape, and more results."""
    results = ((DType.I8, shape), *more)
    return build_model(
        name="hostile",
        inputs=(port("x", DType.I8, shape),),
        outputs=tuple(port(f"y{at}", *result) for at, result in enumerate(results)),
        graph=Graph(weights=(), nodes=(node,), outputs=tuple(range(1, 1 + len(results)))),
        weights=b"",
        maximum_units=units,
    )


def facts_of(model: Model) -> ModelFacts:
    return validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)


def attention(units: int) -> Model:
    node = make_node(
        "ATTENTION",
        (0, 0, 0),
        heads=1,
        kv_heads=1,
        causal=0,
        probability_bits=7,
        multiplier=1,
        shift=1,
        **RESCALED,
    )
    return single(node, (SYMBOLIC, 64), units=units)


def test_attention_is_refused_where_its_square_exceeds_the_limit() -> None:
    """64 multiply-accumulates twice and an exponential for each of n * n pairs."""
    largest = 23_000
    assert facts_of(attention(largest)).maximum_units == largest
    for units in (24_000, 2**20, 2**24):
        with pytest.raises(InvalidModel) as caught:
            facts_of(attention(units))
        assert caught.value.code in {ModelFault.LIMIT_MACS, ModelFault.LIMIT_LIVE_BYTES}
    with pytest.raises(InvalidModel) as caught:
        facts_of(attention(2**24 + 1))
    assert caught.value.code == ModelFault.LIMIT_DIMENSION


def test_rows_of_millions_are_judged_without_allocating_them() -> None:
    rows = (4, 2**22)
    tracemalloc.start()
    facts_of(single(make_node("TOP_K", (0,), k=2**22), rows, (DType.I32, rows)))
    softmax = make_node("SOFTMAX", (0,), multiplier=1, shift=1, one=127, dtype=DType.I8.code)
    facts_of(single(softmax, rows))
    fields: dict[str, AttributeValue] = {
        "gamma": (1,),
        "beta": (),
        "epsilon": 0,
        "shift": 1,
        "dtype": DType.I8.code,
        "minimum": -128,
        "maximum": 127,
    }
    with pytest.raises(InvalidModel) as caught:
        facts_of(single(make_node("LAYER_NORM", (0,), **fields), rows))
    assert caught.value.code == ModelFault.SHAPE
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10**6


def test_the_longest_lists_of_a_norm_are_judged_in_one_pass() -> None:
    fields: dict[str, AttributeValue] = {
        "gamma": (2**31 - 1,) * 16_384,
        "beta": (2**60 - 1,) * 16_384,
        "epsilon": 2**60,
        "shift": 40,
        "dtype": DType.I8.code,
        "minimum": -128,
        "maximum": 127,
    }
    node = make_node("LAYER_NORM", (0,), **fields)
    facts = facts_of(single(node, (2, 16_384)))
    assert facts.cost.at(1)["element_wide"] == 2 * 16_384
