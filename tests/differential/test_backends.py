"""Random models on all backends: same outputs, same step digests, values inside their intervals.

A failure prints the seed; `ENGRAM_LONG=1` draws more models, `ENGRAM_SEED` moves the first one.
"""

from __future__ import annotations

import os
from random import Random

import numpy as np
import pytest

from ai_ops.backends import BACKENDS
from ai_ops.backends.base import Backend
from ai_ops.dtype import DType
from ai_ops.executor import load
from ai_ops.graph import Model, Value
from ai_ops.model import decode_model, encode_model, head_of
from ai_ops.operators import OPERATORS
from ai_ops.validate import DEFAULT_LIMITS, ModelFacts, validate
from tests.ai_ops.random_graphs import (
    PROPOSALS,
    UNITS,
    node_count,
    random_input,
    random_model,
)
from tests.support.backends import started

MODELS = 5_000 if os.environ.get("ENGRAM_LONG") == "1" else 120
FIRST_SEED = int(os.environ.get("ENGRAM_SEED", "20261124"))


def check_seed(seed: int, fast: Backend, reference: Backend) -> dict[str, int]:
    model = random_model(seed)
    data = encode_model(model)
    assert decode_model(data) == model
    facts = validate(head_of(model), len(data), DEFAULT_LIMITS)
    random = Random(seed)
    units = random.randint(1, UNITS) if facts.symbolic else 1
    given = random_input(model, units, random)
    assert len(given) == facts.input_bytes(units)
    slow = load(model, facts, reference)
    expected = slow.run(given, units)
    assert load(data, facts, fast).run(given, units) == expected
    assert len(expected.output) == facts.output_bytes(units)
    traces = slow.trace(given, units)
    for value, step in zip(first_results(model, facts), traces, strict=True):
        tensor = np.frombuffer(step.tensor, DType[step.dtype.upper()].numpy)
        assert tensor.size == value.type.elements(units)
        assert value.minimum <= int(tensor.min()) <= int(tensor.max()) <= value.maximum
    return node_count(model)


def first_results(model: Model, facts: ModelFacts) -> list[Value]:
    """Return what is known of the first result of each node: a trace holds that one."""
    at = len(model.manifest.inputs) + len(model.graph.weights)
    found = []
    for node in model.graph.nodes:
        found.append(facts.values[at])
        inputs = tuple(facts.values[value] for value in node.inputs)
        at += len(OPERATORS[node.operator].infer(node, inputs))
    return found


def test_every_operator_is_proposed() -> None:
    assert set(PROPOSALS) == set(OPERATORS)


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])
def test_random_models_agree_on_every_step(name: str) -> None:
    fast, reference = started(name), started("reference")
    seen = dict.fromkeys(OPERATORS, 0)
    for seed in range(FIRST_SEED, FIRST_SEED + MODELS):
        try:
            counts = check_seed(seed, fast, reference)
        except BaseException:
            print(f"failing seed: ENGRAM_SEED={seed}")
            raise
        for operator, count in counts.items():
            seen[operator] += count
    assert min(seen.values()) >= MODELS // 20, seen
