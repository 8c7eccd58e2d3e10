"""The inference precompile: INFER for callers without the opcode, with reverts for failures."""

from __future__ import annotations

import pytest
from eth.exceptions import OutOfGas
from eth_abi.abi import decode as eth_abi_decode
from eth_typing import Address

from tests.ai_ops.models import mlp
from tests.support.inference import (
    CALLER,
    CONTRACT,
    InferenceState,
    asm,
    deploy,
    new_state,
    send,
)
from tests.support.inference_models import ROW, answer, ranged
from tests.vm.test_infer import ACCESS, FAILURES, PRICES, WORD
from vm import abi
from vm.instructions.contract import FUNCTIONS, INFER, INFER_BATCH
from vm.registry import calls
from vm.registry.layout import INFERENCE_ADDRESS


def infer(state: InferenceState, model: bytes, data: bytes) -> bytes:
    return bytes(send(state, INFERENCE_ADDRESS, calls.call_data(INFER, model, data)).output)


def forward(state: InferenceState, opcode: str, data: bytes, keep_gas: int = 0) -> bytes:
    """Call the precompile with `opcode`; answer success ‖ return data."""
    value = (0,) if opcode in {"CALL", "CALLCODE"} else ()
    code = asm(
        "CALLDATASIZE", 0, 0, "CALLDATACOPY",
        0, 0, "CALLDATASIZE", 0, *value, int.from_bytes(INFERENCE_ADDRESS, "big"),
        keep_gas or 2**32, opcode,
        0, "MSTORE", "RETURNDATASIZE", 0, WORD, "RETURNDATACOPY",
        "RETURNDATASIZE", WORD, "ADD", 0, "RETURN",
    )  # fmt: skip
    return bytes(send(state, CONTRACT, data, code=code).output)


def test_infer_answers_abi_encoded() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    data = bytes(range(16))
    output = infer(state, address, data)
    assert eth_abi_decode(("bytes",), output) == (answer(model, data, 2).output,)


@pytest.mark.parametrize("opcode", ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"])
def test_every_kind_of_call_is_the_same(opcode: str) -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    output = forward(state, opcode, calls.call_data(INFER, address, bytes(ROW)))
    assert output[:WORD] == (1).to_bytes(WORD, "big")
    assert eth_abi_decode(("bytes",), output[WORD:]) == (answer(model, bytes(ROW)).output,)


@pytest.mark.parametrize("case", FAILURES)
def test_a_failure_reverts_with_the_error_of_the_opcode(case: str) -> None:
    prepare, data, expected = FAILURES[case]
    state = new_state()
    address = prepare(state)
    computation = send(state, INFERENCE_ADDRESS, calls.call_data(INFER, address, data))
    assert computation.is_error
    assert not computation.should_burn_gas
    assert computation.output == expected(address)[WORD:]
    words = PRICES.word_gas if case == "out of range" else 0
    assert computation.get_gas_used() == ACCESS + words
    assert state.inference.records == []


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\1\2\3\4",
        calls.call_data(INFER, b"\1" * 20, b"x")[:-1],
        calls.call_data(INFER, b"\1" * 20, b"x")[:-1] + b"\1",
        abi.selector(INFER),
        abi.selector(INFER_BATCH) + (64).to_bytes(32, "big") * 2 + (2**255).to_bytes(32, "big"),
    ],
)
def test_malformed_calls_revert_without_data(data: bytes) -> None:
    computation = send(new_state(), INFERENCE_ADDRESS, data)
    assert (computation.is_error, computation.should_burn_gas) == (True, False)
    assert computation.output == b""
    words = PRICES.hash_word_gas * abi.words(len(data))
    batch = data[:4] == abi.selector(INFER_BATCH)
    assert computation.get_gas_used() == ACCESS + (words if batch else 0)


@pytest.mark.parametrize("selector", FUNCTIONS)
def test_value_reverts(selector: bytes) -> None:
    state = new_state()
    state.set_balance(Address(CALLER), 5)
    computation = send(state, INFERENCE_ADDRESS, selector, value=1)
    assert computation.is_error
    assert state.get_balance(Address(CALLER)) == 5


def decoding(items: tuple[bytes, ...]) -> int:
    """Gas of the batch's own call data."""
    data = calls.call_data(INFER_BATCH, bytes(20), items)
    return PRICES.hash_word_gas * abi.words(len(data))


class TestBatch:
    def test_items_are_answered_in_order(self) -> None:
        state, model = new_state(), mlp()
        address = deploy(state, model)
        items = (bytes(range(ROW)), bytes(2 * ROW), bytes([255]) * ROW)
        computation = send(state, INFERENCE_ADDRESS, calls.call_data(INFER_BATCH, address, items))
        (outputs,) = eth_abi_decode(("bytes[]",), computation.output)
        assert outputs == tuple(answer(model, item, len(item) // ROW).output for item in items)
        assert [record.call_index for record in state.inference.records] == [0, 1, 2]
        assert computation.get_gas_used() == state.inference.total_gas + decoding(items)

    def test_an_empty_batch_answers_an_empty_array(self) -> None:
        state = new_state()
        computation = send(state, INFERENCE_ADDRESS, calls.call_data(INFER_BATCH, CALLER, ()))
        assert eth_abi_decode(("bytes[]",), computation.output) == ((),)

    def test_a_failing_item_keeps_earlier_records_and_reverts_the_rest(self) -> None:
        state = new_state()
        address = deploy(state, ranged())
        items = (bytes(ROW), bytes([99]) * ROW, bytes(ROW))
        computation = send(state, INFERENCE_ADDRESS, calls.call_data(INFER_BATCH, address, items))
        assert computation.output == abi.encode_error("InferenceFailed(uint16)", (503,))
        (record,) = state.inference.records
        assert computation.get_gas_used() == record.gas + ACCESS + PRICES.word_gas + decoding(items)
        assert not state.inference.is_loaded(state, address)

    def test_an_item_that_cannot_be_paid_halts_the_frame(self) -> None:
        state = new_state()
        address = deploy(state, mlp())
        call = calls.call_data(INFER_BATCH, address, (bytes(ROW), bytes(ROW)))
        needed = send(state, INFERENCE_ADDRESS, call).get_gas_used()
        for gas, finished in ((needed - 1, 1), (ACCESS, 0), (50, 0)):
            state.inference.records.clear()
            state.begin()
            computation = send(state, INFERENCE_ADDRESS, call, gas=gas)
            assert isinstance(computation.error, OutOfGas)
            assert len(state.inference.records) == finished


def test_a_short_gas_allowance_fails_the_call_but_not_the_caller() -> None:
    state = new_state()
    address = deploy(state, mlp())
    data = calls.call_data(INFER, address, bytes(ROW))
    assert forward(state, "STATICCALL", data, keep_gas=ACCESS) == bytes(WORD)


def test_a_delegation_to_the_precompile_runs_empty_code() -> None:
    state, account = new_state(), b"\x77" * 20
    address = deploy(state, mlp())
    state.set_code(Address(account), b"\xef\x01\x00" + INFERENCE_ADDRESS)
    data = calls.call_data(INFER, address, bytes(ROW))
    code = asm(
        "CALLDATASIZE", 0, 0, "CALLDATACOPY",
        0, 0, "CALLDATASIZE", 0, 0, int.from_bytes(account, "big"), "GAS", "CALL",
        0, "MSTORE", "RETURNDATASIZE", WORD, "MSTORE", 64, 0, "RETURN",
    )  # fmt: skip
    output = send(state, CONTRACT, data, code=code).output
    assert output == (1).to_bytes(WORD, "big") + bytes(WORD)
    assert state.inference.records == []
