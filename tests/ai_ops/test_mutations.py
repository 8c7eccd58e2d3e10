"""Damaged models: refused with a sentence, or a model like any other that both backends run alike.

A failure prints the seed; `ENGRAM_LONG=1` tries more.
"""

from __future__ import annotations

import os
from random import Random

from ai_ops.backends import select_backend
from ai_ops.errors import InvalidModel
from ai_ops.executor import load
from ai_ops.model import decode_model, encode_model, head_of, head_size
from ai_ops.validate import Limits, validate
from tests.ai_ops.random_graphs import random_input, random_model

MODELS = 200 if os.environ.get("ENGRAM_LONG") == "1" else 34
FIRST_SEED = int(os.environ.get("ENGRAM_SEED", "31415"))
MUTANTS = 150
# Small enough that a mutant which grew cannot keep the test waiting.
LIMITS = Limits(
    model_bytes=10**6,
    head_bytes=10**6,
    operators=64,
    rank=8,
    dimension=10**5,
    live_bytes=10**6,
    macs=10**7,
)


def mutated(data: bytes, head: int, random: Random) -> bytes:
    """Change, remove, repeat or insert a few bytes, mostly in the head."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 5))):
        at = random.randrange(min(head, len(changed)))
        kind = random.randrange(5)
        if kind <= 1:
            changed[at] ^= 1 << random.randrange(8)
        elif kind == 2:
            changed[at] = random.choice((0x00, 0x7F, 0x80, 0xC0, 0xFF))
        elif kind == 3:
            del changed[at : at + random.randint(1, 4)]
        else:
            changed[at:at] = changed[at : at + random.randint(1, 8)]
    return bytes(changed)


def test_a_mutant_is_refused_or_runs_alike_everywhere() -> None:
    backends = [select_backend(name) for name in ("reference", "numba", "cpu")]
    accepted = refused = 0
    for seed in range(FIRST_SEED, FIRST_SEED + MODELS):
        print(f"ENGRAM_SEED={seed}")
        random = Random(seed)
        data = encode_model(random_model(seed, nodes=5))
        head = head_size(data)
        for _ in range(MUTANTS):
            mutant = mutated(data, head, random)
            try:
                model = decode_model(mutant)
                facts = validate(head_of(model), len(mutant), LIMITS)
            except InvalidModel as error:
                assert error.reason  # noqa: PT017
                refused += 1
                continue
            assert encode_model(model) == mutant
            given = random_input(model, 1, random)
            first, *others = (load(model, facts, backend).run(given, 1) for backend in backends)
            assert all(other == first for other in others)
            accepted += 1
    assert accepted > MODELS
    assert refused > MODELS * MUTANTS // 2
