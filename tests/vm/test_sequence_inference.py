"""A model of token ids on the chain: its price at every length, its answers, its refusals."""

from __future__ import annotations

import numpy as np
import pytest

from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.ai_ops.sequence_models import MAXIMUM_TOKENS, VOCABULARY, encoder
from tests.support.inference import CONTRACT, asm, deploy, new_state, send
from tests.support.inference_models import answer
from vm import gas
from vm.prices import InferencePrices
from vm.registry import facts
from vm.registry.state import registry_of

PRICES = InferencePrices()
WORD = 32


def infer_code(address: bytes) -> bytes:
    """Run INFER on the call data; answer its success and its output."""
    return asm(
        "CALLDATASIZE", 0, 0, "CALLDATACOPY",
        0, 0, "CALLDATASIZE", 0, int.from_bytes(address, "big"), "INFER",
        0, "MSTORE", "RETURNDATASIZE", 0, WORD, "RETURNDATACOPY",
        "RETURNDATASIZE", WORD, "ADD", 0, "RETURN",
    )  # fmt: skip


def test_the_price_at_every_length_is_that_of_a_model_of_that_length() -> None:
    state = new_state()
    terms = facts.terms(registry_of(state), deploy(state, encoder()))
    assert isinstance(terms, facts.Terms)
    assert terms.c > 0
    found = []
    for count in range(1, MAXIMUM_TOKENS + 1):
        fixed = encoder(tokens=count)
        known = validate(head_of(fixed), len(encode_model(fixed)), DEFAULT_LIMITS)
        expected = gas.fraction_gas(sum(gas.coefficients(known.cost, PRICES)))
        price = gas.price(terms, count, 0, PRICES, data=False)
        assert price.computation == expected
        found.append(expected)
    steps = np.diff(found)
    assert (np.diff(steps) >= -1).all()
    assert steps[-1] > steps[0]


@pytest.mark.parametrize("count", [1, 2, 7, MAXIMUM_TOKENS])
def test_infer_answers_at_any_length(count: int) -> None:
    state, model = new_state(), encoder()
    tokens = np.arange(count, dtype="<i4").tobytes()
    computation = send(state, CONTRACT, tokens, code=infer_code(deploy(state, model)))
    assert computation.output == (1).to_bytes(WORD, "big") + answer(model, tokens, count).output


@pytest.mark.parametrize("tokens", [[VOCABULARY], [0, -1], [0] * (MAXIMUM_TOKENS + 1), []], ids=str)
def test_ids_out_of_range_and_sequences_too_long_fail_the_call(tokens: list[int]) -> None:
    state = new_state()
    address = deploy(state, encoder())
    data = np.array(tokens, "<i4").tobytes()
    computation = send(state, CONTRACT, data, code=infer_code(address))
    assert computation.is_success
    assert computation.output[:WORD] == bytes(WORD)
    assert state.inference.records == []
