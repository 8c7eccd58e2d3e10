"""Calls made to break a node: very many, very many cold models, models that come and go in a block.

Every block is built and imported again (`Chain.mine`), then imported by stores that remember
nothing, little or all, as after a restart or an eviction: same roots, gas and records.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

import vm.inference
from ai_ops import merkle
from ai_ops.backends import select_backend
from ai_ops.backends.base import Backend
from ai_ops.executor import LoadedModel
from ai_ops.graph import Model
from ai_ops.model import encode_model
from tests.ai_ops.models import mlp
from tests.support.chain import ADDRESSES, Chain
from tests.support.chain_models import registry_call
from tests.support.inference import asm
from tests.support.inference_models import ROW, answer
from vm.ahead import run_in_turn
from vm.blocks import Block
from vm.errors import InvalidBlock
from vm.models import ModelStore
from vm.records import Sidecar, content_digest
from vm.registry import calls
from vm.registry.layout import REGISTRY_ADDRESS, model_address
from vm.results import Account, BlockResult
from vm.transactions import Transaction
from vm.transition import import_block

MANY, RELAY, REVERTER, SENDER = (bytes((byte,)) * 20 for byte in (0xC1, 0xC2, 0xC3, 0xC4))
MODELS, CALLS = 64, 1_000
JUMPDEST, DUP1, SWAP1, SUB = b"\x5b", b"\x80", b"\x90", b"\x03"


class CountingStore(ModelStore):
    """A store that counts how often a model was made ready, and watches its cache's size."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.prepared = 0
        self.largest = 0

    def _prepare(self, *arguments: Any) -> LoadedModel:
        self.prepared += 1
        return super()._prepare(*arguments)

    def run(self, *arguments: Any) -> Any:
        result = super().run(*arguments)
        self.largest = max(self.largest, self.cache.size)
        return result


def variant(index: int) -> Model:
    """`mlp` with other weights: another model id."""
    model = mlp()
    return replace(model, weights=bytes((index, index ^ 0x5A)) + model.weights[2:])


VARIANTS = tuple(variant(index) for index in range(MODELS))
DATA = tuple(encode_model(model) for model in VARIANTS)
ONE = DATA[0]
HELD = 20_000
"""More bytes than one of them takes ready, and less than four of them."""
WEIGHTS = len(mlp().weights)
# Two weights and two operators; rounded up from units of 2**-16 gas.
LOAD = 4 * 700 - (-((len(ONE) - WEIGHTS) * 16_384 + WEIGHTS * 1_311) // 2**16)


def address_of(data: bytes, author: bytes = ADDRESSES[0]) -> bytes:
    return model_address(author, merkle.model_id(data))


def header_of(data: bytes) -> bytes:
    return calls.model_header(merkle.model_id(data), len(data), merkle.leaf_digests(data))


def pushed(model: bytes) -> int:
    return int.from_bytes(model, "big")


def calling_all() -> bytes:
    """Call the 64 models that the call data names, on zeros, and keep the last word of outputs."""
    parts = [
        asm(4, 4_096 + 4 * index, ROW, 0, 32 * index, "CALLDATALOAD", "INFER", "POP")
        for index in range(MODELS)
    ]
    kept = asm(4_096 + 4 * MODELS - 32, "MLOAD", 0, "SSTORE")
    return b"".join(parts) + kept + asm("STOP")


def calling_often(model: bytes) -> bytes:
    """Call a model 1,000 times in a loop, each time on its last output."""
    head = asm(CALLS)
    body = JUMPDEST + asm(4, 0, ROW, 0, pushed(model), "INFER", "POP", 1, SWAP1, SUB, DUP1)
    return head + body + asm(len(head), "JUMPI", 0, "MLOAD", 0, "SSTORE", "STOP")


def relaying(author: bytes, tail: bytes) -> bytes:
    """Create, upload and activate a model that the call data spells out, and call it at once."""
    code, at = asm("CALLDATASIZE", 0, 0, "CALLDATACOPY"), 0
    for message in upload_of(author):
        to = pushed(REGISTRY_ADDRESS)
        code += asm(0, 0, len(message), at, 0, to, "GAS", "CALL", "POP")
        at += len(message)
    model = pushed(address_of(ONE, author))
    return (
        code + asm(4, 0, ROW, 2 * at, model, "INFER", 1, "SSTORE", 0, "MLOAD", 2, "SSTORE") + tail
    )


def upload_of(author: bytes) -> tuple[bytes, ...]:
    model = address_of(ONE, author)
    return (
        calls.call_data(calls.CREATE_MODEL, header_of(ONE)),
        calls.call_data(calls.PUT_CHUNK, model, 0, ONE),
        calls.call_data(calls.ACTIVATE, model),
    )


def contracts() -> dict[bytes, Account]:
    codes = {
        MANY: calling_all(),
        SENDER: calling_often(address_of(ONE)),
        RELAY: relaying(RELAY, asm("STOP")),
        REVERTER: relaying(REVERTER, asm(0, 0, "REVERT")),
    }
    return {address: Account(nonce=1, code=code) for address, code in codes.items()}


@pytest.fixture(scope="module")
def grown() -> Chain:
    """A chain with 64 models, brought in by three blocks."""
    chain = Chain(contracts())
    for signature, arguments in (
        (calls.CREATE_MODEL, lambda data: (header_of(data),)),
        (calls.PUT_CHUNK, lambda data: (address_of(data), 0, data)),
        (calls.ACTIVATE, lambda data: (address_of(data),)),
    ):
        chain.must_mine(
            *(
                registry_call(
                    chain, signature, *arguments(data), gas=400_000, nonce=nonce_of(chain) + index
                )
                for index, data in enumerate(DATA)
            )
        )
    return chain


def nonce_of(chain: Chain) -> int:
    return chain.transaction(0).nonce


@pytest.fixture
def chain(grown: Chain) -> Chain:
    """The same chain for each test, which may add blocks to its own copy."""
    copy = Chain(contracts())
    copy.store, copy.headers = dict(grown.store), list(grown.headers)
    copy.blocks = list(grown.blocks)
    return copy


def imported_by(
    monkeypatch: pytest.MonkeyPatch, chain: Chain, result: BlockResult, store: ModelStore
) -> BlockResult:
    monkeypatch.setattr(vm.inference, "shared_store", lambda _: store)
    return chain.import_block(Block.decode(result.block.encode()), result.sidecar)


def stores(chain: Chain, backend: Backend) -> Iterator[CountingStore]:
    """Stores whose caches hold only the last model, a few, all."""
    for cache_bytes in (0, 3 * HELD, 2**30):
        yield CountingStore(backend, chain.config.limits, cache_bytes=cache_bytes)


def all_models(chain: Chain, index: int = 1) -> Transaction:
    data = b"".join(bytes(12) + address_of(each) for each in DATA)
    return chain.transaction(index, to=MANY, data=data, gas=2_000_000)


def test_64_cold_models_in_one_block_cost_their_loads_and_the_cache_keeps_its_bound(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = chain.build([all_models(chain, 1), all_models(chain, 2)]).result
    records = built.sidecar.records
    assert [record.model for record in records] == [address_of(data) for data in DATA] * 2
    assert [record.output_digest for record in records[:MODELS]] == [
        content_digest(answer(model, bytes(ROW)).output) for model in VARIANTS
    ]
    # Every transaction pays each load again, whatever this machine has in its cache.
    assert [record.gas for record in records[:MODELS]] == [
        record.gas for record in records[MODELS:]
    ]
    for name in ("reference", "cpu"):
        for store in stores(chain, select_backend(name)):
            assert imported_by(monkeypatch, chain, built, store) == built
            assert store.largest <= max(store.cache.bound, HELD)
            # What is evicted before it comes again is made ready again; what stays is not.
            everything = store.cache.bound == 2**30
            assert store.prepared == (MODELS if everything else 2 * MODELS)
            if everything:
                assert MODELS * HELD // 4 < store.largest < MODELS * HELD
                assert imported_by(monkeypatch, chain, built, store) == built
                assert store.prepared == MODELS
                store.cache.clear()
                assert imported_by(monkeypatch, chain, built, store) == built
                assert store.prepared == 2 * MODELS


def test_a_cache_of_one_model_keeps_the_last_one(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = chain.build([all_models(chain)]).result
    often = chain.build([chain.transaction(1, to=SENDER, gas=15_000_000)]).result
    backend = select_backend("reference")
    store = CountingStore(backend, chain.config.limits, cache_bytes=1)
    assert imported_by(monkeypatch, chain, often, store) == often
    assert store.prepared == 1
    assert imported_by(monkeypatch, chain, once, store) == once
    assert store.prepared == MODELS  # the first was still there
    assert 0 < store.cache.size <= store.largest <= HELD
    assert imported_by(monkeypatch, chain, often, store) == often
    assert store.prepared == MODELS + 1


def test_a_thousand_calls_of_one_model_load_it_once_and_are_all_recorded(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = chain.transaction(1, to=SENDER, gas=15_000_000)
    built = chain.mine(call).result
    (receipt,) = built.receipts
    records = built.sidecar.records
    assert receipt.status == 1
    assert len(records) == CALLS
    assert [record.call_index for record in records] == list(range(CALLS))
    first, *rest = (record.gas for record in records)
    assert rest == [rest[0]] * (CALLS - 1)
    assert first - rest[0] == LOAD
    assert receipt.gas_used > sum(record.gas for record in records) == first + sum(rest)
    content = bytes(ROW)
    for record in records:
        assert record.input_digest == content_digest(content)
        content = answer(VARIANTS[0], content).output + content[4:]
    parent = Chain(contracts())
    parent.store, parent.headers = chain.store, chain.headers[:-1]
    for name in ("reference", "cpu"):
        for store in stores(chain, select_backend(name)):
            assert imported_by(monkeypatch, parent, built, store) == built
            assert store.prepared == 1


def relay(chain: Chain, to: bytes, index: int = 1) -> Transaction:
    """The three messages, then room for the input, which is zeros."""
    messages = b"".join(upload_of(to))
    return chain.transaction(index, to=to, data=messages, gas=2_000_000)


def test_upload_activation_and_call_in_one_transaction(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = chain.build([relay(chain, RELAY)]).result
    (record,) = built.sidecar.records
    assert built.receipts[0].status == 1
    assert record.model == address_of(ONE, RELAY)
    assert record.output_digest == content_digest(answer(VARIANTS[0], bytes(ROW)).output)
    for store in stores(chain, select_backend("cpu")):
        assert imported_by(monkeypatch, chain, built, store) == built
        assert store.prepared == 1


def test_a_model_whose_activation_is_undone_is_gone_though_the_cache_knows_it(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its frame reverts after the call, and the chunks and status with it; the record stays."""
    probe = chain.transaction(2, to=REVERTER, data=b"", gas=1_000_000)
    built = chain.mine(relay(chain, REVERTER), probe, all_models(chain, 3)).result
    undone, _, fine = built.receipts
    assert (undone.status, fine.status) == (0, 1)
    # One record of the undone call, none of the one that finds no model, 64 of the models.
    assert [record.transaction_index for record in built.sidecar.records] == [0] + [2] * MODELS
    assert chain.slot(REVERTER, 2) == 0
    model = address_of(ONE, REVERTER)
    known = chain.call(to=REGISTRY_ADDRESS, data=calls.call_data(calls.INFO, model))
    assert known.success
    assert known.output == bytes(len(known.output))
    parent = Chain(contracts())
    parent.store, parent.headers = chain.store, chain.headers[:-1]
    for store in stores(chain, select_backend("cpu")):
        assert imported_by(monkeypatch, parent, built, store) == built


def test_nothing_replaces_or_removes_a_model_within_a_block_of_calls(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deprecation leaves it callable; creating, uploading and activating it again is refused."""
    model, nonce = address_of(ONE), nonce_of(chain)
    again = (
        (calls.DEPRECATE, (model,)),
        (calls.CREATE_MODEL, (header_of(ONE),)),
        (calls.PUT_CHUNK, (model, 0, ONE)),
        (calls.ACTIVATE, (model,)),
        (calls.DEPRECATE, (model,)),
    )
    middle = [
        registry_call(chain, signature, *values, gas=400_000, nonce=nonce + index)
        for index, (signature, values) in enumerate(again)
    ]
    built = chain.build([all_models(chain, 1), *middle, all_models(chain, 2)]).result
    assert [receipt.status for receipt in built.receipts] == [1, 1, 0, 0, 0, 0, 1]
    before, after = built.sidecar.records[:MODELS], built.sidecar.records[MODELS:]
    assert [r.output_digest for r in before] == [r.output_digest for r in after]
    assert [r.gas for r in before] == [r.gas for r in after]
    for store in stores(chain, select_backend("cpu")):
        assert imported_by(monkeypatch, chain, built, store) == built


def test_a_false_announcement_of_many_models_makes_none_ready_beyond_the_caches_bound(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sidecar is advice: it names 64 cold models for a block that calls none of them."""
    honest = chain.build([all_models(chain)]).result
    empty = chain.build([chain.transaction(1)]).result
    store = CountingStore(select_backend("reference"), chain.config.limits, cache_bytes=3 * HELD)
    monkeypatch.setattr(vm.inference, "shared_store", lambda _: store)
    announced: list[int] = []

    def run(batches: Any) -> Any:
        announced.append(len(batches))
        return run_in_turn(batches)

    result = import_block(
        chain.config, chain.store, chain.head, honest.block, honest.sidecar, run_ahead=run
    )
    assert result == honest
    assert 3 <= announced[0] < 12
    false = Sidecar(
        records=honest.sidecar.records,
        step_digests=honest.sidecar.step_digests,
        inputs=honest.sidecar.inputs,
    )
    with pytest.raises(Exception, match="number of records"):
        import_block(chain.config, chain.store, chain.head, empty.block, false, run_ahead=run)
    assert announced[1] < 12


def test_an_announcement_pays_for_loads_out_of_the_blocks_inference_gas(
    chain: Chain,
) -> None:
    """Room for five calls with their loads is room for five models and no more."""
    honest = chain.build([all_models(chain)]).result
    each = honest.sidecar.records[1].gas
    config = replace(chain.config, inference_gas_limit=5 * each + each // 2)
    assert 6 * (each - LOAD) < config.inference_gas_limit  # without their loads six would fit
    announced: list[int] = []

    def run(batches: Any) -> Any:
        announced.append(len(batches))
        return run_in_turn(batches)

    with pytest.raises(InvalidBlock):
        import_block(config, chain.store, chain.head, honest.block, honest.sidecar, run_ahead=run)
    assert announced == [5]
