"""Running inferences before their block: nothing that a chain commits to may notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from ai_ops.backends.base import Backend
from ai_ops.errors import BackendFault
from ai_ops.executor import Inference
from node.ahead import ahead_runner
from tests.support.chain import Chain
from tests.support.inference_models import ROW
from tests.vm.test_transition_inference import CONTRACT, INPUT, chain_with_model, infer
from vm.ahead import announced
from vm.errors import SidecarMismatch
from vm.fork import EngramState
from vm.inference import new_ledger
from vm.models import ModelStore
from vm.records import Sidecar
from vm.results import BlockResult
from vm.transition import Batch, Runner, import_block, run_in_turn

LAST = bytes(range(ROW, 0, -1))


class Watched:
    """A runner that remembers what it was asked for."""

    def __init__(self, run: Runner = run_in_turn) -> None:
        self.run = run
        self.asked: list[tuple[bytes, bytes]] = []

    def __call__(self, batches: Sequence[Batch]) -> Sequence[Sequence[Inference]]:
        self.asked += [(batch.model, call.data) for batch in batches for call in batch.calls]
        return self.run(batches)


def imported(chain: Chain, built: BlockResult, sidecar: Sidecar, run: Runner) -> BlockResult:
    return import_block(chain.config, chain.store, chain.head, built.block, sidecar, run_ahead=run)


@pytest.fixture
def built() -> tuple[Chain, bytes, BlockResult]:
    chain, model = chain_with_model()
    inputs = [INPUT, bytes(ROW), INPUT, LAST]
    calls = [infer(chain, index, data=data) for index, data in enumerate(inputs, 1)]
    return chain, model, chain.build(calls).result


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Inputs that execution itself had to run."""
    seen: list[bytes] = []
    real = ModelStore.run

    def run(
        self: ModelStore, registry: Any, model: bytes, content: bytes, n: int, flag: Any
    ) -> Inference:
        seen.append(content)
        return real(self, registry, model, content, n, flag)

    monkeypatch.setattr(ModelStore, "run", run)
    return seen


def test_a_block_is_the_same_and_its_models_run_once(
    built: tuple[Chain, bytes, BlockResult], runs: list[bytes]
) -> None:
    chain, model, result = built
    watched = Watched()
    assert imported(chain, result, result.sidecar, watched) == result
    assert watched.asked == [(model, INPUT), (model, bytes(ROW)), (model, LAST)]
    assert runs == []
    assert chain.import_block(result.block, result.sidecar) == result
    assert len(runs) == 4


def test_threads_give_the_same_block(built: tuple[Chain, bytes, BlockResult]) -> None:
    chain, _, result = built
    for workers in (1, 2, 4):
        with ahead_runner(workers=workers) as run:
            assert run is not None
            assert imported(chain, result, result.sidecar, run) == result
    with ahead_runner(wanted=False) as run:
        assert run is None


def test_false_advice_costs_time_only(
    built: tuple[Chain, bytes, BlockResult], runs: list[bytes]
) -> None:
    chain, model, result = built
    seed = 20_261_124
    print("seed", seed)
    random = Random(seed)
    for _ in range(30):
        inputs = [random.randbytes(random.choice((0, 1, ROW, 2 * ROW, 99 * ROW))) for _ in range(4)]
        records = [
            replace(record, model=random.choice((model, CONTRACT, bytes(20))))
            for record in result.sidecar.records
        ]
        random.shuffle(records)
        advice = Sidecar(
            records=tuple(records), step_digests=result.sidecar.step_digests, inputs=tuple(inputs)
        )
        runs.clear()
        state = EngramState(chain.config, chain.store, chain.head.state_root, result.block.header)
        for batch in announced(state, advice):
            assert batch.model == model
            assert all(len(call.data) in {ROW, 2 * ROW} for call in batch.calls)
        # The records were altered: what the carrier is told, after the block itself was accepted.
        with pytest.raises(SidecarMismatch):
            imported(chain, result, advice, run_in_turn)
        assert runs == [INPUT, bytes(ROW), LAST]
    # The same records with other inputs: inputs are advice and no fault of anyone.
    advice = replace(result.sidecar, inputs=(b"", INPUT, bytes(ROW), b"\x01" * ROW))
    assert imported(chain, result, advice, run_in_turn) == result


def test_announcements_end_at_the_gas_limit() -> None:
    chain, model = chain_with_model()
    gas = chain.call(to=CONTRACT, data=INPUT).inferences[0].gas
    limited, _ = chain_with_model(inference_gas_limit=2 * gas)
    result = limited.build([infer(limited, 1)]).result
    (record,) = result.sidecar.records
    inputs = tuple(bytes((index,)) * ROW for index in range(9))
    sidecar = Sidecar(records=(record,) * 9, step_digests=(), inputs=inputs)
    state = EngramState(limited.config, limited.store, limited.head.state_root, result.block.header)
    (batch,) = announced(state, sidecar)
    assert batch.model == model
    assert 1 < len(batch.calls) < 9


@pytest.mark.parametrize("error", [BackendFault("no memory on the card"), MemoryError()])
def test_a_fault_ahead_leaves_the_work_to_execution(
    built: tuple[Chain, bytes, BlockResult], runs: list[bytes], error: Exception
) -> None:
    chain, _, result = built

    def fail(batches: Sequence[Batch]) -> Sequence[Sequence[Inference]]:
        raise error

    assert imported(chain, result, result.sidecar, fail) == result
    assert len(runs) == 3


def test_a_device_that_lies_is_found_out(
    built: tuple[Chain, bytes, BlockResult],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    chain, _, result = built
    store = new_ledger(chain.config).models
    honest: Backend = store.backend

    def lie(batches: Sequence[Batch]) -> Sequence[Sequence[Inference]]:
        return [
            [replace(one, output=bytes((one.output[0] ^ 1,)) + one.output[1:]) for one in batch]
            for batch in run_in_turn(batches)
        ]

    monkeypatch.setattr(store, "backend", honest)
    assert imported(chain, result, result.sidecar, lie) == result
    assert "switched off" in caplog.text
