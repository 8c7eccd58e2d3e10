"""eth_: sending transactions, signed elsewhere or by the accounts of this node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.rpc import format as form
from node.rpc.errors import SERVER_ERROR, InvalidParamsError, RpcError
from node.rpc.methods.eth_fees import DEFAULT_TIP_WEI
from node.rpc.methods.eth_state import call_request
from node.rpc.transaction_request import TransactionRequest
from vm.transactions import decode_transaction
from vm.transition import estimate_gas

if TYPE_CHECKING:
    from node.app import Node


def accounts(node: Node) -> list[str]:
    """eth_accounts: the accounts that sign for callers."""
    return [form.data(address) for address in node.keyring.addresses]


def coinbase(node: Node) -> str:
    """eth_coinbase."""
    return form.data(node.coinbase)


def send_raw_transaction(node: Node, raw: bytes) -> str:
    """eth_sendRawTransaction: returns once the pool has it, mined when the node mines on demand."""
    return form.data(node.submit(decode_transaction(raw)))


def send_transaction(node: Node, request: TransactionRequest) -> str:
    """eth_sendTransaction from an account of this node."""
    return form.data(node.submit_own(lambda: decode_transaction(_sign(node, request))))


def sign_transaction(node: Node, request: TransactionRequest) -> dict[str, Any]:
    """eth_signTransaction."""
    raw = _sign(node, request)
    return {"raw": form.data(raw), "tx": form.transaction(decode_transaction(raw), None, None)}


def sign(node: Node, address: bytes, message: bytes) -> str:
    """eth_sign: a signature under Ethereum's message prefix."""
    _require_key(node, address)
    return form.data(node.keyring.sign_message(address, message))


def _require_key(node: Node, address: bytes) -> None:
    if address not in node.keyring:
        raise RpcError(SERVER_ERROR, "unknown account")


def _sign(node: Node, request: TransactionRequest) -> bytes:
    sender = request.sender
    if sender is None:
        if not node.keyring.addresses:
            raise RpcError(SERVER_ERROR, "unknown account")
        sender = node.keyring.addresses[0]
    _require_key(node, sender)
    own_id = node.chain.spec.vm_config.chain_id
    if request.chain_id not in {None, own_id}:
        raise InvalidParamsError(
            f"chainId does not match node's (have={request.chain_id}, want={own_id})"
        )
    if request.authorization_list:
        raise InvalidParamsError("set-code transactions can only be sent signed")
    fields: dict[str, Any] = {
        "chainId": own_id,
        "nonce": node.mempool.next_nonce(sender) if request.nonce is None else request.nonce,
        "gas": _gas(node, request, sender),
        "value": request.value,
        "data": request.data,
    }
    if request.to is not None:
        fields["to"] = request.to
    if request.access_list:
        fields["accessList"] = form.access_list(request.access_list)
    fields |= _fees(node, request)
    return node.keyring.sign_transaction(sender, fields)


def _gas(node: Node, request: TransactionRequest, sender: bytes) -> int:
    if request.gas is not None:
        return request.gas
    config, store, head = node.chain.spec.vm_config, node.chain.state_store, node.chain.head
    return estimate_gas(
        config,
        store,
        head,
        call_request(request, sender),
        node.call_gas_cap,
        block_hash_of=node.chain.hash_by_number,
        cancellation=node.chain.stopping,
    )


def _fees(node: Node, request: TransactionRequest) -> dict[str, int]:
    if request.gas_price is not None:
        # Type 1 has a gas price and an access list; a legacy transaction has only the first.
        kind = {"type": 1} if request.access_list else {}
        return {"gasPrice": request.gas_price, **kind}
    base_fee = node.next_base_fee()
    tip = request.max_priority_fee
    if tip is None:
        tip = DEFAULT_TIP_WEI if request.max_fee is None else min(DEFAULT_TIP_WEI, request.max_fee)
    max_fee = 2 * base_fee + tip if request.max_fee is None else request.max_fee
    if max_fee < tip:
        raise InvalidParamsError(f"maxFeePerGas ({max_fee}) < maxPriorityFeePerGas ({tip})")
    return {"type": 2, "maxFeePerGas": max_fee, "maxPriorityFeePerGas": tip}
