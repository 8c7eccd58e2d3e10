"""The whole-graph runner in C: equal to the step loop, bounded, cancellable, without a lock."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from ai_ops.backends import native_backend, select_backend
from ai_ops.backends.base import Kernel
from ai_ops.backends.native_backend import NativeBackend
from ai_ops.backends.native_program import NativeRunner
from ai_ops.dtype import Array, DType
from ai_ops.errors import BackendFault, Cancelled
from ai_ops.executor import Cancellation, Inference, LoadedModel, load, run_exact
from ai_ops.graph import Graph, Model, Node, Value
from ai_ops.model import build_model
from ai_ops.native.build import VARIANTS
from ai_ops.native.memory import ArenaPool, rounded_size
from ai_ops.operators import make_node
from ai_ops.planner import ALIGNMENT, Plan, plan_memory
from ai_ops.step_loop import StepLoop
from tests.ai_ops.models import lenet, port, weight
from tests.ai_ops.random_graphs import random_input, random_model
from tests.ai_ops.test_executor import facts_of
from tests.support.backends import started

IMAGES = np.random.default_rng(12).integers(-128, 128, (6, 784)).astype(np.int8)


@pytest.fixture(params=list(VARIANTS))
def backend(request: pytest.FixtureRequest) -> NativeBackend:
    found = started(f"native-{request.param}")
    assert isinstance(found, NativeBackend)
    return found


def best() -> NativeBackend:
    found = select_backend("native")
    assert isinstance(found, NativeBackend)
    return found


def ready(model: Model, backend: NativeBackend) -> tuple[LoadedModel, NativeRunner]:
    loaded = load(model, facts_of(model), backend)
    assert isinstance(loaded.runner, NativeRunner)
    return loaded, loaded.runner


@pytest.mark.parametrize("seed", range(60))
def test_random_graphs_equal_the_reference(seed: int, backend: NativeBackend) -> None:
    """Outputs and every digest, at n = 1 (a plan of its own) and at the other n."""
    model = random_model(seed, nodes=Random(seed).randint(1, 30))
    loaded, _ = ready(model, backend)
    reference = load(model, loaded.facts, select_backend("reference"))
    for n in range(1, loaded.facts.maximum_units + 1):
        data = random_input(model, n, Random(seed))
        assert loaded.run(data, n) == reference.run(data, n), f"seed {seed}, n {n}"


@pytest.mark.parametrize("seed", range(0, 300, 3))
def test_memory_of_a_run_is_bounded_by_the_proved_peak(seed: int) -> None:
    model = random_model(seed, nodes=Random(seed).randint(1, 40))
    loaded, runner = ready(model, best())
    facts = loaded.facts
    values = len(facts.values)
    for n in range(1, facts.maximum_units + 1):
        arena = runner.arena_bytes(n) - runner.scratch_bytes(n)
        assert arena <= facts.live_bytes * 5 // 4 + ALIGNMENT * values
        # No kernel's scratch exceeds what its own tensors explain and a fixed block.
        largest = max(value.type.size(n) for value in facts.values)
        assert runner.scratch_bytes(n) <= 8 * largest + 2**20


class Interrupting(NativeBackend):
    """Computes one operator in Python, cancelling the run there."""

    def __init__(self, operator: str, cancellation: Cancellation | None) -> None:
        super().__init__(best().variant.name)
        self.operator, self.cancellation, self.computed = operator, cancellation, 0

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        kernel = super().prepare(node, inputs, outputs, weights)
        if node.operator != self.operator:
            return kernel

        def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
            self.computed += 1
            if self.cancellation is not None:
                self.cancellation.cancel()
            return kernel(arrays)

        return run


@pytest.mark.parametrize("operator", ["CONV2D", "MAX_POOL2D", "RESHAPE", "GEMM"])
def test_steps_in_python_split_the_program(operator: str) -> None:
    model = lenet()
    backend = Interrupting(operator, None)
    loaded, _ = ready(model, backend)
    expected = load(model, loaded.facts, select_backend("reference"))
    for n in (1, 3):
        data = IMAGES[:n].tobytes()
        assert loaded.run(data, n) == expected.run(data, n)
    # A view is no computation: C only makes its digest.
    assert backend.computed == (
        0
        if operator == "RESHAPE"
        else 2 * sum(node.operator == operator for node in model.graph.nodes)
    )


def test_cancelled_before_and_within() -> None:
    model = lenet()
    data = IMAGES[0].tobytes()
    loaded, _ = ready(model, best())
    never = Cancellation()
    assert loaded.run(data, 1, never) == loaded.run(data, 1)
    never.cancel()
    with pytest.raises(Cancelled):
        loaded.run(data, 1, never)

    within = Cancellation()
    backend = Interrupting("MAX_POOL2D", within)
    loaded, _ = ready(model, backend)
    with pytest.raises(Cancelled):
        loaded.run(data, 1, within)
    assert backend.computed == 1 < sum(n.operator == "MAX_POOL2D" for n in model.graph.nodes)


def test_the_flag_is_seen_while_c_runs() -> None:
    """A program of one C segment, stopped by another thread while it runs again and again."""
    model = lenet()
    loaded, _ = ready(model, best())
    cancellation, started_once = Cancellation(), threading.Event()
    ended: list[type[BaseException]] = []
    data = IMAGES.tobytes()

    def work() -> None:
        try:
            while True:
                loaded.run(data, 6, cancellation)
                started_once.set()
        except Cancelled as error:
            ended.append(type(error))

    thread = threading.Thread(target=work)
    thread.start()
    assert started_once.wait(timeout=60)
    cancellation.cancel()
    thread.join(timeout=60)
    assert ended == [Cancelled]


def test_calls_in_two_threads_do_not_meet(backend: NativeBackend) -> None:
    loaded, _ = ready(lenet(), backend)
    expected = [loaded.run(image.tobytes(), 1) for image in IMAGES]
    got: list[list[Inference]] = [[], []]

    def work(mine: list[Inference], order: int) -> None:
        for _ in range(20):
            mine[:] = [loaded.run(image.tobytes(), 1) for image in IMAGES[::order]][::order]
            assert mine == expected

    threads = [threading.Thread(target=work, args=pair) for pair in zip(got, (1, -1), strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert got == [expected, expected]


def test_no_lock_is_held_during_a_run() -> None:
    """Two runs meet in the middle of the program: under a lock the first would wait for ever."""
    barrier = threading.Barrier(2)

    class Meeting(Interrupting):
        def prepare(
            self,
            node: Node,
            inputs: tuple[Value, ...],
            outputs: tuple[Value, ...],
            weights: Mapping[int, Array],
        ) -> Kernel:
            kernel = super().prepare(node, inputs, outputs, weights)

            def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
                barrier.wait(timeout=60)
                return kernel(arrays)

            return run if node.operator == self.operator else kernel

    loaded, _ = ready(lenet(), Meeting("MAX_POOL2D", None))
    data = [image.tobytes() for image in IMAGES[:2]]
    results: dict[int, Inference] = {}

    def work(which: int) -> None:
        results[which] = loaded.run(data[which], 1)

    threads = [threading.Thread(target=work, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    plain, _ = ready(lenet(), best())
    assert results == {which: plain.run(data[which], 1) for which in (0, 1)}


def test_a_loose_plan_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no tight arena is found, tensors are allocated one by one."""

    def loose(*arguments: object) -> Plan:
        plan = plan_memory(*arguments)  # type: ignore[arg-type]
        return replace(plan, arena_bytes=plan.bound + 1)

    model = lenet()
    expected = load(model, facts_of(model), select_backend("reference")).run(IMAGES[0].tobytes(), 1)
    monkeypatch.setattr(native_backend, "plan_memory", loose)
    loaded = load(model, facts_of(model), best())
    assert isinstance(loaded.runner, StepLoop)
    assert loaded.run(IMAGES[0].tobytes(), 1) == expected


def test_weights_at_odd_addresses_and_views_of_weights() -> None:
    """An i8 weight of 3 bytes moves the i32 weight behind it; both leave through RESHAPE."""
    graph = Graph(
        weights=(weight(3), weight(2, 2, dtype=DType.I32)),
        nodes=(
            make_node("CLAMP", (0,), minimum=-5, maximum=5),
            make_node("RESHAPE", (1,), shape=(3, 1)),
            make_node("RESHAPE", (2,), shape=(4,)),
            make_node("ARGMAX", (2,), axis=1),
        ),
        outputs=(3, 4, 5, 6),
    )
    weights = bytes([1, 2, 253]) + np.array([7, -9, 2**31 - 1, 5], "<i4").tobytes()
    model = build_model(
        name="odd",
        inputs=(port("x", DType.I8, (2,)),),
        outputs=(
            port("a", DType.I8, (2,)),
            port("b", DType.I8, (3, 1)),
            port("c", DType.I32, (4,)),
            port("d", DType.I32, (2,)),
        ),
        graph=graph,
        weights=weights,
    )
    loaded, _ = ready(model, best())
    result = loaded.run(bytes([100, 156]), 1)
    assert result.output == bytes([5, 251]) + weights + np.array([0, 0], "<i4").tobytes()
    assert result == load(model, loaded.facts, select_backend("reference")).run(
        bytes([100, 156]), 1
    )


def test_a_fault_within_is_local() -> None:
    class Failing(Interrupting):
        def prepare(
            self,
            node: Node,
            inputs: tuple[Value, ...],
            outputs: tuple[Value, ...],
            weights: Mapping[int, Array],
        ) -> Kernel:
            kernel = super().prepare(node, inputs, outputs, weights)

            def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
                return tuple(result[..., :1] for result in kernel(arrays))

            return run if node.operator == self.operator else kernel

    model = lenet()
    loaded, _ = ready(model, Failing("MAX_POOL2D", None))
    data = IMAGES[0].tobytes()
    with pytest.raises(BackendFault, match="MAX_POOL2D"):
        loaded.run(data, 1)
    reference = load(model, loaded.facts, select_backend("reference"))
    assert run_exact(loaded, data, 1) == reference.run(data, 1)


def test_arenas_are_kept_up_to_a_bound() -> None:
    pool = ArenaPool(kept_bytes=5 * 2**14)
    first, second = pool.take(100), pool.take(100)
    assert first is not second
    assert first.address % ALIGNMENT == 0
    for arena in (first, second):
        pool.give(arena)
    assert pool.kept == 2 * 2**14
    assert pool.take(2**14) in {first, second}
    pool.give(pool.take(2**20))  # too large to keep
    assert pool.kept == 2**14
    for size in (1, 2**14, 2**14 + 1, 10**5, 10**6, 2**24, 2**28 - 1):
        rounded = rounded_size(size)
        assert size <= rounded <= size + max(2**14, size // 8)
        assert rounded % ALIGNMENT == 0
