"""A loaded model knows how many bytes it holds: what the cache of models counts."""

from __future__ import annotations

import gc
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ai_ops.backends import select_backend
from ai_ops.backends.footprint import footprint
from ai_ops.dtype import DType
from ai_ops.executor import load
from ai_ops.graph import Model
from ai_ops.model import decode_model, encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from benchmarks.gas_cases import RESCALED, model_of, w, x
from tests.ai_ops.models import lenet, mlp
from tests.ai_ops.random_graphs import random_model
from tests.ai_ops.test_hostile_models import chain

HELD: dict[str, Callable[[], Model]] = {
    "mlp": mlp,
    "lenet": lenet,
    "random": lambda: random_model(7),
    "1,000 tiny operators": lambda: with_weights(chain(1_000)),
    "a large product": lambda: model_of(
        ("GEMM", "large", (x(1, 512), w(512, 512)), {"bias": (), **RESCALED, "shifts": (50,)})
    ),
    "a dynamic product": lambda: model_of(
        (
            "GEMM_DYNAMIC",
            "large",
            (x(1, 512), x(1, 1, dtype=DType.I32, low=1, high=32_767), w(512, 512)),
            {"bias": (), **RESCALED, "shifts": (36,)},
        )
    ),
    "a product of depth 1": lambda: model_of(
        ("GEMM", "thin", (x(1, 1), w(2**16, 1)), {"bias": (), **RESCALED})
    ),
}


def with_weights(model: Model) -> Model:
    return replace(model, weights=bytes(model.graph.weight_bytes))


@pytest.mark.parametrize("name", HELD)
@pytest.mark.parametrize("backend", ["reference", "numba", "cpu"])
def test_a_loaded_model_knows_what_it_holds(backend: str, name: str) -> None:
    chosen = select_backend(backend)
    data = encode_model(HELD[name]())
    kept: list[Any] = []

    def prepare() -> None:
        model = decode_model(data)
        facts = validate(head_of(model), len(data), DEFAULT_LIMITS)
        kept.append(load(model, facts, chosen))

    prepare()  # compiles, imports and fills caches
    kept.clear()
    held = held_after(prepare)
    assert 0.7 * held < kept[0].held_bytes < 1.3 * held + 4_096


def held_after(work: Callable[[], None]) -> int:
    """Return the bytes that are still there after some work."""
    gc.collect()
    tracemalloc.start()
    work()
    gc.collect()
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held


def test_shared_memory_counts_once() -> None:
    whole = np.zeros(2**16, np.uint8)
    assert footprint((whole[:5], whole[5:], whole)) < 2**16 + 1_000
    assert footprint((whole, whole.copy())) > 2 * 2**16
    assert footprint(None) == 0
