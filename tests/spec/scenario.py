"""Run the cases of the instruction, registry and record vectors.

A case prepares a state (models deployed by AUTHOR, data objects, storage of CONTRACT), then makes
message calls. Each call says what it expects: outcome, output, gas, records, draws, events and
the registry words it writes. `docs/spec/04-instructions.md` describes the format.
"""

from __future__ import annotations

from typing import Any

from eth.abc import ComputationAPI
from eth_typing import Address

from tests.support.inference import (
    AUTHOR,
    CALLER,
    CONTRACT,
    GAS,
    InferenceState,
    deploy,
    new_state,
    registry,
    send,
)
from vm.records import encode_record
from vm.registry import calls
from vm.registry.layout import REGISTRY_ADDRESS

Case = dict[str, Any]
FEE_DELAY = 10


class RecordingState(InferenceState):
    """Remembers which registry words a call wrote."""

    writes: dict[int, int]

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        super().set_storage(address, slot, value)
        if address == REGISTRY_ADDRESS:
            self.writes[slot] = value


def prepare(case: Case, models: dict[str, str]) -> RecordingState:
    """Build the state before the first call."""
    state = RecordingState(new_state(fee_change_delay_blocks=FEE_DELAY).vm_config)
    state.writes = {}
    for name in case.get("models", ()):
        deploy(state, bytes.fromhex(models[name]))
    for content in case.get("data", ()):
        registry(state, calls.PUT_DATA, bytes.fromhex(content)).raise_if_error()
    for slot, value in case.get("storage", {}).items():
        state.set_storage(Address(CONTRACT), int(slot, 16), int(value, 16))
    for account, code in case.get("accounts", {}).items():
        state.set_code(Address(bytes.fromhex(account)), bytes.fromhex(code))
    state.set_balance(Address(CALLER), 10**18)
    return state


def run(case: Case, models: dict[str, str]) -> list[dict[str, Any]]:
    """Make the calls of a case and return what each of them did."""
    state = prepare(case, models)
    state.begin()
    return [_call(state, call) for call in case["calls"]]


def _call(state: RecordingState, call: dict[str, Any]) -> dict[str, Any]:
    if "block" in call:
        state.move_to_block(call["block"])
    if "transaction" in call:
        place = call["transaction"]
        state.begin(place["index"], place["gas_limit"], place["floor"])
    state.writes = {}
    before = len(state.inference.records)
    computation = send(
        state,
        bytes.fromhex(call.get("to", CONTRACT.hex())),
        bytes.fromhex(call.get("data", "")),
        sender=AUTHOR if call.get("sender") == "author" else CALLER,
        gas=call.get("gas", GAS),
        value=call.get("value", 0),
        static=call.get("static", False),
        code=bytes.fromhex(call["code"]) if "code" in call else None,
    )
    return _outcome(state, computation, before)


def _outcome(state: RecordingState, computation: ComputationAPI, before: int) -> dict[str, Any]:
    ledger = state.inference
    halted = computation.is_error and computation.should_burn_gas
    found: dict[str, Any] = {
        "outcome": "halt" if halted else "revert" if computation.is_error else "success",
        "output": computation.output.hex(),
        "gas": computation.get_gas_used(),
    }
    records = [encode_record(record).hex() for record in ledger.records[before:]]
    logs = [
        {
            "address": address.hex(),
            "topics": [topic.to_bytes(32, "big").hex() for topic in topics],
            "data": data.hex(),
        }
        for address, topics, data in computation.get_log_entries()
    ]
    words = {f"{slot:#x}": f"{value:#x}" for slot, value in sorted(state.writes.items())}
    credited = [[payee.hex(), units] for payee, units in ledger.credited(state)]
    optional = {
        "records": records,
        "logs": logs,
        "words": words if not computation.is_error else {},
        "drawn": ledger.drawn,
        "credited": credited,
    }
    return found | {name: value for name, value in optional.items() if value}
