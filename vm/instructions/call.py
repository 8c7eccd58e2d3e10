"""One inference call, from its first gas to its output: shared by opcodes and precompile.

The order is consensus: base and access, the model's status, the input's size, the input words,
the input's ranges, then everything else and the author fee, then the model runs. A failure is an
outcome with an ABI-encoded error; a halt raises out of gas; a local fault escapes.
"""

from __future__ import annotations

from dataclasses import dataclass

from eth.abc import ComputationAPI
from eth.exceptions import OutOfGas

from ai_ops.errors import InvalidInput
from ai_ops.executor import check_input
from vm import abi, gas
from vm.inference import InferenceLedger, ledger_of
from vm.registry import facts
from vm.registry.facts import Terms
from vm.registry.state import config_of, registry_of

MODEL_NOT_CALLABLE = "ModelNotCallable(address,uint8)"
INPUT_SIZE = "InputSize(uint256,uint256)"
INFERENCE_FAILED = "InferenceFailed(uint16)"


class CallFailure(Exception):
    """The call does not start; `error` is the ABI-encoded error for the return data."""

    def __init__(self, error: bytes) -> None:
        super().__init__(error.hex())
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class DataObject:
    """A listed data object that serves as the input; `size` in bytes."""

    data_id: bytes
    size: int


def open_call(computation: ComputationAPI, model: bytes, *, data: bool = False) -> Terms:
    """Charge base and access and return the terms of a callable model.

    Raises
    ------
    CallFailure
        ``ModelNotCallable`` when the model is unknown, in creation or rejected.
    """
    prices = config_of(computation.state).prices
    computation.consume_gas(gas.access_gas(prices, data=data), reason="inference access")
    terms = facts.terms(registry_of(computation.state), model)
    if not isinstance(terms, Terms):
        raise CallFailure(abi.encode_error(MODEL_NOT_CALLABLE, (model, int(terms))))
    return terms


def units_of(terms: Terms, size: int) -> int:
    """Return n for an input of `size` bytes.

    Raises
    ------
    CallFailure
        ``InputSize`` when no n has that size; it names the size for n = 1.
    """
    n = terms.units(size)
    if n is None:
        raise CallFailure(abi.encode_error(INPUT_SIZE, (size, terms.input_size(1))))
    return n


def execute(
    computation: ComputationAPI, terms: Terms, content: bytes, data: DataObject | None = None
) -> bytes:
    """Charge the rest, run the model on an input of legal size and return its output.

    Raises
    ------
    CallFailure
        ``InferenceFailed`` when a declared input range is left.
    OutOfGas
        When price or author fee cannot be paid; nothing was drawn or recorded.
    """
    state = computation.state
    ledger = ledger_of(state)
    n = units_of(terms, len(content))
    price = quote(computation, terms, n, data)
    computation.consume_gas(price.input_words, reason="inference input")
    _check_ranges(computation, ledger, terms, content, n)
    computation.consume_gas(
        price.computation + price.output_words + price.cold_load, reason="inference"
    )
    if terms.fee:
        _draw_fee(computation, ledger, terms)
    ledger.mark_loaded(state, terms.model)
    if data is not None:
        ledger.mark_loaded(state, data.data_id)
    return ledger.run(state, terms.model, content, n, price)


def quote(
    computation: ComputationAPI, terms: Terms, n: int, data: DataObject | None = None
) -> gas.Price:
    """Price a call now, given what this transaction has loaded already."""
    state = computation.state
    ledger = ledger_of(state)
    cold = 0 if ledger.is_loaded(state, terms.model) else terms.load_q16
    prices = config_of(state).prices
    if data is not None and not ledger.is_loaded(state, data.data_id):
        cold += gas.data_load_q16(data.size, prices)
    return gas.price(terms, n, cold, prices, data=data is not None)


def total_price(computation: ComputationAPI, model: bytes, size: int) -> int:
    """Return price plus author fee of an INFER now; 0 when it could not start."""
    terms = facts.terms(registry_of(computation.state), model)
    if not isinstance(terms, Terms):
        return 0
    n = terms.units(size)
    return 0 if n is None else quote(computation, terms, n).total


def _check_ranges(
    computation: ComputationAPI, ledger: InferenceLedger, terms: Terms, content: bytes, n: int
) -> None:
    manifest = ledger.models.manifest(registry_of(computation.state), terms.model)
    try:
        check_input(manifest, content, n)
    except InvalidInput as error:
        raise CallFailure(abi.encode_error(INFERENCE_FAILED, (error.code,))) from error


def _draw_fee(computation: ComputationAPI, ledger: InferenceLedger, terms: Terms) -> None:
    if not ledger.may_draw(terms.fee):
        raise OutOfGas(f"author fee of {terms.fee} exceeds what the transaction may still draw")
    computation.consume_gas(terms.fee, reason="author fee")
    payee = facts.payee(registry_of(computation.state), terms.model)
    ledger.draw(computation.state, payee, terms.fee)
