"""Tools read the registry over plain storage words, and a script proves a chunk without our code."""

from __future__ import annotations

from blake3 import blake3
from eth_hash.auto import keccak
from eth_typing import Address

from ai_ops import merkle
from ai_ops.model import encode_model
from tests.ai_ops.models import mlp, random_bytes
from tests.support.inference import (
    AUTHOR,
    BLOCK,
    InferenceState,
    create,
    deploy,
    new_state,
    registry,
    send,
)
from tests.support.inference_models import ROW, facts_of
from vm.instructions.contract import INFER
from vm.registry import calls, reads
from vm.registry.facts import Registry, Status
from vm.registry.layout import INFERENCE_ADDRESS, REGISTRY_ADDRESS


def view(state: InferenceState) -> Registry:
    return reads.reader(
        lambda slot: state.get_storage(Address(REGISTRY_ADDRESS), slot), state.read_chunk, BLOCK
    )


def test_models_are_listed_with_their_manifest() -> None:
    state, model = new_state(), mlp()
    active = deploy(state, model)
    waiting = create(state, random_bytes(70_000, 5))
    rejected = deploy(state, b"\xc0" * 50)
    listed = reads.list_models(view(state))
    assert [info.address for info in listed] == [active, waiting, rejected]
    assert [info.status for info in listed] == [Status.ACTIVE, Status.CREATED, Status.REJECTED]
    first = listed[0]
    assert first.manifest == model.manifest
    assert (first.author, first.payee, first.fee, first.code) == (AUTHOR, AUTHOR, 0, 0)
    assert (first.size, first.macs) == (len(encode_model(model)), facts_of(model).macs)
    assert first.model_id == merkle.model_id(encode_model(model))
    assert listed[2].code > 0
    assert listed[1].manifest is None
    assert reads.model_info(view(state), b"\1" * 20) is None


def test_bytes_missing_chunks_and_digests() -> None:
    state = new_state()
    data = random_bytes(140_000, 6)
    address = create(state, data)
    chunks = merkle.chunks(data)
    assert reads.missing_chunks(view(state), address) == (0, 1, 2)
    for index, chunk in enumerate(chunks):
        registry(state, calls.PUT_CHUNK, address, index, chunk).raise_if_error()
    assert reads.missing_chunks(view(state), address) == ()
    assert reads.model_bytes(view(state), address) == data
    data_id = registry(state, calls.PUT_DATA, b"object").output
    assert list(reads.data_ids(view(state))) == [data_id]
    needed = list(reads.chunk_digests(view(state)))
    assert {b"chunk:" + digest for digest in needed} == set(state.chunk_store)


def test_the_price_is_what_a_first_call_costs() -> None:
    state = new_state()
    address = deploy(state, mlp())
    price = reads.inference_price(view(state), state.vm_config.prices, address, ROW)
    assert price is not None
    call = calls.call_data(INFER, address, bytes(ROW))
    assert send(state, INFERENCE_ADDRESS, call).get_gas_used() == price.total
    for model, size in ((address, ROW + 1), (b"\1" * 20, ROW)):
        assert reads.inference_price(view(state), state.vm_config.prices, model, size) is None


def test_an_outside_script_verifies_a_chunk() -> None:
    """Only keccak, BLAKE3 and storage words: what docs/spec/06-registry.md promises."""
    state = new_state()
    data = random_bytes(200_000, 8)
    address = create(state, data)
    for index, part in enumerate(merkle.chunks(data)):
        registry(state, calls.PUT_CHUNK, address, index, part).raise_if_error()

    def word(slot: int) -> int:
        return state.get_storage(Address(REGISTRY_ADDRESS), slot)

    index, count = 2, 4
    chunk = data[index * 65_536 : (index + 1) * 65_536]
    leaf = blake3(b"\0" + chunk).digest()
    path = merkle.merkle_path(merkle.leaf_digests(data), index)
    present = int.from_bytes(keccak(leaf + (2).to_bytes(32, "big")), "big")
    assert word(present) == len(chunk)
    base = int.from_bytes(keccak(address.rjust(32, b"\0") + (4).to_bytes(32, "big")), "big")
    model_id = word(base).to_bytes(32, "big")
    right = blake3(b"\1" + leaf + path[0]).digest()
    assert blake3(b"\1" + path[1] + right).digest() == model_id
    assert word(base + 2) >> 224 == count
    author = word(base + 2) & (2**160 - 1)
    preimage = b"\xff" + REGISTRY_ADDRESS + author.to_bytes(20, "big") + model_id
    assert keccak(preimage)[12:] == address
