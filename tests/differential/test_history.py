"""What ran before, or runs beside, never shows: repeated calls, reloaded models, many threads.

In Cortex a model could place a result on a weight, so that a node which had restarted disagreed
with one that had not. A failure prints the seed.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from ai_ops.backends import BACKENDS
from ai_ops.executor import load
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.ai_ops.random_graphs import random_input, random_model
from tests.support.backends import started

MODELS = 200 if os.environ.get("ENGRAM_LONG") == "1" else 8
FIRST_SEED = int(os.environ.get("ENGRAM_SEED", "606"))
CALLS = 6
THREADS = (1, 2, 4)


@pytest.mark.parametrize("name", BACKENDS)
def test_results_do_not_depend_on_what_ran_before_or_beside(name: str) -> None:
    backend, reference = started(name), started("reference")
    for seed in range(FIRST_SEED, FIRST_SEED + MODELS):
        print(f"ENGRAM_SEED={seed}")
        random = Random(seed)
        model = random_model(seed, nodes=10)
        facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
        calls = []
        for _ in range(CALLS):
            units = random.randint(1, facts.maximum_units)
            calls.append((random_input(model, units, random), units))
        right = load(model, facts, reference)
        expected = [right.run(*call) for call in calls]
        loaded = load(model, facts, backend)
        for _ in range(3):
            assert [loaded.run(*call) for call in calls] == expected
        # As after an eviction or a restart: prepared anew, in another order.
        again = load(model, facts, backend)
        assert [again.run(*call) for call in reversed(calls)] == expected[::-1]
        for threads in THREADS:
            with ThreadPoolExecutor(threads) as pool:
                found = list(pool.map(lambda call, ready=loaded: ready.run(*call), calls * 2))
            assert found == expected * 2
