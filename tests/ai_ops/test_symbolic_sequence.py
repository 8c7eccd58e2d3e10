"""The sequence as the symbolic dimension: every n up to the declared maximum."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from ai_ops.backends import BACKENDS
from ai_ops.errors import InputFault, InvalidInput, InvalidModel, ModelFault
from ai_ops.executor import load
from ai_ops.inference import Inference
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, Limits, ModelFacts, units_from_input, validate
from tests.ai_ops.sequence_models import MAXIMUM_TOKENS, VOCABULARY, encoder
from tests.support.backends import started

LENGTHS = range(1, MAXIMUM_TOKENS + 1)


def facts_of(tokens: int = -1, limits: Limits = DEFAULT_LIMITS) -> ModelFacts:
    model = encoder(tokens=tokens)
    return validate(head_of(model), len(encode_model(model)), limits)


def ids(count: int) -> bytes:
    generator = np.random.default_rng(count)
    return generator.integers(0, VOCABULARY, count).astype("<i4").tobytes()


@cache
def expected(count: int) -> Inference:
    """Run the model of exactly `count` tokens, which has no symbolic dimension."""
    return load(encoder(tokens=count), facts_of(count), started("reference")).run(ids(count), 1)


@pytest.mark.parametrize("name", BACKENDS)
def test_every_length_gives_what_a_model_of_that_length_gives(name: str) -> None:
    ready = load(encoder(), facts_of(), started(name))
    answers = []
    for count in LENGTHS:
        answers.append(ready.run(ids(count), count))
        assert answers[-1] == expected(count), count
    assert len({answer.output for answer in answers}) == len(LENGTHS)


def test_every_length_is_counted_as_a_model_of_that_length() -> None:
    facts = facts_of()
    assert facts.symbolic
    assert facts.cost.counts["mac_general"][2] > 0
    for count in LENGTHS:
        fixed = facts_of(count)
        assert facts.cost.at(count) == fixed.cost.at(1)
        assert facts.cost.macs(count) == fixed.macs
        assert facts.input_bytes(count) == fixed.input_bytes(1) == 4 * count
        assert units_from_input(facts, 4 * count) == count
    assert facts.live_bytes == facts_of(MAXIMUM_TOKENS).live_bytes


def test_limits_hold_at_the_longest_sequence() -> None:
    facts = facts_of()
    work = facts_of(MAXIMUM_TOKENS).cost.at(1)
    for live in (facts.live_bytes, facts.live_bytes - 1):
        check_limit("live_bytes", live, ModelFault.LIMIT_LIVE_BYTES, fits=live == facts.live_bytes)
    performed = sum(
        count
        for name, count in work.items()
        if name not in {"steps", "rows", "weight_bytes", "digest_bytes"}
    )
    for macs in (performed, performed - 1):
        check_limit("macs", macs, ModelFault.LIMIT_MACS, fits=macs == performed)


def check_limit(name: str, limit: int, fault: ModelFault, *, fits: bool) -> None:
    limits = replace(DEFAULT_LIMITS, **{name: limit})
    if fits:
        facts_of(limits=limits)
        return
    with pytest.raises(InvalidModel) as caught:
        facts_of(limits=limits)
    assert caught.value.code == fault


@pytest.mark.parametrize("name", BACKENDS)
def test_token_ids_and_lengths_are_checked_before_step_0(name: str) -> None:
    ready = load(encoder(), facts_of(), started(name))

    def refused(tokens: list[int], n: int, fault: InputFault) -> None:
        with pytest.raises(InvalidInput) as caught:
            ready.run(np.array(tokens, "<i4").tobytes(), n)
        assert caught.value.code == fault

    refused([VOCABULARY], 1, InputFault.RANGE)
    refused([0, 1, -1], 3, InputFault.RANGE)
    refused([0] * (MAXIMUM_TOKENS + 1), MAXIMUM_TOKENS + 1, InputFault.UNITS)
    refused([], 0, InputFault.UNITS)
    refused([0, 1], 3, InputFault.SIZE)
    assert units_from_input(ready.facts, 4 * (MAXIMUM_TOKENS + 1)) is None
    assert units_from_input(ready.facts, 5) is None
    ready.run(np.array([0, VOCABULARY - 1], "<i4").tobytes(), 2)
