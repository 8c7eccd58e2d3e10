"""Models made to break a node: each gets one sentence, quickly, and allocates nothing."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from ai_ops.dtype import DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import AttributeValue, Graph, Model, Node, TensorType
from ai_ops.model import build_model, decode_head, decode_model, encode_model, head_of, head_size
from ai_ops.operators import make_node
from ai_ops.rlp import write_bytes, write_list
from ai_ops.validate import DEFAULT_LIMITS, Limits, validate
from tests.ai_ops.models import mlp, port, weight

FULL = {"minimum": -128, "maximum": 127}
RESCALED: dict[str, AttributeValue] = {
    "multipliers": (1,),
    "shifts": (1,),
    "dtype": 1,
    "minimum": -128,
    "maximum": 127,
}
MILLIONS = replace(DEFAULT_LIMITS, operators=10**6)


def chain(count: int, *, shape: tuple[int, ...] = (4,)) -> Model:
    """Build a chain of clamps, each reading the one before."""
    nodes = tuple(make_node("CLAMP", (at,), **FULL) for at in range(count))
    return single(nodes, (count,), shape=shape, out=shape)


def single(
    nodes: tuple[Node, ...],
    outputs: tuple[int, ...],
    *,
    shape: tuple[int, ...],
    out: tuple[int, ...],
    weights: tuple[TensorType, ...] = (),
    units: int = 1,
) -> Model:
    """Build a model of one i8 input and one i8 output, without the weight bytes."""
    graph = Graph(weights=weights, nodes=nodes, outputs=outputs)
    return build_model(
        name="hostile",
        inputs=(port("x", DType.I8, shape),),
        outputs=(port("y", DType.I8, out),),
        graph=graph,
        weights=b"",
        maximum_units=units,
    )


def bomb(shape: tuple[int, ...], units: int = 1) -> Model:
    return single((make_node("CLAMP", (0,), **FULL),), (1,), shape=shape, out=shape, units=units)


def doubling(count: int) -> Model:
    """Concatenate a tensor with itself again and again."""
    nodes = tuple(make_node("CONCAT", (at, at), axis=0) for at in range(count))
    return single(nodes, (count,), shape=(2,), out=(2 ** (count + 1),))


def squaring() -> Model:
    """Repeat a row along a column: 2^20 times 2^20 elements."""
    side = 2**20
    pair = dict.fromkeys(("multiplier_a", "shift_a", "multiplier_b", "shift_b", "dtype"), 1)
    nodes = (
        make_node("RESHAPE", (0,), shape=(side, 1)),
        make_node("ADD", (0, 1), **pair, **FULL),
    )
    return single(nodes, (2,), shape=(1, side), out=(side, side))


def pool_of(size: int) -> Model:
    """Ask for a window of 65,535 x 65,535 over a padded pixel."""
    node = make_node(
        "MAX_POOL2D", (0,), kernel=(size, size), strides=(1, 1), padding=(size - 1,) * 4
    )
    return single((node,), (1,), shape=(1, 1, 1, 1), out=(1, size, size, 1))


def wide_product() -> Model:
    node = make_node("GEMM", (0, 1), bias=(), **RESCALED)
    shape = (2**20, 1)
    return single((node,), (2,), shape=(1, 1), out=(1, 2**20), weights=(weight(*shape),))


HOSTILE = {
    "2^31 - 1 elements": (bomb((2**31 - 1,)), ModelFault.LIMIT_DIMENSION, DEFAULT_LIMITS),
    "2^63 elements": (bomb((2**21,) * 3), ModelFault.LIMIT_MACS, DEFAULT_LIMITS),
    "2^248 elements": (bomb((2**24,) * 8), ModelFault.LIMIT_MACS, DEFAULT_LIMITS),
    "2^28 live bytes": (bomb((2**24, 17)), ModelFault.LIMIT_LIVE_BYTES, DEFAULT_LIMITS),
    "2^31 - 1 units": (bomb((-1, 4), 2**31 - 1), ModelFault.LIMIT_DIMENSION, DEFAULT_LIMITS),
    "2^24 units": (bomb((-1, 64), 2**24), ModelFault.LIMIT_LIVE_BYTES, DEFAULT_LIMITS),
    "doubling": (doubling(28), ModelFault.LIMIT_DIMENSION, DEFAULT_LIMITS),
    "squaring": (squaring(), ModelFault.LIMIT_MACS, DEFAULT_LIMITS),
    "a huge window": (pool_of(65_535), ModelFault.LIMIT_MACS, DEFAULT_LIMITS),
    "too many nodes": (chain(4_097), ModelFault.LIMIT_OPERATORS, DEFAULT_LIMITS),
    "rank": (bomb((1,) * 8), ModelFault.LIMIT_RANK, replace(DEFAULT_LIMITS, rank=7)),
    "bytes": (
        wide_product(),
        ModelFault.LIMIT_MODEL_BYTES,
        replace(DEFAULT_LIMITS, model_bytes=2**20),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_bombs_are_refused_without_allocating(name: str) -> None:
    model, code, limits = HOSTILE[name]
    head = head_of(model)
    assert decode_head(encode_head(model)) == head
    tracemalloc.start()
    with pytest.raises(InvalidModel) as caught:
        validate(head, head.head_bytes + model.graph.weight_bytes, limits)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert caught.value.code == code, caught.value.reason
    assert_one_sentence(caught.value)
    assert peak < 20 * 2**20


def encode_head(model: Model) -> bytes:
    whole = replace(model, weights=bytes(model.graph.weight_bytes))
    data = encode_model(whole)
    return data[: head_size(data)]


def assert_one_sentence(error: InvalidModel) -> None:
    assert error.reason == str(error)
    assert 10 < len(error.reason) < 300
    assert "\n" not in error.reason


def test_a_chain_of_100_000_nodes_needs_no_stack() -> None:
    model = chain(100_000)
    data = encode_model(model)
    decoded = decode_model(data)
    assert decoded == model
    assert validate(head_of(decoded), len(data), MILLIONS).live_bytes == 8
    with pytest.raises(InvalidModel) as caught:
        validate(head_of(decoded), len(data), DEFAULT_LIMITS)
    assert caught.value.code == ModelFault.LIMIT_OPERATORS


def test_deeply_nested_lists_need_no_stack() -> None:
    nested = b"\xc0"
    for _ in range(10_000):
        nested = write_list([nested])
    for data in (nested, write_list([write_bytes(b"EGM\x01"), nested])):
        with pytest.raises(InvalidModel) as caught:
            decode_model(data)
        assert caught.value.code in {ModelFault.STRUCTURE, ModelFault.MANIFEST_SIZE}


@pytest.mark.parametrize("reads", [1, 2, 3, 2**32 - 1])
def test_a_node_never_reads_forward(reads: int) -> None:
    """Value 1 is the node's own result, 2 the next one's, 3 the one after, the last nothing."""
    nodes = (
        make_node("CLAMP", (reads,), **FULL),
        make_node("CLAMP", (1,), **FULL),
        make_node("CLAMP", (2,), **FULL),
    )
    model = single(nodes, (3,), shape=(4,), out=(4,))
    with pytest.raises(InvalidModel, match=f"value {reads}") as caught:
        validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    assert caught.value.code == ModelFault.REFERENCE


def test_a_window_over_nothing_is_refused() -> None:
    for padding, kernel in (((2, 0, 0, 0), (2, 2)), ((0, 0, 0, 0), (2, 2))):
        attributes = {"kernel": kernel, "strides": (1, 1), "padding": padding}
        node = make_node("MAX_POOL2D", (0,), **attributes)
        model = single((node,), (1,), shape=(1, 1, 1, 1), out=(1, 1, 1, 1))
        with pytest.raises(InvalidModel):
            validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)


def test_each_limit_is_exact() -> None:
    model = mlp()
    head, size = head_of(model), len(encode_model(model))
    # 4 rows: 4 * 8 in, 4 * 16 between; work 4 * (16 * 8 + 4 * 16) products and 4 * 20 rescales.
    exact = Limits(
        model_bytes=size,
        head_bytes=head.head_bytes,
        operators=2,
        rank=2,
        dimension=16,
        live_bytes=96,
        macs=4 * 192 + 80,
    )
    assert validate(head, size, exact).live_bytes == 96
    for field, code in (
        ("model_bytes", ModelFault.LIMIT_MODEL_BYTES),
        ("operators", ModelFault.LIMIT_OPERATORS),
        ("rank", ModelFault.LIMIT_RANK),
        ("dimension", ModelFault.LIMIT_DIMENSION),
        ("live_bytes", ModelFault.LIMIT_LIVE_BYTES),
        ("macs", ModelFault.LIMIT_MACS),
        ("head_bytes", ModelFault.LIMIT_HEAD_BYTES),
    ):
        with pytest.raises(InvalidModel) as caught:
            validate(head, size, replace(exact, **{field: getattr(exact, field) - 1}))
        assert caught.value.code == code
