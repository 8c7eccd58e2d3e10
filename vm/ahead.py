"""Running a block's inferences before its transactions: same results, gas and roots, sooner.

The sidecar says, as advice only, which inputs the block will give to which models. They are run
together: as one batch a model, on several threads if the caller has some. Execution later takes a
result only where it meets exactly the same input of the same model, and runs everything else
itself; advice that is wrong, missing or hostile costs time, never a verdict.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ai_ops.errors import AiOpsError, Cancelled, InvalidInput
from ai_ops.executor import LoadedModel, check_input
from ai_ops.inference import Call, Cancellation, Inference
from vm import gas
from vm.errors import LocalFault
from vm.fork import EngramState
from vm.inference import InferenceLedger, Memo
from vm.records import Sidecar, content_digest
from vm.registry import facts
from vm.registry.facts import Registry, Terms
from vm.registry.state import registry_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Inputs that one model is likely to meet in the block.

    Attributes
    ----------
    model : bytes
        Address, 20 bytes.
    loaded : LoadedModel
    calls : tuple of Call
        Inputs different from each other, of legal size and range.
    cancellation : Cancellation or None
        To be given to each run: it ends them when the block is abandoned.
    """

    model: bytes
    loaded: LoadedModel
    calls: tuple[Call, ...]
    cancellation: Cancellation | None = None


Runner = Callable[[Sequence[Batch]], Sequence[Sequence[Inference]]]
"""Runs batches and returns the result of each input, in order; may use threads or a device."""


def run_in_turn(batches: Sequence[Batch]) -> list[tuple[Inference, ...]]:
    """Run one batch after another on this thread: the reference of all runners."""
    return [batch.loaded.run_batch(batch.calls, batch.cancellation) for batch in batches]


def results_ahead(state: EngramState, sidecar: Sidecar, run: Runner) -> Memo:
    """Run what the sidecar announces, on the models that are callable in ``state``.

    Parameters
    ----------
    state : EngramState
        The parent's; the models of its ledger run the batches.
    sidecar : Sidecar
    run : Runner

    Returns
    -------
    mapping
        Results by (model address, input digest): what `InferenceLedger` takes as its memo. Empty
        where this machine could not run them; execution then meets the same fault and judges it.

    Raises
    ------
    Cancelled
        When the block was abandoned.
    """
    memo: Memo = {}
    try:
        batches = announced(state, sidecar)
        for batch, results in zip(batches, run(batches), strict=True):
            for call, result in zip(batch.calls, results, strict=True):
                memo[batch.model, content_digest(call.data)] = result
    except Cancelled:
        raise
    except (AiOpsError, LocalFault, MemoryError) as error:
        _log.warning("inferences could not be run ahead of their block: %s", error)
    return memo


def announced(state: EngramState, sidecar: Sidecar) -> list[Batch]:
    """Group the sidecar's inputs by model, in the order in which models first appear.

    What the block could not run is left out, and nothing is taken beyond the block's inference
    gas limit, cold loads included: a false announcement cannot cost more than an honest block.
    Models that together hold more than the cache of models may are left to the execution, which
    needs one at a time.
    """
    if not state.vm_config.ai or not sidecar.inputs:
        return []
    registry, config, ledger = registry_of(state), state.vm_config, state.inference
    room = config.inference_gas_limit
    terms: dict[bytes, Terms | None] = {}
    inputs: dict[bytes, dict[bytes, int]] = {}
    for record, content in zip(sidecar.records, sidecar.inputs, strict=False):
        if record.model not in terms:
            terms[record.model] = _callable_terms(registry, record.model)
        known = terms[record.model]
        n = None if known is None else known.units(len(content))
        if known is None or n is None or content in inputs.get(record.model, {}):
            continue
        cold = 0 if record.model in inputs else known.load_q16
        room -= gas.price(known, n, cold, config.prices, data=False).record
        if room < 0:
            break
        if _accepts(ledger, registry, record.model, content, n):
            inputs.setdefault(record.model, {})[content] = n
    batches: list[Batch] = []
    held = 0
    for model, units in inputs.items():
        loaded = ledger.models.loaded(registry, model)
        held += loaded.held_bytes
        if batches and held > ledger.models.cache.bound:
            break
        calls = tuple(Call(data=content, n=n) for content, n in units.items())
        batch = Batch(model=model, loaded=loaded, calls=calls, cancellation=ledger.cancellation)
        batches.append(batch)
    return batches


def _callable_terms(registry: Registry, model: bytes) -> Terms | None:
    found = facts.terms(registry, model)
    return found if isinstance(found, Terms) else None


def _accepts(
    ledger: InferenceLedger, registry: Registry, model: bytes, content: bytes, n: int
) -> bool:
    try:
        check_input(ledger.models.manifest(registry, model), content, n)
    except InvalidInput:
        return False
    return True
