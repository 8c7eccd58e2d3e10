"""Whole-graph backends, batches, cancellation, calls in several threads."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from ai_ops.backends import select_backend
from ai_ops.backends.base import Backend, GraphBackend, Kernel, Program
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.dtype import Array
from ai_ops.errors import AiOpsError, BackendFault, Cancelled, InvalidInput
from ai_ops.executor import Call, Cancellation, Inference, LoadedModel, load, run_exact
from ai_ops.graph import Node, Value
from ai_ops.step_loop import StepLoop
from tests.ai_ops.models import lenet, mlp
from tests.ai_ops.test_executor import facts_of

IMAGES = np.random.default_rng(11).integers(-128, 128, (6, 784)).astype(np.int8)


class Watched(ReferenceBackend):
    """The reference, with a call before each step."""

    name = "watched"

    def __init__(self) -> None:
        self.started = 0
        self.stop_after = -1
        self.cancellation = Cancellation()
        self.gate: threading.Barrier | None = None

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        kernel = super().prepare(node, inputs, outputs, weights)

        def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
            self.started += 1
            if self.started == self.stop_after:
                self.cancellation.cancel()
            if self.gate is not None:
                self.gate.wait(timeout=60)
            return kernel(arrays)

        return run


class WholeGraph(ReferenceBackend):
    """A backend that takes the graph at once; its runner answers with `change`d results."""

    name = "whole"

    def __init__(self, *, drop_digest: bool = False, fail: bool = False) -> None:
        self.programs: list[Program] = []
        self.batches: list[int] = []
        self.drop_digest = drop_digest
        self.fail = fail

    def compile(self, program: Program) -> WholeGraph.Runner:
        self.programs.append(program)
        return WholeGraph.Runner(self, StepLoop(program, ReferenceBackend()))

    class Runner:
        def __init__(self, owner: WholeGraph, loop: StepLoop) -> None:
            self.owner, self.loop = owner, loop

        def run(self, data: bytes, n: int, cancellation: Cancellation | None) -> Inference:
            if self.owner.fail:
                raise MemoryError
            result = self.loop.run(data, n, cancellation)
            if self.owner.drop_digest:
                return Inference(output=result.output, step_digests=result.step_digests[1:])
            return result

        def run_batch(
            self, calls: Sequence[Call], cancellation: Cancellation | None
        ) -> tuple[Inference, ...]:
            self.owner.batches.append(len(calls))
            return tuple(self.run(call.data, call.n, cancellation) for call in calls)


def ready(backend: Backend) -> LoadedModel:
    model = lenet()
    return load(model, facts_of(model), backend)


def test_a_cancelled_run_stops_before_its_next_step() -> None:
    backend = Watched()
    model = ready(backend)
    backend.stop_after = 3
    with pytest.raises(Cancelled) as caught:
        model.run(IMAGES[0].tobytes(), 1, backend.cancellation)
    assert backend.started == 3 < model.facts.steps
    assert isinstance(caught.value, AiOpsError)
    assert not isinstance(caught.value, BackendFault)
    # A fault of the backend is answered by the reference; a cancelled run is not run again.
    with pytest.raises(Cancelled):
        run_exact(model, IMAGES[0].tobytes(), 1, backend.cancellation)
    with pytest.raises(Cancelled):
        model.trace(IMAGES[0].tobytes(), 1, backend.cancellation)
    assert backend.started == 3
    # The model itself is unharmed.
    assert model.run(IMAGES[0].tobytes(), 1) == ready(ReferenceBackend()).run(
        IMAGES[0].tobytes(), 1
    )


def test_a_cancelled_batch_stops() -> None:
    backend = Watched()
    model = ready(backend)
    backend.stop_after = model.facts.steps + 2
    with pytest.raises(Cancelled):
        model.run_batch([Call(data=image.tobytes(), n=1) for image in IMAGES], backend.cancellation)
    assert backend.started == model.facts.steps + 2


@pytest.mark.parametrize("name", ["reference", "cpu"])
def test_calls_in_two_threads_do_not_meet(name: str) -> None:
    model = ready(select_backend(name))
    expected = [model.run(image.tobytes(), 1) for image in IMAGES]
    got: list[list[Inference]] = [[], []]

    def work(mine: list[Inference]) -> None:
        mine.extend(model.run(image.tobytes(), 1) for image in IMAGES)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert got == [expected, expected]


def test_no_lock_is_held_between_steps() -> None:
    """Two calls wait for each other in every step: with a lock around a run none would finish."""
    backend = Watched()
    model = ready(backend)
    backend.gate = threading.Barrier(2)
    results: list[Inference] = []
    data = IMAGES[0].tobytes()
    threads = [
        threading.Thread(target=lambda: results.append(model.run(data, 1))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(results) == 2
    assert results[0] == results[1] == ready(ReferenceBackend()).run(data, 1)


def test_a_whole_graph_backend_runs_the_graph_at_once() -> None:
    backend = WholeGraph()
    assert isinstance(backend, GraphBackend)
    assert not isinstance(ReferenceBackend(), GraphBackend)
    model, reference = ready(backend), ready(ReferenceBackend())
    (program,) = backend.programs
    assert [step.outputs for step in program.steps] == [(v,) for v in range(6, 14)]
    assert sorted(program.weights) == [1, 2, 3, 4, 5]
    dead = [value for step in program.steps for value in step.dead]
    assert sorted(dead) == [0, *range(6, 13)]

    data = IMAGES[:2].tobytes()
    assert model.run(data, 2) == reference.run(data, 2)
    assert model.trace(data, 2) == reference.trace(data, 2)
    calls = [Call(data=IMAGES[0].tobytes(), n=1), Call(data=data, n=2)]
    assert model.run_batch(calls) == reference.run_batch(calls)
    assert reference.run_batch(calls)[1] == reference.run(data, 2)
    assert backend.batches == [2]


def test_a_batch_is_checked_before_it_runs() -> None:
    backend = WholeGraph()
    model = ready(backend)
    with pytest.raises(InvalidInput):
        model.run_batch([Call(data=IMAGES[0].tobytes(), n=1), Call(data=b"", n=1)])
    assert backend.batches == []


@pytest.mark.parametrize("backend", [WholeGraph(drop_digest=True), WholeGraph(fail=True)])
def test_a_fault_of_a_runner_is_local(backend: WholeGraph) -> None:
    model = ready(backend)
    data = IMAGES[0].tobytes()
    with pytest.raises(BackendFault):
        model.run(data, 1)
    with pytest.raises(BackendFault):
        model.run_batch([Call(data=data, n=1)])
    assert run_exact(model, data, 1) == ready(ReferenceBackend()).run(data, 1)


def test_a_symbolic_batch_mixes_units() -> None:
    model = mlp()
    loaded = load(model, facts_of(model), select_backend("cpu"))
    calls = [Call(data=bytes(range(8 * n)), n=n) for n in (1, 3, 2)]
    results = loaded.run_batch(calls)
    assert [len(result.output) for result in results] == [4, 12, 8]
    assert results == tuple(loaded.run(call.data, call.n) for call in calls)
