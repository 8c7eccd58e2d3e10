"""Re-running a block up to a transaction to open its inferences up, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from ai_ops.executor import Cancellation, StepTrace
from vm.block_run import BlockRun
from vm.blocks import Block, Header
from vm.config import VmConfig
from vm.database import KeyValueStore
from vm.fork import BlockHashOf
from vm.inference import new_ledger
from vm.records import InferenceRecord
from vm.registry.state import registry_of


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceTrace:
    """One inference of a mined transaction: its record, its input, and every step."""

    record: InferenceRecord
    input: bytes
    units: int
    steps: tuple[StepTrace, ...]


def trace_inference(
    config: VmConfig,
    store: KeyValueStore,
    parent: Header,
    block: Block,
    transaction_index: int,
    call_index: int | None = None,
    *,
    block_hash_of: BlockHashOf | None = None,
    cancellation: Cancellation | None = None,
) -> tuple[InferenceTrace, ...]:
    """Trace the inferences of one transaction of a valid block.

    Parameters
    ----------
    config : VmConfig
    store : KeyValueStore
        Holds the parent's state.
    parent : Header
    block : Block
    transaction_index : int
    call_index : int, optional
        Only this call of the transaction; all of them by default.
    block_hash_of : callable, optional
        From an ancestor's number to its hash.
    cancellation : Cancellation, optional
        Ends the execution once another thread sets it.

    Returns
    -------
    tuple of InferenceTrace
        In call order; empty when the transaction ran none, or fewer than ``call_index`` says.

    Raises
    ------
    Cancelled
        When it was stopped.
    """
    traces: list[InferenceTrace] = []

    def trace(record: InferenceRecord, content: bytes, units: int) -> None:
        if record.transaction_index != transaction_index:
            return
        if call_index is not None and record.call_index != call_index:
            return
        # Here and now: a later revert may take the model out of the state again.
        model = ledger.models.loaded(registry_of(run.state), record.model)
        steps = model.trace(content, units, cancellation)
        traces.append(InferenceTrace(record=record, input=content, units=units, steps=steps))

    ledger = new_ledger(config, tracer=trace)
    run = BlockRun(config, store, parent, block.header, block_hash_of=block_hash_of, ledger=ledger)
    ledger.cancellation = cancellation
    for transaction in block.transactions[: transaction_index + 1]:
        run.add(transaction)
    return tuple(traces)
