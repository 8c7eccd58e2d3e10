"""The ledger: numbering, rolling a transaction back, rechecking, and faults of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ai_ops.backends.base import Backend, Kernel
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.dtype import Array
from ai_ops.errors import BackendFault
from ai_ops.graph import Node, Value
from ai_ops.model import encode_model
from tests.ai_ops.models import mlp
from tests.support.inference import InferenceState, deploy, new_state, send
from tests.support.inference_models import ROW, answer
from vm.errors import LocalFault
from vm.inference import InferenceLedger, new_ledger
from vm.instructions.contract import INFER
from vm.models import ByteCache, ModelStore, shared_store
from vm.records import (
    InferenceRecord,
    content_digest,
    decode_sidecar,
    encode_sidecar,
    inference_request,
)
from vm.registry import calls, layout
from vm.registry.layout import INFERENCE_ADDRESS


def infer(state: InferenceState, model: bytes, data: bytes = bytes(ROW)) -> bytes:
    computation = send(state, INFERENCE_ADDRESS, calls.call_data(INFER, model, data))
    computation.raise_if_error()
    return bytes(computation.output)


def test_calls_are_numbered_within_their_transaction() -> None:
    state = new_state()
    address = deploy(state, mlp())
    for index in (3, 4):
        state.begin(index=index)
        infer(state, address)
        infer(state, address)
    places = [(r.transaction_index, r.call_index) for r in state.inference.records]
    assert places == [(3, 0), (3, 1), (4, 0), (4, 1)]


def test_a_transaction_rolls_back_whole() -> None:
    state = new_state()
    address = deploy(state, mlp())
    ledger = state.inference
    infer(state, address)
    kept, gas = ledger.sidecar(), ledger.total_gas
    mark = ledger.mark()
    state.begin(index=1)
    infer(state, address)
    assert ledger.total_gas == 2 * gas
    ledger.roll_back(mark)
    assert (ledger.sidecar(), ledger.total_gas) == (kept, gas)
    assert ledger.request() == inference_request(kept.records)
    state.begin(index=1)
    infer(state, address)
    assert ledger.records[1].call_index == 0


def test_long_inputs_stay_out_of_the_sidecar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vm.inference.MAXIMUM_INPUT_BYTES", 2 * ROW)
    state = new_state()
    address = deploy(state, mlp())
    ledger = state.inference
    infer(state, address)
    infer(state, address)
    assert ledger.sidecar().inputs == (bytes(ROW),) * 2
    mark = ledger.mark()
    for _ in range(2):
        infer(state, address)
    sidecar = ledger.sidecar()
    assert (len(sidecar.records), sidecar.inputs) == (4, ())
    assert decode_sidecar(encode_sidecar(sidecar)) == sidecar
    assert len(ledger.inputs) == 2
    ledger.roll_back(mark)
    assert ledger.sidecar().inputs == (bytes(ROW),) * 2
    infer(state, address)
    assert ledger.sidecar().inputs == ()


def test_the_tracer_is_told_of_every_record() -> None:
    state = new_state()
    address = deploy(state, mlp())
    seen: list[tuple[InferenceRecord, bytes, int]] = []
    state.inference.tracer = lambda record, content, n: seen.append((record, content, n))
    infer(state, address, bytes(2 * ROW))
    assert seen == [(state.inference.records[0], bytes(2 * ROW), 2)]


def test_a_memo_saves_the_run_and_changes_nothing() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    memo: dict[Any, Any] = {}
    state.inference.memo = memo
    infer(state, address)
    assert list(memo) == [(address, content_digest(bytes(ROW)))]
    state.inference.models = ModelStore(FailingBackend(), state.vm_config.limits)
    infer(state, address)
    first, second = state.inference.records
    assert first.output_digest == second.output_digest


class FailingBackend(ReferenceBackend):
    """A card that was lost."""

    name = "failing"

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        raise BackendFault(f"the card is lost with {node, inputs, outputs, weights}")


class LyingBackend(ReferenceBackend):
    """A card with a flipped bit."""

    name = "lying"

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        kernel = super().prepare(node, inputs, outputs, weights)

        def lie(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
            (result,) = kernel(arrays)
            wrong = result.copy()
            wrong.flat[0] ^= 1
            return (wrong,)

        return lie


def test_a_fault_of_the_backend_runs_the_reference() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    state.inference.models = ModelStore(FailingBackend(), state.vm_config.limits)
    infer(state, address)
    assert state.inference.step_digests == [answer(model, bytes(ROW)).step_digests]


@pytest.mark.parametrize("works", [True, False])
def test_a_fault_of_a_card_goes_to_the_cpu_before_the_reference(
    works: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def select(name: str) -> Backend:
        asked.append(name)
        return ReferenceBackend() if works else FailingBackend()

    monkeypatch.setattr(FailingBackend, "name", "gpu")
    monkeypatch.setattr("vm.models.select_backend", select)
    state, model = new_state(), mlp()
    address = deploy(state, model)
    state.inference.models = ModelStore(FailingBackend(), state.vm_config.limits)
    infer(state, address)
    assert asked == ["cpu"]
    assert state.inference.step_digests == [answer(model, bytes(ROW)).step_digests]


def test_recheck_tells_what_the_reference_says() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)
    state.inference.models = ModelStore(LyingBackend(), state.vm_config.limits)
    infer(state, address)
    lied = state.inference.records[0]
    again, digests = state.inference.recheck(state, 0)
    right = answer(model, bytes(ROW))
    assert digests == right.step_digests
    assert again.output_digest == content_digest(right.output)
    assert again.steps_root != lied.steps_root
    assert (again.gas, again.input_digest) == (lied.gas, lied.input_digest)
    state.inference.models.disable_fast_backend()
    infer(state, address)
    assert state.inference.step_digests[1] == right.step_digests


def test_a_model_loaded_while_its_backend_is_switched_off_is_not_kept() -> None:
    state, model = new_state(), mlp()
    address = deploy(state, model)

    class SwitchedOff(LyingBackend):
        def prepare(self, *arguments: Any) -> Kernel:
            models.disable_fast_backend()  # as another thread would, in the middle of a load
            return super().prepare(*arguments)

    models = state.inference.models = ModelStore(SwitchedOff(), state.vm_config.limits)
    infer(state, address)
    infer(state, address)
    assert state.inference.step_digests[1] == answer(model, bytes(ROW)).step_digests


@pytest.mark.parametrize("harm", ["lost", "flipped"])
def test_a_damaged_store_is_a_local_fault_and_never_an_outcome(harm: str) -> None:
    state = new_state()
    address = deploy(state, mlp())
    (key,) = [key for key, value in state.chunk_store.items() if value == encode_model(mlp())]
    if harm == "lost":
        del state.chunk_store[key]
    else:
        data = bytearray(state.chunk_store[key])
        data[-1] ^= 1
        state.chunk_store[key] = bytes(data)
    with pytest.raises(LocalFault):
        infer(state, address)
    assert key == layout.chunk_key(key[6:])


def test_the_process_shares_one_store_for_equal_limits() -> None:
    config = new_state().vm_config
    assert new_ledger(config).models is shared_store(config.limits)
    assert isinstance(new_ledger(config), InferenceLedger)


def test_the_cache_is_bounded_and_forgets_the_least_used() -> None:
    cache: ByteCache[str] = ByteCache(10)
    cache.put(b"a", "a", 4)
    cache.put(b"b", "b", 4)
    assert cache.get(b"a") == "a"
    cache.put(b"c", "c", 4)
    assert [cache.get(key) for key in (b"a", b"b", b"c")] == ["a", None, "c"]
    cache.put(b"d", "too large", 11)
    assert [cache.get(key) for key in (b"a", b"c", b"d")] == [None, None, "too large"]
    assert cache.size == 11 > cache.bound
    cache.put(b"e", "e", 1)
    assert [cache.get(key) for key in (b"d", b"e")] == [None, "e"]
    cache.clear()
    assert cache.get(b"e") is None


def test_gas_does_not_depend_on_the_cache() -> None:
    state = new_state()
    address = deploy(state, mlp())
    gas, empty = [], state.inference.mark()
    for cache_bytes in (0, 2**20):
        state.begin()
        state.inference.models = ModelStore(
            ReferenceBackend(), state.vm_config.limits, cache_bytes=cache_bytes
        )
        infer(state, address)
        infer(state, address)
        gas.append(tuple(record.gas for record in state.inference.records))
        state.inference.roll_back(empty)
    assert gas[0] == gas[1]
