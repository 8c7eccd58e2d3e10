"""Executions that are stopped: nothing follows from them, and nothing of them stays anywhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ai_ops.backends.base import Kernel
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.dtype import Array
from ai_ops.errors import Cancelled
from ai_ops.executor import Cancellation
from ai_ops.graph import Node, Value
from node.ahead import ahead_runner
from tests.support.chain import Chain
from tests.support.inference import asm
from tests.vm.test_transition_inference import CONTRACT, INPUT, chain_with_model, infer
from vm.inference import new_ledger
from vm.models import ModelStore
from vm.results import Account, CallRequest
from vm.transition import (
    Runner,
    build_block,
    call,
    estimate_gas,
    import_block,
    run_in_turn,
    trace_inference,
)

ENDLESS_GAS = 2**40
BUSY = b"\xd1" * 20
SECONDS = 5.0


class Interrupting(ReferenceBackend):
    """The reference, whose kernels set a flag: the run ends before the step after the first."""

    name = "interrupting"

    def __init__(self) -> None:
        self.flag: Cancellation | None = None
        self.steps = 0

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        kernel = super().prepare(node, inputs, outputs, weights)

        def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
            self.steps += 1
            if self.flag is not None:
                self.flag.cancel()
            return kernel(arrays)

        return run


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> Iterator[Interrupting]:
    """What runs models here, in a cache of its own; nothing else may run one."""
    fake = Interrupting()
    chain, _ = chain_with_model()
    store = new_ledger(chain.config).models
    monkeypatch.setattr(store, "_backend", fake)
    store._loaded.clear()
    monkeypatch.setattr(ModelStore, "run_on_reference", _must_not)
    yield fake
    store._loaded.clear()


def _must_not(*_: Any) -> None:
    raise AssertionError("a cancelled inference was tried again")


@pytest.fixture
def flag(backend: Interrupting) -> Cancellation:
    backend.flag = Cancellation()
    return backend.flag


def test_a_call_is_stopped_and_the_next_one_answers(
    backend: Interrupting, flag: Cancellation
) -> None:
    chain, _ = chain_with_model(asm(4, 0, "RETURN"))
    request = CallRequest(to=CONTRACT, data=INPUT)
    with pytest.raises(Cancelled):
        call(chain.config, chain.store, chain.head, request, 10**7, cancellation=flag)
    assert backend.steps == 1
    backend.flag = None
    plain, _ = chain_with_model(asm(4, 0, "RETURN"))
    assert chain.call(to=CONTRACT, data=INPUT) == plain.call(to=CONTRACT, data=INPUT)
    assert backend.steps > 1


def test_an_estimate_is_stopped(backend: Interrupting, flag: Cancellation) -> None:
    chain, _ = chain_with_model()
    request = CallRequest(to=CONTRACT, data=INPUT)
    with pytest.raises(Cancelled):
        estimate_gas(chain.config, chain.store, chain.head, request, 10**7, cancellation=flag)
    assert backend.steps == 1


def test_a_block_under_construction_is_abandoned_without_a_word_on_its_transactions(
    backend: Interrupting, flag: Cancellation
) -> None:
    chain, _ = chain_with_model()
    calls = [infer(chain, 1), infer(chain, 2)]
    before = dict(chain.store)
    with pytest.raises(Cancelled):
        build_block(
            chain.config, chain.store, chain.head, chain.context(), calls, cancellation=flag
        )
    assert chain.store == before
    backend.flag = None
    built = chain.build(calls)
    assert (built.rejected, built.deferred) == ((), ())
    assert len(built.result.sidecar.records) == 2


@pytest.mark.parametrize("ahead", ["not", "in turn", "on threads"])
def test_an_import_that_is_abandoned_is_no_verdict(
    backend: Interrupting, flag: Cancellation, ahead: str
) -> None:
    chain, _ = chain_with_model()
    backend.flag = None
    built = chain.build([infer(chain, 1), infer(chain, 2, data=bytes(len(INPUT)))]).result
    backend.flag = flag
    with ahead_runner(True, 2) as threads:
        run: Runner | None = {"not": None, "in turn": run_in_turn, "on threads": threads}[ahead]
        with pytest.raises(Cancelled):
            import_block(
                chain.config,
                chain.store,
                chain.head,
                built.block,
                built.sidecar,
                run_ahead=run,
                cancellation=flag,
            )
    backend.flag = None
    assert chain.import_block(built.block, built.sidecar) == built


def test_a_trace_is_stopped(backend: Interrupting, flag: Cancellation) -> None:
    chain, _ = chain_with_model()
    parent = chain.head
    backend.flag = None
    result = chain.must_mine(infer(chain))
    backend.flag = flag
    with pytest.raises(Cancelled):
        trace_inference(chain.config, chain.store, parent, result.block, 0, cancellation=flag)


LOOP = asm("JUMPDEST", 0) + b"\x56"
# Two calls of itself in a row: without a jump, only the number of frames grows.
TREE = asm(*[0, 0, 0, 0, 0, int.from_bytes(BUSY, "big"), "GAS", "CALL", "POP"] * 2, "STOP")


@pytest.mark.parametrize("code", [LOOP, TREE], ids=["jumps", "calls"])
def test_instructions_without_an_inference_are_stopped_too(code: bytes) -> None:
    chain = Chain(alloc={BUSY: Account(code=code)})
    flag, other = Cancellation(), Cancellation()
    ended: list[str] = []

    def work(cancellation: Cancellation) -> None:
        request = CallRequest(to=BUSY)
        try:
            call(
                chain.config,
                chain.store,
                chain.head,
                request,
                ENDLESS_GAS,
                cancellation=cancellation,
            )
        except Cancelled:
            ended.append("cancelled" if cancellation is flag else "the other one")

    threads = [threading.Thread(target=work, args=(each,)) for each in (flag, other)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert ended == []
    flag.cancel()
    threads[0].join(SECONDS)
    assert ended == ["cancelled"]
    assert threads[1].is_alive()
    other.cancel()
    threads[1].join(SECONDS)
    assert ended == ["cancelled", "the other one"]


def test_a_flag_that_is_set_before_the_start_lets_nothing_run() -> None:
    chain = Chain(alloc={BUSY: Account(code=asm("STOP"))})
    flag = Cancellation()
    flag.cancel()
    with pytest.raises(Cancelled):
        call(
            chain.config,
            chain.store,
            chain.head,
            CallRequest(to=BUSY),
            ENDLESS_GAS,
            cancellation=flag,
        )
