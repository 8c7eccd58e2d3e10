"""INFERDATA and MODELGAS, and the precompile's inferData and gasOf."""

from __future__ import annotations

import pytest

from ai_ops import merkle
from tests.ai_ops.models import mlp
from tests.support.inference import (
    CONTRACT,
    InferenceState,
    asm,
    create,
    deploy,
    new_state,
    registry,
    send,
)
from tests.support.inference_models import ROW, answer, ranged
from vm import abi
from vm.instructions.contract import GAS_OF, INFER, INFER_DATA
from vm.registry import calls, facts
from vm.registry.layout import INFERENCE_ADDRESS
from vm.registry.state import registry_of

WORD = 32
PRICES = new_state().vm_config.prices
ACCESS = PRICES.base_gas + PRICES.access_gas
DATA = bytes(range(2 * ROW))


def q16(amount: int) -> int:
    return -(-amount // 2**16)


def load_q16(state: InferenceState, address: bytes) -> int:
    terms = facts.terms(registry_of(state), address)
    assert isinstance(terms, facts.Terms)
    return terms.load_q16


def put(state: InferenceState, data: bytes) -> bytes:
    computation = registry(state, calls.PUT_DATA, data)
    computation.raise_if_error()
    state.begin()
    return computation.output


def data_code(model: bytes, data_id: bytes) -> bytes:
    return asm(
        0, 0, int.from_bytes(data_id, "big"), int.from_bytes(model, "big"), "INFERDATA",
        0, "MSTORE", "RETURNDATASIZE", 0, WORD, "RETURNDATACOPY",
        "RETURNDATASIZE", WORD, "ADD", 0, "RETURN",
    )  # fmt: skip


def infer_data(state: InferenceState, model: bytes, data_id: bytes) -> tuple[int, bytes]:
    call = calls.call_data(INFER_DATA, model, data_id)
    computation = send(state, INFERENCE_ADDRESS, call)
    return computation.get_gas_used(), computation.output


def test_a_listed_object_is_the_input() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    data_id = put(state, DATA)
    assert data_id == merkle.model_id(DATA)
    output = send(state, CONTRACT, code=data_code(address, data_id)).output
    assert output == (1).to_bytes(WORD, "big") + answer(model, DATA, 2).output


def test_model_and_object_load_cold_once_each() -> None:
    state = new_state()
    address = deploy(state, mlp())
    data_id = put(state, DATA)
    first, _ = infer_data(state, address, data_id)
    second, _ = infer_data(state, address, data_id)
    cold = load_q16(state, address) + len(DATA) * PRICES.cold_load_byte_q16
    assert first - second == q16(cold)
    assert [record.gas for record in state.inference.records] == [first, second]
    other = put(state, DATA[::-1])
    send(state, INFERENCE_ADDRESS, calls.call_data(INFER, address, DATA)).raise_if_error()
    third, _ = infer_data(state, address, other)
    assert third - second == q16(len(DATA) * PRICES.cold_load_byte_q16)


UNLISTED = b"\x01" * 32
FAILURES = {
    "not listed": (mlp, None, UNLISTED, abi.encode_error("InferenceFailed(uint16)", (603,)), 0),
    "wrong size": (mlp, b"x", None, abi.encode_error("InputSize(uint256,uint256)", (1, ROW)), 0),
    "out of range": (
        ranged,
        bytes([127]) * ROW,
        None,
        abi.encode_error("InferenceFailed(uint16)", (503,)),
        PRICES.word_gas,
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures(case: str) -> None:
    build, data, data_id, error, words = FAILURES[case]
    state = new_state()
    address = deploy(state, build())
    if data is not None:
        data_id = put(state, data)
    assert data_id is not None
    spent, output = infer_data(state, address, data_id)
    assert (spent, output) == (ACCESS + PRICES.data_access_gas + words, error)
    assert send(state, CONTRACT, code=data_code(address, data_id)).output == bytes(WORD) + error
    assert not state.inference.is_loaded(state, data_id)
    assert state.inference.records == []


def test_a_chunk_that_is_present_but_not_listed_is_no_input() -> None:
    state = new_state()
    model = deploy(state, mlp())
    chunk_of_a_model = merkle.leaf_digests(b"".join(state.chunk_store.values()))[0]
    _, output = infer_data(state, model, chunk_of_a_model)
    assert output == abi.encode_error("InferenceFailed(uint16)", (603,))


def model_gas(state: InferenceState, model: bytes, size: int) -> tuple[int, int]:
    """MODELGAS: the figure, and what asking cost."""
    code = asm(size, int.from_bytes(model, "big"), "MODELGAS", 0, "MSTORE", WORD, 0, "RETURN")
    computation = send(state, CONTRACT, code=code)
    return int.from_bytes(computation.output, "big"), computation.get_gas_used() - 5 * 3 - 3 - 3


def gas_of(state: InferenceState, model: bytes, size: int) -> tuple[int, int]:
    computation = send(state, INFERENCE_ADDRESS, calls.call_data(GAS_OF, model, size))
    return int.from_bytes(computation.output, "big"), computation.get_gas_used()


def test_the_figure_is_what_the_call_then_costs_cold_and_loaded() -> None:
    state = new_state()
    address = deploy(state, mlp())
    for loaded in (False, True):
        figure, asking = model_gas(state, address, 2 * ROW)
        assert (figure, PRICES.access_gas) == gas_of(state, address, 2 * ROW)
        assert asking == PRICES.access_gas
        assert state.inference.is_loaded(state, address) is loaded
        call = calls.call_data(INFER, address, DATA)
        assert send(state, INFERENCE_ADDRESS, call, gas=figure).is_success
        assert state.inference.records[-1].gas == figure
    assert state.inference.records[0].gas > state.inference.records[1].gas


def test_one_gas_less_than_the_figure_halts() -> None:
    state = new_state()
    address = deploy(state, mlp())
    figure, _ = gas_of(state, address, ROW)
    call = calls.call_data(INFER, address, bytes(ROW))
    short = send(state, INFERENCE_ADDRESS, call, gas=figure - 1)
    assert short.should_burn_gas
    assert state.inference.records == []


@pytest.mark.parametrize("size", [0, 1, ROW + 1, 5 * ROW, 2**256 - 1])
def test_zero_for_an_illegal_size(size: int) -> None:
    state = new_state()
    address = deploy(state, mlp())
    assert model_gas(state, address, size) == (0, PRICES.access_gas)
    assert gas_of(state, address, size) == (0, PRICES.access_gas)


def test_zero_for_a_model_that_is_not_callable() -> None:
    state = new_state()
    created = create(state, b"\xc0" * 99)
    for model in (b"\x99" * 20, created):
        assert gas_of(state, model, ROW) == (0, PRICES.access_gas)
        assert model_gas(state, model, ROW)[0] == 0
