"""eth_: reads of the state, simulated calls, proofs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ai_ops.executor import Cancellation
from node.rpc import format as form
from node.rpc import parse
from node.rpc.errors import EXECUTION_REVERTED, SERVER_ERROR, RpcError
from node.rpc.parse import BlockRef
from node.rpc.reasons import revert_message
from node.rpc.resolve import state_header
from node.rpc.transaction_request import TransactionRequest
from vm import world
from vm.blocks import Header
from vm.transition import CallRequest, CallResult, call, estimate_gas

if TYPE_CHECKING:
    from node.app import Node

MAX_PROOF_SLOTS = 1_024


def get_balance(node: Node, address: bytes, ref: BlockRef | None = None) -> str:
    """eth_getBalance."""
    header = state_header(node, ref)
    account = world.account(node.chain.state_store, header.state_root, address)
    return form.quantity(account.balance)


def get_transaction_count(node: Node, address: bytes, ref: BlockRef | None = None) -> str:
    """eth_getTransactionCount; `pending` counts the pool too."""
    if ref is not None and ref.tag == "pending":
        return form.quantity(node.mempool.next_nonce(address))
    header = state_header(node, ref)
    return form.quantity(world.account(node.chain.state_store, header.state_root, address).nonce)


def get_code(node: Node, address: bytes, ref: BlockRef | None = None) -> str:
    """eth_getCode."""
    header = state_header(node, ref)
    return form.data(world.code(node.chain.state_store, header.state_root, address))


def get_storage_at(node: Node, address: bytes, slot: int, ref: BlockRef | None = None) -> str:
    """eth_getStorageAt."""
    header = state_header(node, ref)
    value = world.storage(node.chain.state_store, header.state_root, address, slot)
    return form.data(value.to_bytes(32, "big"))


def slots(value: Any) -> tuple[int, ...]:
    """Parse the list of storage slots of eth_getProof."""
    if not isinstance(value, list) or len(value) > MAX_PROOF_SLOTS:
        raise ValueError(f"want an array of at most {MAX_PROOF_SLOTS} storage slots")
    return tuple(parse.slot(item) for item in value)


def get_proof(
    node: Node, address: bytes, wanted: tuple[int, ...], ref: BlockRef | None = None
) -> dict[str, Any]:
    """eth_getProof: presence or absence of an account and of its slots under the state root."""
    header = state_header(node, ref)
    proof = world.proof(node.chain.state_store, header.state_root, address, wanted)
    return {
        "address": form.data(address),
        "accountProof": [form.data(item) for item in proof.account_proof],
        "balance": form.quantity(proof.balance),
        "codeHash": form.data(proof.code_hash),
        "nonce": form.quantity(proof.nonce),
        "storageHash": form.data(proof.storage_root),
        "storageProof": [
            {
                "key": form.quantity(entry.slot),
                "value": form.quantity(entry.value),
                "proof": [form.data(item) for item in entry.proof],
            }
            for entry in proof.storage_proofs
        ],
    }


def call_request(request: TransactionRequest, sender: bytes | None = None) -> CallRequest:
    """Return what the state transition simulates for `request`, as sent by `sender`."""
    max_fee, tip = request.max_fee, request.max_priority_fee
    if request.gas_price is not None:
        max_fee = tip = request.gas_price
    elif max_fee is None:
        # A tip alone does not make a caller pay: without a fee the call is free.
        tip = None
    return CallRequest(
        sender=sender or request.sender or bytes(20),
        to=request.to,
        gas=request.gas,
        max_fee=max_fee,
        max_priority_fee=tip,
        value=request.value,
        data=request.data,
        access_list=request.access_list or (),
    )


def simulate(
    node: Node,
    request: TransactionRequest,
    header: Header,
    cancellation: Cancellation | None = None,
) -> CallResult:
    """Run a call on the state of a block and return what it did.

    Raises
    ------
    RpcError
        When it reverted (code 3, with the revert data) or halted.
    Cancelled
        When nobody waits for it any more.
    """
    result = call(
        node.chain.spec.vm_config,
        node.chain.state_store,
        header,
        call_request(request),
        node.call_gas_cap,
        block_hash_of=node.chain.hash_by_number,
        cancellation=cancellation,
    )
    if result.success:
        return result
    if result.error is None or result.error == "execution reverted":
        raise RpcError(EXECUTION_REVERTED, revert_message(result.output), form.data(result.output))
    raise RpcError(SERVER_ERROR, result.error)


def eth_call(
    node: Node,
    request: TransactionRequest,
    ref: BlockRef | None = None,
    *,
    cancellation: Cancellation | None = None,
) -> str:
    """eth_call: free, also when it runs models."""
    return form.data(simulate(node, request, state_header(node, ref), cancellation).output)


def eth_estimate_gas(
    node: Node,
    request: TransactionRequest,
    ref: BlockRef | None = None,
    *,
    cancellation: Cancellation | None = None,
) -> str:
    """eth_estimateGas: the least gas limit with which the transaction succeeds."""
    header = state_header(node, ref)
    return form.quantity(
        estimate_gas(
            node.chain.spec.vm_config,
            node.chain.state_store,
            header,
            call_request(request),
            node.call_gas_cap,
            block_hash_of=node.chain.hash_by_number,
            cancellation=cancellation,
        )
    )
