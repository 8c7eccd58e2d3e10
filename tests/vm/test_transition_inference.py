"""Blocks that run models: what the header commits to, and what an altered block is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from ai_ops.backends.base import Backend
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.executor import Inference, load
from ai_ops.graph import Model
from tests.ai_ops.models import mlp
from tests.support.chain import ADDRESSES, Chain
from tests.support.chain_models import caller, deploy
from tests.support.inference import asm
from tests.support.inference_models import ROW, answer, facts_of
from vm.blocks import Block
from vm.errors import CallFailed, InvalidBlock, LocalFault, SidecarMismatch
from vm.inference import new_ledger
from vm.models import ModelStore
from vm.records import InferenceRecord, Sidecar, inference_request, steps_root
from vm.requests import requests_hash
from vm.results import Account, BuildResult
from vm.tracing import InferenceTrace
from vm.transition import trace_inference

CONTRACT = b"\xc0" * 20
INPUT = bytes(range(1, ROW + 1))
STORE_OUTPUT = asm(0, "MLOAD", 0, "SSTORE", 1, "SSTORE")


def chain_with_model(tail: bytes = STORE_OUTPUT, **changes: Any) -> tuple[Chain, bytes]:
    """A chain whose contract calls `mlp` on its call data and stores success and output."""
    probe = Chain(**changes)
    model = deploy(probe, mlp())
    chain = Chain({CONTRACT: Account(nonce=1, code=caller(model, 32, tail))}, **changes)
    assert deploy(chain, mlp()) == model
    return chain, model


def infer(chain: Chain, index: int = 1, **fields: Any) -> Any:
    return chain.transaction(index, **{"to": CONTRACT, "data": INPUT, "gas": 1_000_000, **fields})


def test_an_inference_is_committed_to_in_the_header() -> None:
    chain, model = chain_with_model()
    result = chain.must_mine(infer(chain, 1), infer(chain, 2, data=bytes(ROW)))
    expected = answer(mlp(), INPUT)
    first, second = result.sidecar.records
    assert (first.transaction_index, first.call_index, first.model) == (0, 0, model)
    assert (second.transaction_index, second.call_index) == (1, 0)
    assert first.steps_root == steps_root(expected.step_digests)
    assert result.sidecar.inputs == (INPUT, bytes(ROW))
    request = inference_request(result.sidecar.records)
    assert result.block.header.requests_hash == sha256(sha256(request).digest()).digest()
    word = expected.output + INPUT[len(expected.output) :] + bytes(32 - ROW)
    first_only = chain_with_model()[0]
    first_only.must_mine(infer(first_only))
    assert first_only.slot(CONTRACT, 1) == 1
    assert first_only.slot(CONTRACT, 0) == int.from_bytes(word, "big")


def test_a_block_without_inference_has_no_such_request() -> None:
    chain, _ = chain_with_model()
    assert chain.must_mine(chain.transaction(1)).block.header.requests_hash == sha256().digest()


def test_a_call_runs_the_model_too() -> None:
    chain, model = chain_with_model(asm(4, 0, "RETURN"))
    result = chain.call(to=CONTRACT, data=INPUT)
    assert result.success
    assert result.output == answer(mlp(), INPUT).output
    assert [record.model for record in result.inferences] == [model]


def test_an_estimate_is_enough_and_not_much_more() -> None:
    chain, _ = chain_with_model()
    gas = chain.estimate(sender=ADDRESSES[1], to=CONTRACT, data=INPUT)
    result = chain.must_mine(infer(chain, gas=gas))
    assert gas < result.receipts[0].gas_used * 1.04


def test_trace_opens_every_step() -> None:
    chain, _ = chain_with_model()
    parent = chain.head
    store = dict(chain.store)
    block = chain.must_mine(infer(chain, 1), infer(chain, 2, data=bytes(ROW))).block

    def trace(*where: int | None) -> tuple[InferenceTrace, ...]:
        return trace_inference(chain.config, store, parent, block, *where)  # type: ignore[arg-type]

    (one,) = trace(1)
    expected = answer(mlp(), bytes(ROW))
    assert tuple(step.digest for step in one.steps) == expected.step_digests
    assert one.steps[-1].tensor == expected.output
    assert (one.input, one.units) == (bytes(ROW), 1)
    assert trace(1, 0) == (one,)
    assert trace(1, 1) == ()
    assert trace(0) != (one,)


def altered_record(chain: Chain, built: BuildResult, **changes: Any) -> Sidecar:
    sidecar = built.result.sidecar
    records = list(sidecar.records)
    records[1] = replace(records[1], **changes)
    return replace(sidecar, records=tuple(records))


def altered_step(chain: Chain, built: BuildResult) -> Sidecar:
    digests = list(built.result.sidecar.step_digests)
    digests[1] = (digests[1][0], b"\x01" * 32, *digests[1][2:])
    changed = altered_record(chain, built, steps_root=steps_root(digests[1]))
    return replace(changed, step_digests=tuple(digests))


ALTERATIONS: list[tuple[str, Callable[[Chain, BuildResult], Sidecar], int | None]] = [
    ("output_digest", lambda c, b: altered_record(c, b, output_digest=b"\x01" * 32), None),
    ("field gas", lambda c, b: altered_record(c, b, gas=b.result.sidecar.records[1].gas + 1), None),
    ("field model", lambda c, b: altered_record(c, b, model=b"\x01" * 20), None),
    ("step digests", altered_step, 1),
    (
        "number of records",
        lambda _, b: replace(
            b.result.sidecar,
            records=b.result.sidecar.records[:1],
            step_digests=b.result.sidecar.step_digests[:1],
            inputs=b.result.sidecar.inputs[:1],
        ),
        None,
    ),
]


@pytest.mark.parametrize(("what", "alter", "step"), ALTERATIONS)
def test_an_altered_sidecar_is_its_carriers_fault(
    what: str, alter: Callable[[Chain, BuildResult], Sidecar], step: int | None
) -> None:
    chain, _ = chain_with_model()
    built = chain.build([infer(chain, 1), infer(chain, 2)])
    with pytest.raises(SidecarMismatch, match=what) as error:
        chain.import_block(built.result.block, alter(chain, built))
    assert (error.value.transaction, error.value.call, error.value.step) == (1, 0, step)
    assert chain.import_block(built.result.block) == built.result


@pytest.mark.parametrize(("what", "alter", "step"), ALTERATIONS)
def test_an_altered_block_is_invalid_and_the_place_is_named(
    what: str, alter: Callable[[Chain, BuildResult], Sidecar], step: int | None
) -> None:
    chain, _ = chain_with_model()
    built = chain.build([infer(chain, 1), infer(chain, 2)])
    sidecar = alter(chain, built)
    request = inference_request(sidecar.records)
    header = replace(built.result.block.header, requests_hash=requests_hash([request]))
    block = replace(built.result.block, header=header)
    with pytest.raises(InvalidBlock, match=what) as error:
        chain.import_block(block, sidecar)
    assert (error.value.transaction, error.value.call, error.value.step) == (1, 0, step)
    with pytest.raises(InvalidBlock, match="requests_hash mismatch") as error:
        chain.import_block(block)
    assert error.value.transaction is None
    # The true sidecar is not what this header commits to: it names no place.
    with pytest.raises(InvalidBlock, match="requests_hash mismatch") as error:
        chain.import_block(block, built.result.sidecar)
    assert error.value.transaction is None


def test_a_weight_bit_changes_the_block() -> None:
    chain, _ = chain_with_model()
    built = chain.build([infer(chain)])
    (key,) = [
        key for key in chain.store if key.startswith(b"chunk:") and len(chain.store[key]) > 99
    ]
    chunk = bytearray(chain.store[key])
    chunk[-1] ^= 1
    chain.store[key] = bytes(chunk)
    new_ledger(chain.config).models._loaded.clear()
    with pytest.raises(LocalFault, match="damaged"):
        chain.import_block(built.result.block)


def with_another_bit(model: Model) -> Model:
    """The model with the first bit of its weights changed that the rounding does not swallow."""
    for place in range(8 * len(model.weights)):
        weights = bytearray(model.weights)
        weights[place // 8] ^= 1 << place % 8
        altered = replace(model, weights=bytes(weights))
        if answer(altered, INPUT).step_digests != answer(model, INPUT).step_digests:
            return altered
    raise AssertionError


def test_a_proposer_with_another_weight_bit_is_told_the_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chain, _ = chain_with_model()
    altered = with_another_bit(mlp())

    def run(_: ModelStore, __: Any, ___: bytes, content: bytes, n: int, ____: Any) -> Inference:
        return load(altered, facts_of(altered), ReferenceBackend()).run(content, n)

    with monkeypatch.context() as proposer:
        proposer.setattr(ModelStore, "run", run)
        built = chain.build([chain.transaction(5), infer(chain, 1), infer(chain, 2)])
    with pytest.raises(InvalidBlock, match="inference differs: the step digests differ") as error:
        chain.import_block(built.result.block, built.result.sidecar)
    assert (error.value.transaction, error.value.call, error.value.step) == (1, 0, 0)


def test_the_inference_limit_defers_then_seals() -> None:
    chain, _ = chain_with_model()
    gas = chain.call(to=CONTRACT, data=INPUT).inferences[0].gas
    limited, _ = chain_with_model(inference_gas_limit=2 * gas)
    calls = [infer(limited, index) for index in (1, 2, 3, 4)]
    plain = limited.transaction(5)
    built = limited.mine(*calls[:3], plain)
    assert built.result.block.transactions == (calls[0], calls[1], plain)
    assert built.deferred == (calls[2],)
    built = limited.mine(infer(limited, 1), infer(limited, 2), calls[2], calls[3], plain)
    assert len(built.result.block.transactions) == 2
    assert built.deferred == (calls[2], calls[3])
    assert sum(record.gas for record in built.result.sidecar.records) == 2 * gas


def test_a_transaction_that_never_fits_is_dropped_with_both_figures() -> None:
    chain, _ = chain_with_model()
    gas = chain.call(to=CONTRACT, data=INPUT).inferences[0].gas
    limited, _ = chain_with_model(inference_gas_limit=gas - 1)
    built = limited.mine(infer(limited), limited.transaction(2))
    (rejection,) = built.rejected
    assert rejection.permanent
    assert str(gas) in rejection.reason
    assert str(gas - 1) in rejection.reason
    assert len(built.result.block.transactions) == 1
    with pytest.raises(CallFailed, match="inference gas limit exceeded"):
        limited.estimate(to=CONTRACT, data=INPUT)


def test_a_block_above_the_inference_limit_is_invalid() -> None:
    chain, _ = chain_with_model()
    gas = chain.call(to=CONTRACT, data=INPUT).inferences[0].gas
    limited, _ = chain_with_model(inference_gas_limit=gas)
    parent = chain.head
    assert parent == limited.head
    block = chain.build([infer(chain, 1), infer(chain, 2)]).result.block
    with pytest.raises(InvalidBlock, match="inference gas limit exceeded") as error:
        limited.import_block(block)
    assert error.value.transaction == 1


def test_a_faulty_fast_backend_is_found_out_and_no_block_called_invalid(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    chain, _ = chain_with_model()
    built = chain.build([infer(chain)])
    honest: Backend = new_ledger(chain.config).models.backend
    real = ModelStore.run

    def wrong(self: ModelStore, *arguments: Any) -> Inference:
        result = real(self, *arguments)
        if self.backend is not honest:
            return result
        return replace(result, output=bytes((result.output[0] ^ 1,)) + result.output[1:])

    monkeypatch.setattr(ModelStore, "run", wrong)
    store = new_ledger(chain.config).models
    monkeypatch.setattr(store, "backend", honest)
    assert chain.import_block(built.result.block, built.result.sidecar) == built.result
    assert "switched off" in caplog.text
    assert store.backend is not honest


def test_a_record_stays_when_its_frame_reverts() -> None:
    chain, _ = chain_with_model(asm(0, 0, "REVERT"))
    built = chain.mine(infer(chain))
    assert [receipt.status for receipt in built.result.receipts] == [0]
    (record,) = built.result.sidecar.records
    assert isinstance(record, InferenceRecord)
    assert built.result.block.header.requests_hash != sha256().digest()


def test_blocks_survive_their_encoding_with_models_in_them() -> None:
    chain, _ = chain_with_model()
    for result in chain.blocks[1:]:
        assert Block.decode(result.block.encode()) == result.block
