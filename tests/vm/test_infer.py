"""INFER: memory in, memory out, and what every outcome leaves behind."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from eth.abc import ComputationAPI
from eth.exceptions import InsufficientStack, OutOfGas

from ai_ops.model import encode_model
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
from vm.records import content_digest, steps_root
from vm.registry import calls, facts
from vm.registry.state import registry_of

WORD = 32
MARKER = 0xEE
PRICES = new_state().vm_config.prices
ACCESS = PRICES.base_gas + PRICES.access_gas


def number(address: bytes) -> int:
    return int.from_bytes(address, "big")


def infer_code(
    model: int, in_size: int, out_size: int = 0, in_offset: int = 0, out_offset: int = 0
) -> bytes:
    """Copy the call data to memory 0 and run INFER; answer success ‖ return data."""
    return asm(
        "CALLDATASIZE", 0, 0, "CALLDATACOPY",
        out_size, out_offset, in_size, in_offset, model, "INFER",
        0, "MSTORE", "RETURNDATASIZE", 0, WORD, "RETURNDATACOPY",
        "RETURNDATASIZE", WORD, "ADD", 0, "RETURN",
    )  # fmt: skip


def memory_code(model: int, in_size: int, out_offset: int, out_size: int, shown: int) -> bytes:
    """Run INFER on memory 0 after filling 128 bytes with a marker; answer the memory."""
    fill = [part for at in range(128) for part in (MARKER, at, "MSTORE8")]
    return asm(
        *fill, "CALLDATASIZE", 0, 0, "CALLDATACOPY",
        out_size, out_offset, in_size, 0, model, "INFER", "POP", shown, 0, "RETURN",
    )  # fmt: skip


def failure(signature: str, *values: abi.Value) -> bytes:
    return bytes(WORD) + abi.encode_error(signature, values)


def test_success_pushes_one_and_returns_the_whole_output() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    data = bytes(range(2 * ROW))
    computation = send(state, CONTRACT, data, code=infer_code(number(address), 16))
    expected = answer(model, data, 2)
    assert computation.output == (1).to_bytes(WORD, "big") + expected.output
    (record,) = state.inference.records
    assert record.model == address
    assert record.input_digest == content_digest(data)
    assert record.output_digest == content_digest(expected.output)
    assert record.steps_root == steps_root(expected.step_digests)
    assert state.inference.step_digests == [expected.step_digests]
    assert state.inference.inputs == [data]
    assert state.inference.total_gas == record.gas
    # memory stays within the call data's word: opcodes aside, the frame pays the record's gas
    assert computation.get_gas_used() > record.gas > ACCESS


def test_the_address_operand_is_masked() -> None:
    state = new_state()
    dirty = number(deploy(state, mlp())) | (0xDEAD << 160)
    computation = send(state, CONTRACT, bytes(ROW), code=infer_code(dirty, ROW))
    assert computation.output[WORD - 1] == 1


@pytest.mark.parametrize("out_size", [0, 1, 4, 8, 40])
def test_memory_gets_min_of_size_and_length_and_the_rest_is_untouched(out_size: int) -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    data = bytes(range(16))
    output = answer(model, data, 2).output
    code = memory_code(number(address), 16, 64, out_size, 128)
    shown = send(state, CONTRACT, data, code=code).output
    written = min(out_size, len(output))
    assert shown == (
        data + bytes([MARKER]) * 48 + output[:written] + bytes([MARKER]) * (64 - written)
    )


def test_the_input_is_copied_before_the_output_is_written() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    data = bytes(range(16))
    shown = send(state, CONTRACT, data, code=memory_code(number(address), 16, 0, 8, 16)).output
    assert shown == answer(model, data, 2).output + data[8:]


FAILURES: dict[str, tuple[Callable[[InferenceState], bytes], bytes, Callable[[bytes], bytes]]] = {
    "unknown": (
        lambda _: b"\x77" * 20,
        bytes(ROW),
        lambda address: failure("ModelNotCallable(address,uint8)", address, 0),
    ),
    "created": (
        lambda state: create(state, encode_model(mlp())),
        bytes(ROW),
        lambda address: failure("ModelNotCallable(address,uint8)", address, 1),
    ),
    "rejected": (
        lambda state: deploy(state, b"\xc0" * 99),
        bytes(ROW),
        lambda address: failure("ModelNotCallable(address,uint8)", address, 4),
    ),
    "empty input": (
        lambda state: deploy(state, mlp()),
        b"",
        lambda _: failure("InputSize(uint256,uint256)", 0, ROW),
    ),
    "no whole unit": (
        lambda state: deploy(state, mlp()),
        bytes(ROW + 1),
        lambda _: failure("InputSize(uint256,uint256)", ROW + 1, ROW),
    ),
    "too many units": (
        lambda state: deploy(state, mlp()),
        bytes(5 * ROW),
        lambda _: failure("InputSize(uint256,uint256)", 5 * ROW, ROW),
    ),
    "out of range": (
        lambda state: deploy(state, ranged()),
        bytes([11] * ROW),
        lambda _: failure("InferenceFailed(uint16)", 503),
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failure_pushes_zero_and_names_its_reason(case: str) -> None:
    prepare, data, expected = FAILURES[case]
    state = new_state()
    address = prepare(state)
    computation = send(
        state, CONTRACT, data, code=infer_code(number(address), len(data), out_offset=0)
    )
    computation.raise_if_error()
    assert computation.output == expected(address)
    assert (state.inference.records, state.inference.total_gas) == ([], 0)
    assert state.inference.drawn == 0
    assert not state.inference.is_loaded(state, address)


@pytest.mark.parametrize("case", FAILURES)
def test_failure_charges_base_and_access_and_leaves_memory_alone(case: str) -> None:
    prepare, data, _ = FAILURES[case]
    state = new_state()
    address = prepare(state)
    code = memory_code(number(address), len(data), 64, 64, 128)
    failed = send(state, CONTRACT, data, code=code)
    assert failed.output[64:] == bytes([MARKER]) * 64
    # The same frame without the instruction: POP takes one operand away instead of five.
    idle = send(
        state, CONTRACT, data, code=code.replace(asm("INFER"), asm("POP", "POP", "POP", "POP"))
    )
    words = PRICES.word_gas if case == "out of range" else 0
    assert failed.get_gas_used() - idle.get_gas_used() == ACCESS + words - 4 * 2


def test_halts_leave_nothing_behind() -> None:
    state = new_state()
    address = deploy(state, mlp())
    code = infer_code(number(address), ROW)
    needed = send(state, CONTRACT, bytes(ROW), code=code).get_gas_used()
    state.inference.records.clear()
    state.begin()
    short = send(state, CONTRACT, bytes(ROW), code=code, gas=ACCESS + 100)
    assert isinstance(short.error, OutOfGas)
    assert short.get_gas_used() == ACCESS + 100
    assert state.inference.records == []
    assert not state.inference.is_loaded(state, address)
    assert send(state, CONTRACT, bytes(ROW), code=code, gas=needed).is_success


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (asm(1, 2, 3, 4, "INFER"), InsufficientStack),
        (infer_code(1, 2**64), OutOfGas),
        (infer_code(1, 8, out_size=2**200), OutOfGas),
        (infer_code(1, 8, in_offset=2**255), OutOfGas),
        (infer_code(1, 8, out_size=1, out_offset=2**255), OutOfGas),
    ],
)
def test_underflow_and_unpayable_memory_halt(code: bytes, error: type[Exception]) -> None:
    computation: ComputationAPI = send(new_state(), CONTRACT, bytes(ROW), code=code)
    assert isinstance(computation.error, error)
    assert computation.get_gas_remaining() == 0


def test_zero_sized_ranges_expand_no_memory() -> None:
    state = new_state()
    code = infer_code(1, 0, in_offset=2**255, out_offset=2**255)
    assert send(state, CONTRACT, code=code).is_success


def test_inference_is_allowed_in_a_static_call() -> None:
    state = new_state()
    address = deploy(state, mlp())
    code = infer_code(number(address), ROW)
    assert send(state, CONTRACT, bytes(ROW), code=code, static=True).output[WORD - 1] == 1


def test_a_deprecated_model_still_answers() -> None:
    state = new_state()
    address = deploy(state, mlp())
    registry(state, calls.DEPRECATE, address, sender=b"\xa1" * 20).raise_if_error()
    assert facts.status(registry_of(state), address) == facts.Status.DEPRECATED
    computation = send(state, CONTRACT, bytes(ROW), code=infer_code(number(address), ROW))
    assert computation.output[WORD - 1] == 1


def test_the_second_call_of_a_transaction_loads_nothing() -> None:
    state = new_state()
    address = deploy(state, mlp())
    code = infer_code(number(address), ROW)
    first = send(state, CONTRACT, bytes(ROW), code=code).get_gas_used()
    second = send(state, CONTRACT, bytes(ROW), code=code).get_gas_used()
    terms = facts.terms(registry_of(state), address)
    assert isinstance(terms, facts.Terms)
    cold = -(-terms.load_q16 // 2**16)
    assert first - second == cold > 0
    state.begin(index=1)
    assert send(state, CONTRACT, bytes(ROW), code=code).get_gas_used() == first


def test_the_loaded_set_is_undone_with_the_frame_but_records_stay() -> None:
    state = new_state()
    address = deploy(state, mlp())
    code = asm(0, 0, ROW, 0, number(address), "INFER", 0, 0, "REVERT")
    assert send(state, CONTRACT, code=code).is_error
    assert len(state.inference.records) == 1
    assert not state.inference.is_loaded(state, address)
