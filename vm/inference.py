"""The ledger of inferences: what one block's transactions drew, loaded and recorded.

Two kinds of facts meet here. *Journaled* ones (the loaded set, the author's credit) are undone
with the frame that made them; they live in the transient storage of the registry's address, which
no contract can write. *Lasting* ones (gas drawn, records) stay even when their frame reverts.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any, cast

from eth.abc import StateAPI
from eth_hash.auto import keccak
from eth_typing import Address

from ai_ops.executor import Cancellation, Inference
from vm.config import VmConfig
from vm.gas import Price
from vm.models import ModelStore, shared_store
from vm.records import (
    InferenceRecord,
    Sidecar,
    content_digest,
    inference_request,
    steps_root,
)
from vm.registry.layout import REGISTRY_ADDRESS
from vm.registry.state import registry_of

# Slots of the registry's transient storage.
PAYEE_COUNT = 0
FIRST_PAYEE = 1
LOADED_TAG = b"loaded"
CREDIT_TAG = b"credit"

# Inputs are advice that anyone can compute again. Kept without a bound, a block of 30 million gas
# would add 300 MB to every node, and its sidecar would fit no frame of an export.
MAXIMUM_INPUT_BYTES = 1 << 20

Memo = MutableMapping[tuple[bytes, bytes], Inference]
Tracer = Callable[[InferenceRecord, bytes, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point to which the builder can roll a whole transaction back."""

    records: int
    gas: int
    input_bytes: int


class InferenceLedger:
    """The inferences of one block, or of one simulated call.

    Parameters
    ----------
    models : ModelStore
        Runs the models.
    memo : mapping, optional
        Results by (model address, input digest), shared by the runs of one gas estimate.
    tracer : callable, optional
        Told of every record with its input and n, right after it is made.

    Attributes
    ----------
    cancellation : Cancellation or None
        Ends the execution, inferences and instructions, once another thread sets it.
    drawn : int
        Author-fee gas taken from gas counters in this transaction; only grows.
    records, step_digests, inputs : list
        One entry per finished call of the block, in execution order; inputs end where all of them
        together would exceed `MAXIMUM_INPUT_BYTES`.
    input_bytes : int
        Length of all inputs of the block, kept or not.
    total_gas : int
        Inference gas of the block: the sum over its records.
    """

    __slots__ = (
        "_calls",
        "_draw_limit",
        "_transaction",
        "cancellation",
        "drawn",
        "input_bytes",
        "inputs",
        "memo",
        "models",
        "records",
        "step_digests",
        "total_gas",
        "tracer",
        "units",
    )

    def __init__(
        self, models: ModelStore, *, memo: Memo | None = None, tracer: Tracer | None = None
    ) -> None:
        self.models = models
        self.memo = memo
        self.tracer = tracer
        self.cancellation: Cancellation | None = None
        self.records: list[InferenceRecord] = []
        self.step_digests: list[tuple[bytes, ...]] = []
        self.inputs: list[bytes] = []
        self.input_bytes = 0
        self.units: list[int] = []
        self.total_gas = 0
        self.drawn = 0
        self._transaction = 0
        self._calls = 0
        self._draw_limit = 0

    def begin_transaction(self, index: int, gas_limit: int, floor: int) -> None:
        """Start a transaction.

        Parameters
        ----------
        index : int
            Position in the block.
        gas_limit : int
            The transaction's gas limit.
        floor : int
            Its calldata floor, in gas: draws must leave that much.
        """
        self.drawn = 0
        self._transaction = index
        self._calls = 0
        self._draw_limit = gas_limit - floor

    def end_transaction(self) -> None:
        """Close the transaction: later draws and credits belong to the next one."""
        self.drawn = 0
        self._draw_limit = 0

    def may_draw(self, fee: int) -> bool:
        """Return whether the transaction's gas limit leaves room for another author fee."""
        return self.drawn + fee <= self._draw_limit

    def draw(self, state: StateAPI, payee: bytes, fee: int) -> None:
        """Count an author fee as drawn, for good, and as credited, until the frame reverts."""
        self.drawn += fee
        slot = _tagged_slot(CREDIT_TAG, payee)
        credit = _transient(state, slot)
        if credit == 0:
            count = _transient(state, PAYEE_COUNT)
            _set_transient(state, FIRST_PAYEE + count, int.from_bytes(payee, "big"))
            _set_transient(state, PAYEE_COUNT, count + 1)
        _set_transient(state, slot, credit + fee)

    def credited(self, state: StateAPI) -> tuple[tuple[bytes, int], ...]:
        """Return (payee, gas) of this transaction, in the order in which payees first appear."""
        payees = (
            _transient(state, FIRST_PAYEE + position).to_bytes(20, "big")
            for position in range(_transient(state, PAYEE_COUNT))
        )
        return tuple(
            (payee, _transient(state, _tagged_slot(CREDIT_TAG, payee))) for payee in payees
        )

    def is_loaded(self, state: StateAPI, key: bytes) -> bool:
        """Return whether a model address or data id was loaded in this transaction."""
        return _transient(state, _tagged_slot(LOADED_TAG, key)) != 0

    def mark_loaded(self, state: StateAPI, key: bytes) -> None:
        """Add a model address or data id to the loaded set."""
        _set_transient(state, _tagged_slot(LOADED_TAG, key), 1)

    def run(self, state: StateAPI, model: bytes, content: bytes, n: int, price: Price) -> bytes:
        """Run a paid call to its last step, record it and return its output.

        Raises
        ------
        LocalFault
            When this machine cannot run it.
        Cancelled
            When the execution was stopped; nothing is recorded or remembered of the call.
        """
        input_digest = content_digest(content)
        result = self.memo.get((model, input_digest)) if self.memo is not None else None
        if result is None:
            result = self.models.run(registry_of(state), model, content, n, self.cancellation)
            if self.memo is not None:
                self.memo[model, input_digest] = result
        record = InferenceRecord(
            transaction_index=self._transaction,
            call_index=self._calls,
            model=model,
            input_digest=input_digest,
            output_digest=content_digest(result.output),
            steps_root=steps_root(result.step_digests),
            gas=price.record,
        )
        self._calls += 1
        self.records.append(record)
        self.step_digests.append(result.step_digests)
        self.input_bytes += len(content)
        if self.input_bytes <= MAXIMUM_INPUT_BYTES:
            self.inputs.append(content)
        self.units.append(n)
        self.total_gas += price.record
        if self.tracer is not None:
            self.tracer(record, content, n)
        return result.output

    def recheck(self, state: StateAPI, index: int) -> tuple[InferenceRecord, tuple[bytes, ...]]:
        """Recompute record `index`, whose input was kept, on the reference.

        Raises
        ------
        LocalFault
            When this machine cannot run it.
        """
        record = self.records[index]
        result = self.models.run_on_reference(
            registry_of(state), record.model, self.inputs[index], self.units[index]
        )
        again = InferenceRecord(
            transaction_index=record.transaction_index,
            call_index=record.call_index,
            model=record.model,
            input_digest=record.input_digest,
            output_digest=content_digest(result.output),
            steps_root=steps_root(result.step_digests),
            gas=record.gas,
        )
        return again, result.step_digests

    def check_cancelled(self) -> None:
        """Raise `Cancelled` once the execution's flag was set."""
        if self.cancellation is not None:
            self.cancellation.check()

    def mark(self) -> Mark:
        """Remember this point, before a transaction that may have to be rolled back."""
        return Mark(records=len(self.records), gas=self.total_gas, input_bytes=self.input_bytes)

    def roll_back(self, mark: Mark) -> None:
        """Forget everything recorded since `mark`: its transaction is not part of the block."""
        for entries in (self.records, self.step_digests, self.inputs, self.units):
            del cast("list[Any]", entries)[mark.records :]
        self.total_gas = mark.gas
        self.input_bytes = mark.input_bytes

    def sidecar(self) -> Sidecar:
        """Return what travels beside the block: with all inputs or, when they are long, none."""
        complete = len(self.inputs) == len(self.records)
        return Sidecar(
            records=tuple(self.records),
            step_digests=tuple(self.step_digests),
            inputs=tuple(self.inputs) if complete else (),
        )

    def request(self) -> bytes:
        """Return the block's request of type 0xa1; empty when nothing was recorded."""
        return inference_request(self.records)


def new_ledger(
    config: VmConfig, *, memo: Memo | None = None, tracer: Tracer | None = None
) -> InferenceLedger:
    """Return an empty ledger that runs models with this process's shared store."""
    return InferenceLedger(shared_store(config.limits), memo=memo, tracer=tracer)


def ledger_of(state: StateAPI) -> InferenceLedger:
    """Return the ledger that our State subclass carries."""
    return cast("InferenceLedger", cast("Any", state).inference)


def _tagged_slot(tag: bytes, key: bytes) -> int:
    return int.from_bytes(keccak(tag + key), "big")


def _transient(state: StateAPI, slot: int) -> int:
    return int.from_bytes(state.get_transient_storage(Address(REGISTRY_ADDRESS), slot), "big")


def _set_transient(state: StateAPI, slot: int, value: int) -> None:
    state.set_transient_storage(Address(REGISTRY_ADDRESS), slot, value.to_bytes(32, "big"))
