"""Gas: every boundary of a call, and what the default prices must leave room for."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from eth.exceptions import OutOfGas

from ai_ops.cost import COST_CLASSES, Cost
from ai_ops.dtype import DType
from ai_ops.graph import Graph, Model
from ai_ops.model import build_model, encode_model
from ai_ops.operators import make_node
from tests.ai_ops.models import mlp, port
from tests.support.inference import (
    AUTHOR,
    BLOCK,
    CONTRACT,
    InferenceState,
    asm,
    deploy,
    new_state,
    registry,
    send,
)
from tests.support.inference_models import ROW, ranged
from vm import gas
from vm.instructions.contract import INFER
from vm.opcodes import OPCODES, PRECOMPILES
from vm.prices import InferencePrices
from vm.registry import calls, facts, layout
from vm.registry.codes import RegistryFault
from vm.registry.layout import INFERENCE_ADDRESS
from vm.registry.state import registry_of

PRICES = InferencePrices()
FEE = 1_234
DELAY = 10
# Five pushes before the instruction, and one more word of memory for its output.
PUSHES = 5 * 3
MEMORY = 3


def clamps(count: int) -> Model:
    """A model without weights: `count` operators, each on the result of the one before."""
    limits = {"minimum": -128, "maximum": 127}
    nodes = tuple(make_node("CLAMP", (at,), **limits) for at in range(count))
    return build_model(
        name="clamps",
        inputs=(port("x", DType.I8, (ROW,)),),
        outputs=(port("y", DType.I8, (ROW,)),),
        graph=Graph(weights=(), nodes=nodes, outputs=(count,)),
        weights=b"",
    )


def charging() -> tuple[InferenceState, bytes]:
    state = new_state(fee_change_delay_blocks=DELAY)
    address = deploy(state, ranged())
    registry(state, calls.SET_FEE, address, FEE, sender=AUTHOR).raise_if_error()
    state.move_to_block(BLOCK + DELAY)
    state.begin()
    return state, address


def boundaries(state: InferenceState, address: bytes) -> dict[str, int]:
    """Gas that reaches the end of each step of an INFER on one row."""
    terms = facts.terms(registry_of(state), address)
    assert isinstance(terms, facts.Terms)
    price = gas.price(terms, 1, terms.load_q16, PRICES, data=False)
    steps = {
        "pushes": PUSHES,
        "memory": MEMORY,
        "access": price.access,
        "input words": price.input_words,
        "computation": price.computation + price.output_words + price.cold_load,
        "fee": FEE,
    }
    total, reached = 0, {}
    for name, cost in steps.items():
        total += cost
        reached[name] = total
    return reached


@pytest.mark.parametrize("step", ["pushes", "memory", "access", "input words", "computation"])
@pytest.mark.parametrize("off", [-1, 0, 1])
def test_gas_that_ends_at_any_step_before_the_last_halts(step: str, off: int) -> None:
    state, address = charging()
    code = asm(0, 0, ROW, 0, int.from_bytes(address, "big"), "INFER")
    allowed = boundaries(state, address)[step] + off
    computation = send(state, CONTRACT, code=code, gas=allowed)
    assert isinstance(computation.error, OutOfGas)
    assert computation.get_gas_used() == allowed
    ledger = state.inference
    assert (ledger.records, ledger.drawn, ledger.credited(state)) == ([], 0, ())
    assert not ledger.is_loaded(state, address)


def test_exactly_enough_is_enough_and_one_less_is_not() -> None:
    for off, success in ((-1, False), (0, True)):
        state, address = charging()
        code = asm(0, 0, ROW, 0, int.from_bytes(address, "big"), "INFER")
        computation = send(state, CONTRACT, code=code, gas=boundaries(state, address)["fee"] + off)
        assert computation.is_success is success
        assert len(state.inference.records) == int(success)
        assert state.inference.drawn == (FEE if success else 0)


@pytest.mark.parametrize(("content", "step"), [(bytes([99]), "input words"), (b"", "access")])
def test_a_failure_needs_only_what_it_charges(content: bytes, step: str) -> None:
    for off, success in ((-1, False), (0, True)):
        state, address = charging()
        size = ROW if content else 1
        # One byte of the input is out of range, or the size is illegal.
        store = (99, 0, "MSTORE8") if content else (0, 0, "MSTORE8")
        code = asm(*store, 0, 0, size, 0, int.from_bytes(address, "big"), "INFER")
        allowed = boundaries(state, address)[step] + 3 * 3 + off
        assert send(state, CONTRACT, code=code, gas=allowed).is_success is success
        assert state.inference.records == []


def test_every_cost_class_has_a_price() -> None:
    assert sorted(COST_CLASSES) == [name for name, _ in PRICES.cost_class_q16]


def test_64_tokens_of_a_model_of_135_million_parameters_fit_2_to_the_23() -> None:
    """SmolLM2-135M: 30 layers, width 576, hidden width 1,536, 49,152 tokens; 64 at once."""
    parameters, layers, width, hidden, vocabulary, tokens = 135_000_000, 30, 576, 1_536, 49_152, 64
    elements = layers * (10 * width + 3 * hidden) + vocabulary
    counts = dict.fromkeys(COST_CLASSES, (0, 0, 0)) | {
        "steps": (2 * layers * 30, 0, 0),
        "mac_gemm": (0, parameters, 0),
        "mac_general": (0, 0, 2 * layers * width),
        "weight_bytes": (parameters, 0, 0),
        "element_heavy": (0, elements, 9 * layers),
        "rows": (0, 8 * 7 * layers, 0),
        "element_cheap": (0, elements, 0),
        "digest_bytes": (0, 2 * elements, 9 * layers),
    }
    a, b, c = gas.coefficients(Cost(counts=counts), PRICES)
    needed = gas.fraction_gas(a + b * tokens + c * tokens * tokens)
    cold = gas.model_load_q16(parameters, 1_500_000, 1_500, PRICES)
    assert needed + gas.fraction_gas(cold) + 20_000 <= 2**23


@pytest.mark.parametrize("operators", [1, 2, 300])
def test_a_cold_load_costs_700_gas_an_operator_more_than_the_same_call_loaded(
    operators: int,
) -> None:
    model, state = clamps(operators), new_state()
    address = deploy(state, model)
    call = calls.call_data(INFER, address, bytes(ROW))
    cold, loaded = (
        send(state, INFERENCE_ADDRESS, call, gas=2**24).get_gas_used() for _ in range(2)
    )
    head = len(encode_model(model))
    assert cold - loaded == 700 * operators + -(-head * 16_384 // 2**16)
    assert [record.gas for record in state.inference.records] == [cold, loaded]


def test_the_load_in_the_call_word_counts_weights_head_and_items() -> None:
    state, model = new_state(), mlp()
    terms = facts.terms(registry_of(state), deploy(state, model))
    assert isinstance(terms, facts.Terms)
    weights = len(model.weights)
    head = len(encode_model(model)) - weights
    # Two weights and two operators.
    assert terms.load_q16 == weights * 1_311 + head * 16_384 + 4 * 700 * 2**16


def test_a_load_is_priced_by_the_chains_own_prices() -> None:
    prices = dataclasses.replace(
        PRICES, cold_load_byte_q16=0, cold_load_head_byte_q16=0, cold_load_item_gas=11
    )
    state = new_state(prices=prices)
    terms = facts.terms(registry_of(state), deploy(state, mlp()))
    assert isinstance(terms, facts.Terms)
    assert terms.load_q16 == 4 * 11 * 2**16


def test_a_load_beyond_its_field_rejects_the_model() -> None:
    state = new_state(prices=dataclasses.replace(PRICES, cold_load_item_gas=2**38))
    address = deploy(state, mlp())
    assert facts.status(registry_of(state), address) == facts.Status.REJECTED
    report = registry_of(state).word(address, layout.REPORT)
    assert layout.unpack(layout.REPORT_FIELDS, report)["code"] == RegistryFault.COST


def test_the_tables_and_the_page_name_the_same_instructions() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "spec" / "04-instructions.md"
    text = page.read_text(encoding="utf-8")
    for code, opcode in OPCODES.items():
        assert f"| `{code:#x}` | {opcode.mnemonic} |" in text
    assert 0xC3 not in OPCODES
    for address in PRECOMPILES:
        assert any(address.hex() in p.read_text() for p in page.parent.glob("0[46]-*.md"))
