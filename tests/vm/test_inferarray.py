"""INFERARRAY: the input comes from Solidity's storage layouts, paid slot by slot."""

from __future__ import annotations

import pytest
from eth.exceptions import OutOfGas
from eth_hash.auto import keccak
from eth_typing import Address

from tests.ai_ops.models import mlp
from tests.support.inference import CONTRACT, InferenceState, asm, deploy, new_state, send
from tests.support.inference_models import ROW, answer, ranged
from vm import abi

WORD = 32
SLOT = 7
COLD, WARM = 2_100, 100
PRICES = new_state().vm_config.prices
ACCESS = PRICES.base_gas + PRICES.access_gas
OTHER = b"\x0e" * 20


def data_slot(index: int) -> int:
    return int.from_bytes(keccak(SLOT.to_bytes(WORD, "big")), "big") + index


def store_bytes(state: InferenceState, data: bytes, address: bytes = CONTRACT) -> None:
    """Store Solidity `bytes`, as solc 0.8 lays them out."""
    if len(data) <= 31:
        header = int.from_bytes(data.ljust(WORD, b"\0"), "big") | len(data) * 2
    else:
        header = len(data) * 2 + 1
        for index in range(abi.words(len(data))):
            word = data[index * WORD : (index + 1) * WORD].ljust(WORD, b"\0")
            state.set_storage(Address(address), data_slot(index), int.from_bytes(word, "big"))
    state.set_storage(Address(address), SLOT, header)
    state.begin()


def store_packed(state: InferenceState, data: bytes) -> None:
    """Store Solidity `int8[]`: the length, then elements from the lowest byte of each slot."""
    state.set_storage(Address(CONTRACT), SLOT, len(data))
    for index in range(abi.words(len(data))):
        word = int.from_bytes(data[index * WORD : (index + 1) * WORD], "little")
        state.set_storage(Address(CONTRACT), data_slot(index), word)
    state.begin()


def array_code(model: bytes, layout: int, slot: int = SLOT, out_size: int = 0) -> bytes:
    return asm(
        out_size, 0, layout, slot, int.from_bytes(model, "big"), "INFERARRAY",
        0, "MSTORE", "RETURNDATASIZE", 0, WORD, "RETURNDATACOPY",
        "RETURNDATASIZE", WORD, "ADD", 0, "RETURN",
    )  # fmt: skip


def instruction_gas(state: InferenceState, model: bytes, layout: int) -> tuple[int, bytes]:
    """Gas of the instruction alone, and the return data."""
    code = array_code(model, layout)
    idle = code.replace(asm("INFERARRAY"), asm("POP", "POP", "POP", "POP"))
    computation = send(state, CONTRACT, code=code)
    computation.raise_if_error()
    size = len(computation.output)
    spent = computation.get_gas_used() - send(state, CONTRACT, code=idle).get_gas_used() + 4 * 2
    # Returning more than one word costs expansion and copying, which is not the instruction's.
    words = abi.words(size)
    idle_words = abi.words(WORD + 0)
    copied = 3 * abi.words(size - WORD)
    return spent - 3 * (words - idle_words) - copied, computation.output


@pytest.mark.parametrize("rows", [1, 3, 4])
@pytest.mark.parametrize("layout", [0, 1])
def test_both_layouts_feed_the_same_bytes(rows: int, layout: int) -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    data = bytes(range(1, rows * ROW + 1))
    (store_packed if layout else store_bytes)(state, data)
    computation = send(state, CONTRACT, code=array_code(address, layout))
    assert computation.output == (1).to_bytes(WORD, "big") + answer(model, data, rows).output
    assert state.inference.inputs == [data]


@pytest.mark.parametrize(
    ("layout", "size", "slots"), [(0, ROW, 0), (0, 4 * ROW, 1), (1, ROW, 1), (1, 4 * ROW, 1)]
)
def test_slots_are_charged_cold_then_warm(layout: int, size: int, slots: int) -> None:
    state = new_state()
    address = deploy(state, mlp())
    (store_packed if layout else store_bytes)(state, bytes(size))
    cold, _ = instruction_gas(state, address, layout)
    first = state.inference.records[0].gas
    assert cold == first + COLD * (1 + slots)
    warm, _ = instruction_gas(state, address, layout)
    second = state.inference.records[1].gas
    assert warm == second + WARM * (1 + slots)


def test_the_slots_are_the_ones_that_sload_knows() -> None:
    state = new_state()
    address = deploy(state, mlp())
    store_bytes(state, bytes(4 * ROW))
    send(state, CONTRACT, code=array_code(address, 0)).raise_if_error()
    for slot in (SLOT, data_slot(0)):
        assert state.is_storage_warm(Address(CONTRACT), slot)
    load = asm(data_slot(0), "SLOAD", "POP")
    assert send(state, CONTRACT, code=load).get_gas_used() == WARM + 3 + 2


FAILED = "InferenceFailed(uint16)"
SIZE = "InputSize(uint256,uint256)"
CASES = {
    # name: (layout, header, gas of slots, error)
    "layout above 1": (2, 0, 0, abi.encode_error(FAILED, (601,))),
    "huge layout": (2**255, 0, 0, abi.encode_error(FAILED, (601,))),
    "short form too long": (0, 32 * 2, COLD, abi.encode_error(FAILED, (602,))),
    "short form far too long": (0, 0xFE, COLD, abi.encode_error(FAILED, (602,))),
    "long form too short": (0, 31 * 2 + 1, COLD, abi.encode_error(FAILED, (602,))),
    "empty bytes": (0, 0, COLD, abi.encode_error(SIZE, (0, ROW))),
    "short illegal size": (0, 9 * 2, COLD, abi.encode_error(SIZE, (9, ROW))),
    "long illegal size": (0, 2**255 + 1, COLD, abi.encode_error(SIZE, (2**254, ROW))),
    "empty array": (1, 0, COLD, abi.encode_error(SIZE, (0, ROW))),
    "huge array": (1, 2**256 - 1, COLD, abi.encode_error(SIZE, (2**256 - 1, ROW))),
}


@pytest.mark.parametrize("case", CASES)
def test_input_failures(case: str) -> None:
    layout, header, slots, error = CASES[case]
    state = new_state()
    address = deploy(state, mlp())
    state.set_storage(Address(CONTRACT), SLOT, header)
    state.begin()
    code = array_code(address, layout)
    computation = send(state, CONTRACT, code=code)
    assert computation.output == bytes(WORD) + error
    spent, _ = instruction_gas(new_failing(header), address, layout)
    assert spent == ACCESS + slots
    assert state.inference.records == []


def new_failing(header: int) -> InferenceState:
    state = new_state()
    deploy(state, mlp())
    state.set_storage(Address(CONTRACT), SLOT, header)
    state.begin()
    return state


def test_an_unknown_model_reads_no_slot() -> None:
    state = new_failing(16)
    spent, output = instruction_gas(state, b"\x66" * 20, 0)
    assert output[WORD:] == abi.encode_error("ModelNotCallable(address,uint8)", (b"\x66" * 20, 0))
    assert spent == ACCESS
    assert not state.is_storage_warm(Address(CONTRACT), SLOT)


def test_out_of_range_charges_slots_and_words() -> None:
    state = new_state()
    address = deploy(state, ranged())
    store_bytes(state, bytes([99]) * 4 * ROW)
    spent, output = instruction_gas(state, address, 0)
    assert output[WORD:] == abi.encode_error(FAILED, (503,))
    assert spent == ACCESS + 2 * COLD + PRICES.word_gas


def test_data_slots_are_all_charged_before_the_halt_undoes_them() -> None:
    state = new_state()
    address = deploy(state, mlp())
    store_bytes(state, bytes(4 * ROW))
    gas = ACCESS + COLD + COLD + 20
    computation = send(state, CONTRACT, code=array_code(address, 0), gas=gas - 10)
    assert isinstance(computation.error, OutOfGas)
    assert not state.is_storage_warm(Address(CONTRACT), SLOT)


def test_delegated_code_reads_the_storage_of_its_context() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    data = bytes(range(ROW))
    store_bytes(state, data)
    store_bytes(state, bytes(ROW), OTHER)
    state.set_code(Address(OTHER), array_code(address, 0))
    code = asm(
        0, 0, 0, 0, int.from_bytes(OTHER, "big"), "GAS", "DELEGATECALL", "POP",
        "RETURNDATASIZE", 0, 0, "RETURNDATACOPY", "RETURNDATASIZE", 0, "RETURN",
    )  # fmt: skip
    assert send(state, CONTRACT, code=code).output[WORD:] == answer(model, data).output
