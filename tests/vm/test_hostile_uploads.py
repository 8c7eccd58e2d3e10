"""Hostile model files on chain: paid for, refused at activation with a code, nothing else changed.

Each file is created, uploaded and activated like any other. `tests.support.hostile_models` lists
the classes.
"""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from ai_ops import merkle
from genesis.spec import template
from tests.ai_ops.models import mlp
from tests.support.hostile_models import HOSTILE
from tests.support.inference import (
    CALLER,
    CONTRACT,
    InferenceState,
    asm,
    create,
    deploy,
    registry,
    send,
)
from vm.registry import calls, facts, layout
from vm.registry.facts import Status
from vm.registry.state import registry_of

CONFIG = template("devnet").vm_config
CAP = CONFIG.transaction_gas_cap or 0
LIMITS = CONFIG.limits
GAS_NANOSECONDS = 50
# A loaded machine is allowed to be slower than the one that the prices stand for.
SLACK = 10


def uploaded(state: InferenceState, data: bytes) -> bytes:
    address = create(state, data)
    for index, chunk in enumerate(merkle.chunks(data)):
        registry(state, calls.PUT_CHUNK, address, index, chunk).raise_if_error()
    state.begin()
    return address


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_at_activation_with_its_code(name: str) -> None:
    make, code = HOSTILE[name]
    state = new_devnet_state()
    honest = deploy(state, mlp())
    address = uploaded(state, make())
    before = words(state, honest)
    start = time.process_time()
    activation = registry(state, calls.ACTIVATE, address, gas=CAP)
    spent = time.process_time() - start
    activation.raise_if_error()
    known = registry_of(state)
    assert facts.status(known, address) == Status.REJECTED
    report = layout.unpack(layout.REPORT_FIELDS, known.word(address, layout.REPORT))
    assert report["code"] == code
    assert words(state, honest) == before
    used = CAP - activation.get_gas_remaining()
    assert spent < SLACK * used * GAS_NANOSECONDS * 1e-9, f"{spent:.3f} s for {used} gas"
    call = asm(0, 0, 4, 0, b"\x73" + address, "INFER")
    answer = send(state, CONTRACT, code=call, sender=CALLER)
    assert not answer.is_error
    again = registry(state, calls.ACTIVATE, address, gas=CAP)
    assert again.is_error


def new_devnet_state() -> InferenceState:
    return InferenceState(replace(CONFIG, chain_id=1))


def words(state: InferenceState, model: bytes) -> list[int]:
    return [registry_of(state).word(model, word) for word in range(layout.REPORT + 1)]
