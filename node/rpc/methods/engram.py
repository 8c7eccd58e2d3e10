"""The engram_ namespace: models on chain, what calling them costs, and proofs of what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ai_ops import merkle
from ai_ops.graph import Port
from node.rpc import format as form
from node.rpc import parse
from node.rpc.errors import SERVER_ERROR, InvalidParamsError, RpcError
from node.rpc.method import Method, Weight
from node.rpc.methods import engram_inference as inference
from node.rpc.parse import BlockRef
from node.rpc.resolve import state_header
from vm import world
from vm.registry import chunks, facts, layout, reads
from vm.registry.facts import Registry, Terms
from vm.registry.layout import REGISTRY_ADDRESS

if TYPE_CHECKING:
    from node.app import Node


def registry_at(node: Node, ref: BlockRef | None) -> Registry:
    """Return the registry in the state of a block."""
    header = state_header(node, ref)
    store = node.chain.state_store
    return reads.reader(
        lambda slot: world.storage(store, header.state_root, REGISTRY_ADDRESS, slot),
        store.get,
        header.number,
    )


def list_models(node: Node, ref: BlockRef | None = None) -> list[dict[str, Any]]:
    """engram_listModels: every model, in order of creation."""
    return [model(info) for info in reads.list_models(registry_at(node, ref))]


def get_model(node: Node, address: bytes, ref: BlockRef | None = None) -> dict[str, Any] | None:
    """engram_getModel: one model by its address, or null."""
    info = reads.model_info(registry_at(node, ref), address)
    return None if info is None else model(info)


def estimate_inference_gas(
    node: Node, address: bytes, input_size: int | None = None, ref: BlockRef | None = None
) -> dict[str, str]:
    """engram_estimateInferenceGas: the price of a first call in a transaction, part by part.

    `gas` is their sum: what a contract's gas counter loses by an INFER, author fee included.
    """
    registry = registry_at(node, ref)
    terms = facts.terms(registry, address)
    if not isinstance(terms, Terms):
        raise RpcError(SERVER_ERROR, f"the model is not callable: it is {terms.name.lower()}")
    size = terms.input_size(1) if input_size is None else input_size
    price = reads.inference_price(registry, node.chain.spec.vm_config.prices, address, size)
    if price is None:
        raise InvalidParamsError(
            f"invalid argument 1: the model takes {terms.input_size(1)} bytes"
            + (f", or {terms.input_unit} more a unit" if terms.input_unit else "")
            + f", not {size}"
        )
    return {
        "gas": form.quantity(price.total),
        "access": form.quantity(price.access),
        "inputWords": form.quantity(price.input_words),
        "outputWords": form.quantity(price.output_words),
        "computation": form.quantity(price.computation),
        "coldLoad": form.quantity(price.cold_load),
        "authorFee": form.quantity(price.fee),
    }


def get_chunk(
    node: Node, address: bytes, index: int, ref: BlockRef | None = None
) -> dict[str, Any] | None:
    """engram_getChunk: a chunk of a model with its Merkle path to the model id.

    Null when there is no such model or chunk, or when the chunk is not on chain yet.
    """
    registry = registry_at(node, ref)
    identity = facts.identity(registry, address)
    if identity is None or index >= identity.chunks:
        return None
    digests = chunks.load_digests(registry, address)
    if not chunks.present_length(registry, digests[index]):
        return None
    return {
        "modelId": form.data(facts.model_id(registry, address)),
        "index": form.quantity(index),
        "count": form.quantity(identity.chunks),
        "digest": form.data(digests[index]),
        "data": form.data(chunks.load_chunk(registry, digests[index])),
        "path": [form.data(item) for item in merkle.merkle_path(digests, index)],
        # The words whose proofs (eth_getProof of the registry) tie it to the state root.
        "modelIdSlot": form.quantity(layout.model_slot(address, layout.MODEL_ID)),
        "presentSlot": form.quantity(layout.present_slot(digests[index])),
    }


def model(info: reads.ModelInfo) -> dict[str, Any]:
    """Return a model; name, inputs and outputs are known once it is active."""
    manifest = info.manifest
    return {
        "address": form.data(info.address),
        "modelId": form.data(info.model_id),
        "name": None if manifest is None else manifest.name,
        "status": info.status.name.lower(),
        "author": form.data(info.author),
        "payee": form.data(info.payee),
        "feeGas": form.quantity(info.fee),
        "size": form.quantity(info.size),
        "chunks": form.quantity(info.chunks),
        "macs": form.quantity(info.macs),
        "rejectionCode": info.code or None,
        "maximumUnits": None if manifest is None else manifest.maximum_units,
        "inputs": [] if manifest is None else [port(item) for item in manifest.inputs],
        "outputs": [] if manifest is None else [port(item) for item in manifest.outputs],
    }


def port(value: Port) -> dict[str, Any]:
    """Return an input or output: real value = integer x mantissa x 2^exponent; -1 is n."""
    return {
        "name": value.name,
        "dtype": value.dtype.name.lower(),
        "shape": list(value.shape),
        "scale": {"mantissa": value.scale_mantissa, "exponent": value.scale_exponent},
        "minimum": value.minimum,
        "maximum": value.maximum,
        "bytes": value.type.size(1),
    }


METHODS: Final[dict[str, Method]] = {
    "engram_estimateInferenceGas": Method(
        estimate_inference_gas, (parse.address,), (parse.count, parse.block)
    ),
    "engram_getChunk": Method(
        get_chunk, (parse.address, parse.count), (parse.block,), Weight.HEAVY
    ),
    "engram_getInferenceProof": Method(
        inference.get_inference_proof,
        (parse.hash32,),
        (parse.count, parse.count),
        Weight.EXECUTION,
    ),
    "engram_getModel": Method(get_model, (parse.address,), (parse.block,), Weight.HEAVY),
    "engram_infer": Method(
        inference.infer, (parse.address, parse.data), (parse.block,), Weight.EXECUTION
    ),
    "engram_listModels": Method(list_models, (), (parse.block,), Weight.HEAVY),
    "engram_traceInference": Method(
        inference.trace_inference,
        (parse.hash32,),
        (parse.count, inference.trace_options),
        Weight.EXECUTION,
    ),
}
