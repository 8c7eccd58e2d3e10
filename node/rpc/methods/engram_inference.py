"""engram_: running, tracing and proving inferences."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ai_ops.executor import Cancellation, StepTrace
from node.rpc import format as form
from node.rpc import parse
from node.rpc.errors import InvalidParamsError
from node.rpc.methods.eth_state import simulate
from node.rpc.parse import BlockRef
from node.rpc.resolve import state_header
from node.rpc.transaction_request import TransactionRequest
from vm import abi, records
from vm.block_run import BlockRun
from vm.blocks import Block
from vm.records import InferenceRecord, Sidecar
from vm.registry.calls import call_data
from vm.registry.layout import INFERENCE_ADDRESS
from vm.requests import requests_hash
from vm.tracing import InferenceTrace
from vm.tracing import trace_inference as trace

if TYPE_CHECKING:
    from node.app import Node

INFER = "infer(address,bytes)"


def infer(
    node: Node,
    model: bytes,
    content: bytes,
    ref: BlockRef | None = None,
    *,
    cancellation: Cancellation | None = None,
) -> dict[str, Any]:
    """engram_infer: run a model on input bytes, free, as a contract would."""
    request = TransactionRequest(to=INFERENCE_ADDRESS, data=call_data(INFER, model, content))
    result = simulate(node, request, state_header(node, ref), cancellation)
    (output,) = abi.decode(("bytes",), result.output)
    assert isinstance(output, bytes)
    return {"output": form.data(output), "gasUsed": form.quantity(result.gas_used)}


def trace_options(value: Any) -> bool:
    """Parse {"tensors": bool}: whether each step's output comes along."""
    if not isinstance(value, dict) or set(value) - {"tensors"}:
        raise ValueError('want an object with the member "tensors"')
    return parse.boolean(value.get("tensors", False))


def trace_inference(
    node: Node,
    transaction_hash: bytes,
    call: int | None = None,
    tensors: bool | None = None,
    *,
    cancellation: Cancellation | None = None,
) -> list[dict[str, Any]] | None:
    """engram_traceInference: every step of the inferences of a mined transaction.

    Null when the transaction is not mined; without a call index, all its calls.
    """
    place = node.chain.transaction(transaction_hash)
    if place is None:
        return None
    block_hash, index = place
    block = _block(node, block_hash)
    parent = node.chain.header_by_hash(block.header.parent_hash)
    assert parent is not None, "a mined transaction is above genesis"
    found = trace(
        node.chain.spec.vm_config,
        node.chain.state_store,
        parent,
        block,
        index,
        call,
        block_hash_of=node.chain.hash_by_number,
        cancellation=cancellation,
    )
    return [_trace(item, tensors=bool(tensors)) for item in found]


def get_inference_proof(
    node: Node,
    transaction_hash: bytes,
    call: int | None = None,
    step: int | None = None,
    *,
    cancellation: Cancellation | None = None,
) -> dict[str, Any] | None:
    """engram_getInferenceProof: a record, and one step of it, under the header's requests hash.

    Null when the transaction is not mined or made no record of that call.
    """
    place = node.chain.transaction(transaction_hash)
    if place is None:
        return None
    block_hash, index = place
    block = _block(node, block_hash)
    sidecar = node.chain.sidecar(block_hash) or Sidecar()
    wanted = (index, call or 0)
    position = next(
        (
            at
            for at, item in enumerate(sidecar.records)
            if (item.transaction_index, item.call_index) == wanted
        ),
        None,
    )
    if position is None:
        return None
    request = records.inference_request(sidecar.records)
    others = _other_requests(node, block, request, cancellation)
    proof = {
        "blockHash": form.data(block_hash),
        "requestsHash": form.data(block.header.requests_hash),
        "otherRequests": [form.data(item) for item in others],
        "request": form.data(request),
        "record": _record(sidecar.records[position]),
        "recordRlp": form.data(records.encode_record(sidecar.records[position])),
        "recordIndex": form.quantity(position),
        "recordCount": form.quantity(len(sidecar.records)),
        "recordPath": [form.data(item) for item in records.record_path(sidecar.records, position)],
    }
    if step is not None:
        proof |= _step_proof(sidecar.step_digests[position], step)
    return proof


def _block(node: Node, block_hash: bytes) -> Block:
    block = node.chain.block_by_hash(block_hash)
    assert block is not None, "a transaction index entry names a stored block"
    return block


def _other_requests(
    node: Node, block: Block, request: bytes, cancellation: Cancellation | None
) -> list[bytes]:
    """Return the sha256 of every request of the block but the inferences' own, in order."""
    if requests_hash((request,)) == block.header.requests_hash:
        return []
    # A block with deposits or withdrawals: they are not stored, so it is run again.
    parent = node.chain.header_by_hash(block.header.parent_hash)
    assert parent is not None
    run = BlockRun(
        node.chain.spec.vm_config,
        node.chain.state_store,
        parent,
        block.header,
        block_hash_of=node.chain.hash_by_number,
    )
    run.state.inference.cancellation = cancellation
    for transaction in block.transactions:
        run.add(transaction)
    run.finish(block.withdrawals)
    return [sha256(other).digest() for other in run.requests if other != request]


def _step_proof(digests: tuple[bytes, ...], step: int) -> dict[str, Any]:
    if step >= len(digests):
        raise InvalidParamsError(f"invalid argument 2: the inference has {len(digests)} steps")
    return {
        "stepDigest": form.data(digests[step]),
        "stepIndex": form.quantity(step),
        "stepCount": form.quantity(len(digests)),
        "stepPath": [form.data(item) for item in records.step_path(digests, step)],
    }


def _record(value: InferenceRecord) -> dict[str, Any]:
    return {
        "transactionIndex": form.quantity(value.transaction_index),
        "callIndex": form.quantity(value.call_index),
        "model": form.data(value.model),
        "inputDigest": form.data(value.input_digest),
        "outputDigest": form.data(value.output_digest),
        "stepsRoot": form.data(value.steps_root),
        "gas": form.quantity(value.gas),
    }


def _trace(value: InferenceTrace, *, tensors: bool) -> dict[str, Any]:
    return {
        "record": _record(value.record),
        "input": form.data(value.input),
        "units": value.units,
        "steps": [_step(item, tensors=tensors) for item in value.steps],
    }


def _step(value: StepTrace, *, tensors: bool) -> dict[str, Any]:
    step: dict[str, Any] = {
        "index": value.index,
        "operator": value.operator,
        "dtype": value.dtype,
        "shape": list(value.shape),
        "minimum": value.minimum,
        "maximum": value.maximum,
        "digest": form.data(value.digest),
    }
    if tensors:
        step["tensor"] = form.data(value.tensor)
    return step
