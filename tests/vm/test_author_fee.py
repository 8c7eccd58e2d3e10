"""The author fee: drawn for good, credited until a frame reverts, changed only after a delay."""

from __future__ import annotations

import pytest
from eth.exceptions import OutOfGas
from eth_abi.abi import decode as eth_abi_decode
from eth_typing import Address

from tests.ai_ops.models import mlp
from tests.support.inference import (
    AUTHOR,
    BLOCK,
    CALLER,
    CONTRACT,
    InferenceState,
    asm,
    deploy,
    new_state,
    registry,
    send,
)
from tests.support.inference_models import ROW, ranged
from vm import abi
from vm.instructions.contract import GAS_OF, INFER, INFER_BATCH
from vm.registry import calls, facts, layout
from vm.registry.layout import INFERENCE_ADDRESS
from vm.registry.state import registry_of

FEE = 5_000
PAYEE = b"\xfe" * 20
DELAY = 10


def charging(fee: int = FEE, payee: bytes = PAYEE) -> tuple[InferenceState, bytes]:
    """A state with one model whose fee and payee are in effect."""
    state = new_state(fee_change_delay_blocks=DELAY)
    address = deploy(state, ranged())
    registry(state, calls.SET_FEE, address, fee, sender=AUTHOR).raise_if_error()
    registry(state, calls.SET_PAYEE, address, payee, sender=AUTHOR).raise_if_error()
    state.move_to_block(BLOCK + DELAY)
    state.begin()
    return state, address


def infer(state: InferenceState, model: bytes, gas: int = 10**7, data: bytes = bytes(ROW)) -> int:
    call = calls.call_data(INFER, model, data)
    return send(state, INFERENCE_ADDRESS, call, gas=gas).get_gas_used()


def test_the_fee_is_drawn_and_credited_but_not_in_the_record() -> None:
    state, address = charging()
    spent = infer(state, address)
    (record,) = state.inference.records
    assert spent == record.gas + FEE
    assert state.inference.drawn == FEE
    assert state.inference.credited(state) == ((PAYEE, FEE),)
    infer(state, address)
    assert state.inference.drawn == 2 * FEE
    assert state.inference.credited(state) == ((PAYEE, 2 * FEE),)
    state.inference.end_transaction()
    state.begin(index=1)
    assert state.inference.drawn == 0
    assert state.inference.credited(state) == ()


def test_model_gas_includes_the_fee() -> None:
    state, address = charging()
    output = send(state, INFERENCE_ADDRESS, calls.call_data(GAS_OF, address, ROW)).output
    assert infer(state, address) == int.from_bytes(output, "big")


def test_a_reverted_frame_credits_nothing_but_stays_drawn() -> None:
    state, address = charging()
    code = asm(0, 0, ROW, 0, int.from_bytes(address, "big"), "INFER", 0, 0, "REVERT")
    send(state, CONTRACT, code=code)
    assert state.inference.drawn == FEE
    assert state.inference.credited(state) == ()
    assert len(state.inference.records) == 1


def test_only_the_reverted_part_of_the_credit_is_undone() -> None:
    state, address = charging()
    model = int.from_bytes(address, "big")
    inner = b"\x1e" * 20
    state.set_code(Address(inner), asm(0, 0, ROW, 0, model, "INFER", 0, 0, "REVERT"))
    code = asm(
        0, 0, ROW, 0, model, "INFER",
        0, 0, 0, 0, 0, int.from_bytes(inner, "big"), "GAS", "CALL", "STOP",
    )  # fmt: skip
    send(state, CONTRACT, code=code).raise_if_error()
    assert state.inference.drawn == 2 * FEE
    assert state.inference.credited(state) == ((PAYEE, FEE),)
    assert len(state.inference.records) == 2


def test_failures_and_halts_draw_nothing() -> None:
    state, address = charging()
    infer(state, address, data=b"x")
    infer(state, address, data=bytes([99]) * ROW)
    needed = infer(*charging())
    infer(state, address, gas=needed - 1)
    assert state.inference.drawn == 0
    assert state.inference.credited(state) == ()
    assert state.inference.records == []


@pytest.mark.parametrize(("room", "draws"), [(2 * FEE, 2), (2 * FEE - 1, 1), (FEE - 1, 0)])
def test_a_draw_beyond_the_gas_limit_less_the_floor_halts(room: int, draws: int) -> None:
    state, address = charging()
    state.begin(gas_limit=100_000, floor=100_000 - room)
    call = calls.call_data(INFER_BATCH, address, (bytes(ROW),) * 2)
    computation = send(state, INFERENCE_ADDRESS, call)
    assert computation.is_success is (draws == 2)
    if draws < 2:
        assert isinstance(computation.error, OutOfGas)
    assert state.inference.drawn == draws * FEE
    assert len(state.inference.records) == draws


def test_payees_are_listed_in_order_of_first_credit() -> None:
    state, one = charging()
    other = deploy(state, mlp(seed=9))
    registry(state, calls.SET_FEE, other, 7, sender=AUTHOR).raise_if_error()
    state.move_to_block(BLOCK + 2 * DELAY)
    state.begin()
    for model in (other, one, other):
        infer(state, model)
    assert state.inference.credited(state) == ((AUTHOR, 14), (PAYEE, FEE))


def test_a_free_model_credits_nobody() -> None:
    state, address = charging(fee=0)
    infer(state, address)
    assert state.inference.credited(state) == ()


class TestChanges:
    def test_they_wait_for_the_delay(self) -> None:
        state = new_state(fee_change_delay_blocks=DELAY)
        address = deploy(state, mlp())
        changed = registry(state, calls.SET_FEE, address, FEE, sender=AUTHOR)
        ((_, topics, data),) = changed.get_log_entries()
        assert topics == (abi.event_topic(calls.FEE_CHANGED), int.from_bytes(address, "big"))
        assert eth_abi_decode(("uint256", "uint256"), data) == (FEE, BLOCK + DELAY)
        for block, fee in ((BLOCK, 0), (BLOCK + DELAY - 1, 0), (BLOCK + DELAY, FEE)):
            state.move_to_block(block)
            assert facts.fee(registry_of(state), address) == fee

    def test_a_ripe_change_is_the_base_of_the_next_and_an_unripe_one_is_replaced(self) -> None:
        state = new_state(fee_change_delay_blocks=DELAY)
        address = deploy(state, mlp())
        for fee in (1, 2):
            registry(state, calls.SET_FEE, address, fee, sender=AUTHOR).raise_if_error()
        state.move_to_block(BLOCK + DELAY)
        assert facts.fee(registry_of(state), address) == 2
        registry(state, calls.SET_FEE, address, 3, sender=AUTHOR).raise_if_error()
        assert facts.fee(registry_of(state), address) == 2
        state.move_to_block(BLOCK + 2 * DELAY)
        assert facts.fee(registry_of(state), address) == 3

    def test_the_payee_changes_with_the_same_delay(self) -> None:
        state = new_state(fee_change_delay_blocks=DELAY)
        address = deploy(state, mlp())
        for payee in (PAYEE, CALLER):
            changed = registry(state, calls.SET_PAYEE, address, payee, sender=AUTHOR)
            ((_, topics, data),) = changed.get_log_entries()
            assert topics[0] == abi.event_topic(calls.PAYEE_CHANGED)
            assert data == abi.encode(("address", "uint256"), (payee, BLOCK + DELAY))
            assert facts.payee(registry_of(state), address) == AUTHOR
        state.move_to_block(BLOCK + DELAY)
        assert facts.payee(registry_of(state), address) == CALLER

    def test_the_author_may_hand_over(self) -> None:
        state = new_state()
        address = deploy(state, mlp())
        moved = registry(state, calls.TRANSFER_AUTHOR, address, CALLER, sender=AUTHOR)
        ((_, topics, data),) = moved.get_log_entries()
        values = tuple(int.from_bytes(value, "big") for value in (address, AUTHOR, CALLER))
        assert (topics, data) == ((abi.event_topic(calls.AUTHOR_TRANSFERRED), *values), b"")
        identity = facts.identity(registry_of(state), address)
        assert identity is not None
        assert identity.author == CALLER
        assert facts.payee(registry_of(state), address) == AUTHOR
        assert registry(state, calls.SET_FEE, address, 1, sender=AUTHOR).is_error
        assert registry(state, calls.SET_FEE, address, 1, sender=CALLER).is_success

    @pytest.mark.parametrize(
        "call",
        [
            (calls.SET_FEE, 1),
            (calls.SET_PAYEE, CALLER),
            (calls.TRANSFER_AUTHOR, CALLER),
            (calls.DEPRECATE,),
        ],
    )
    def test_nobody_else_may(self, call: tuple[str, *tuple[int | bytes, ...]]) -> None:
        state = new_state()
        address = deploy(state, mlp())
        signature, *values = call
        for model, sentence in (
            (address, "only the author may do this"),
            (b"\1" * 20, "the model does not exist"),
        ):
            output = registry(state, signature, model, *values, sender=CALLER).output
            assert output == abi.revert_reason(sentence)

    def test_a_fee_beyond_64_bits_is_refused(self) -> None:
        state = new_state()
        address = deploy(state, mlp())
        output = registry(state, calls.SET_FEE, address, 2**64, sender=AUTHOR).output
        assert output == abi.revert_reason("the fee does not fit 64 bits")

    def test_a_deprecated_model_cannot_be_deprecated_again(self) -> None:
        state = new_state()
        address = deploy(state, mlp())
        gone = registry(state, calls.DEPRECATE, address, sender=AUTHOR)
        ((_, topics, _),) = gone.get_log_entries()
        assert topics == (
            abi.event_topic(calls.MODEL_DEPRECATED),
            int.from_bytes(address, "big"),
        )
        output = registry(state, calls.DEPRECATE, address, sender=AUTHOR).output
        assert output == abi.revert_reason("the model is not active")
        word = registry_of(state).word(address, layout.CALL)
        assert layout.unpack(layout.CALL_FIELDS, word)["load_q16"] > 0
