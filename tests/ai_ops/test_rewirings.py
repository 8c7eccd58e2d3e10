"""5,000 random cycles, self edges and rewirings of valid graphs, each through its bytes.

A graph whose edges do not all point back is refused with the code of that rule; one that is still
valid runs alike on every backend. A failure prints the seed; `ENGRAM_LONG=1` tries more.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from random import Random

import pytest

from ai_ops.backends import select_backend
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.executor import load
from ai_ops.graph import Graph, Model, Node
from ai_ops.graph_encoding import encode_graph
from ai_ops.model import decode_model, encode_model, head_of
from ai_ops.operators import OPERATORS
from ai_ops.validate import DEFAULT_LIMITS, Limits, ModelFacts, validate
from tests.ai_ops.random_graphs import random_input, random_model
from tests.ai_ops.test_hostile_models import chain
from tests.ai_ops.test_mutations import LIMITS

LONG = bool(os.environ.get("ENGRAM_LONG"))
FIRST_SEED = int(os.environ.get("ENGRAM_SEED", "27182"))
MODELS = 2_000 if LONG else 200
REWIRINGS = 25
STACK = 60
"""Frames that reading and checking may use: far fewer than a graph has nodes."""

Ids = list[list[int]]
Rewire = Callable[[Ids, list[int], "Places", Random], None]


class Places:
    """Where a graph's values lie: the first result of each node, and the number of values."""

    def __init__(self, model: Model) -> None:
        first = len(model.manifest.inputs) + len(model.graph.weights)
        self.results = []
        for node in model.graph.nodes:
            self.results.append(first)
            first += 2 if node.operator in {"DYNAMIC_QUANTIZE", "TOP_K", "VALID_ROWS"} else 1
        self.count = first


def edge(inputs: Ids, random: Random) -> tuple[int, int]:
    node = random.randrange(len(inputs))
    return node, random.randrange(len(inputs[node]))


def self_edge(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    node, position = edge(inputs, random)
    inputs[node][position] = places.results[node]


def forward_edge(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    node, position = edge(inputs, random)
    inputs[node][position] = random.randrange(places.results[node], places.count)


def long_cycle(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    nodes = random.sample(range(len(inputs)), random.randint(2, len(inputs)))
    for node, reads in zip(nodes, nodes[1:] + nodes[:1], strict=True):
        inputs[node][random.randrange(len(inputs[node]))] = places.results[reads]


def nothing_there(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    node, position = edge(inputs, random)
    far = (places.count, places.count + 1, 2**31 - 1, 2**31, 2**32 - 1)
    inputs[node][position] = random.choice(far)


def backward_edge(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    node, position = edge(inputs, random)
    inputs[node][position] = random.randrange(places.results[node])


def exchanged_edges(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    (a, at), (b, to) = edge(inputs, random), edge(inputs, random)
    inputs[a][at], inputs[b][to] = inputs[b][to], inputs[a][at]


def another_output(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    outputs[random.randrange(len(outputs))] = random.choice(
        (random.randrange(places.count), outputs[0], places.count, 2**32 - 1)
    )


def exchanged_outputs(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    random.shuffle(outputs)


def more_or_fewer(inputs: Ids, outputs: list[int], places: Places, random: Random) -> None:
    node, position = edge(inputs, random)
    if random.random() < 0.5:
        del inputs[node][position]
    else:
        inputs[node].insert(position, random.randrange(places.results[node]))


CYCLES: tuple[Rewire, ...] = (self_edge, forward_edge, long_cycle, nothing_there)
OTHERS: tuple[Rewire, ...] = (
    backward_edge, backward_edge, exchanged_edges, another_output, exchanged_outputs,
    more_or_fewer,
)  # fmt: skip


def rewired(model: Model, rewire: Rewire, random: Random) -> bytes:
    """Change edges and outputs, and nothing else; the bytes stay canonical."""
    inputs = [list(node.inputs) for node in model.graph.nodes]
    outputs = list(model.graph.outputs)
    rewire(inputs, outputs, Places(model), random)
    nodes = tuple(
        replace(node, inputs=tuple(ids))
        for node, ids in zip(model.graph.nodes, inputs, strict=True)
    )
    return assembled(model, replace(model.graph, nodes=nodes, outputs=tuple(outputs)))


def assembled(model: Model, graph: Graph) -> bytes:
    manifest = replace(model.manifest, graph_bytes=len(encode_graph(graph)))
    return encode_model(replace(model, manifest=manifest, graph=graph))


@contextmanager
def shallow_stack() -> Iterator[None]:
    """Let work nest `STACK` calls deep and no deeper."""
    before = sys.getrecursionlimit()
    frame, depth = inspect.currentframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    sys.setrecursionlimit(depth + STACK)
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def checked(data: bytes, limits: Limits = LIMITS) -> tuple[Model, ModelFacts] | int:
    """Return a model and what is known of it, or the code with which it is refused."""
    try:
        with shallow_stack():
            model = decode_model(data)
            return model, validate(head_of(model), len(data), limits)
    except InvalidModel as error:
        assert error.reason  # noqa: PT017
        return error.code


def test_every_cycle_is_refused_and_every_other_graph_runs_alike() -> None:
    backends = [select_backend(name) for name in ("reference", "numba", "cpu")]
    seen: Counter[str] = Counter()
    for seed in range(FIRST_SEED, FIRST_SEED + MODELS):
        print(f"ENGRAM_SEED={seed}")
        random = Random(seed)
        model = random_model(seed, nodes=random.choice((2, 5, 12)))
        for _ in range(REWIRINGS):
            rewire = random.choice(random.choice((CYCLES, OTHERS)))
            found = checked(rewired(model, rewire, random))
            if rewire in CYCLES:
                assert found == ModelFault.REFERENCE, rewire.__name__
                seen["cycles"] += 1
            elif isinstance(found, int):
                assert found in set(ModelFault), rewire.__name__
                seen["refused"] += 1
            else:
                still, facts = found
                given = random_input(still, 1, random)
                first, *rest = (load(still, facts, backend).run(given, 1) for backend in backends)
                assert all(other == first for other in rest), rewire.__name__
                seen["runs"] += 1
    assert sum(seen.values()) == MODELS * REWIRINGS >= 5_000
    assert seen["cycles"] > MODELS * REWIRINGS // 3
    assert seen["refused"] > MODELS
    assert seen["runs"] > MODELS


@pytest.mark.parametrize("count", [1, 2, 3, 100, DEFAULT_LIMITS.operators])
def test_one_edge_forward_in_a_chain_of_any_length_is_found(count: int) -> None:
    """The deepest graph that the limits allow, with the ends of one edge anywhere."""
    random = Random(count)
    model = chain(count)
    for _ in range(20):
        node, reads = sorted(random.choices(range(1, count + 1), k=2))
        nodes = list(model.graph.nodes)
        nodes[node - 1] = Node(
            operator="CLAMP", inputs=(reads,), attributes=nodes[node - 1].attributes
        )
        data = assembled(model, replace(model.graph, nodes=tuple(nodes)))
        assert checked(data, DEFAULT_LIMITS) == ModelFault.REFERENCE
    data = encode_model(model)
    found = checked(data, DEFAULT_LIMITS)
    assert not isinstance(found, int)
    _, facts = found
    for name in ("reference", "numba", "cpu"):
        result = load(model, facts, select_backend(name)).run(b"\x80\x00\x01\x7f", 1)
        assert result.output == b"\x80\x00\x01\x7f"
        assert len(result.step_digests) == count


def test_operators_of_two_results_are_those_that_places_knows() -> None:
    model = random_model(FIRST_SEED, nodes=12)
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    assert Places(model).count == len(facts.values)
    assert {"DYNAMIC_QUANTIZE", "TOP_K", "VALID_ROWS"} <= set(OPERATORS)
