"""One transaction from purchase of gas to payment of fees (yellow paper, section 6)."""

from __future__ import annotations

from dataclasses import dataclass

from eth.abc import ComputationAPI, MessageAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.exceptions import ContractCreationCollision, VMError
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.message import Message
from eth_typing import Address

from vm import rlp
from vm.blobs import total_blob_gas
from vm.crypto import keccak
from vm.fork import EngramState, transaction_context
from vm.receipts import Log
from vm.settlement import settle
from vm.transaction_rules import (
    AUTHORIZATION_GAS,
    DELEGATION_PREFIX,
    MAX_NONCE,
    floor_gas,
    intrinsic_gas,
    is_delegation,
)
from vm.transactions import Transaction

AUTHORIZED_ACCOUNT_GAS = 12_500
ZERO_ADDRESS = bytes(20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one transaction did.

    ``gas_used`` is execution gas after refund and floor; ``author_fee_gas`` the units credited to
    payees besides; ``error`` None on success; ``output`` the return or revert data.
    """

    error: VMError | None
    output: bytes
    gas_used: int
    refund: int
    author_fee_gas: int
    effective_gas_price: int
    contract_address: bytes | None
    logs: tuple[Log, ...]


def execute_transaction(state: EngramState, transaction: Transaction, index: int) -> Outcome:
    """Run a transaction that passed `vm.transaction_rules.validate_transaction`.

    Parameters
    ----------
    state : EngramState
        Changed in place; the undo log still holds every change when this returns.
    transaction : Transaction
    index : int
        Its index in the block.
    """
    price = transaction.effective_gas_price(state.header.base_fee)
    sender, floor = Address(transaction.sender), floor_gas(transaction)
    contract = _buy_gas(state, transaction, price)
    refund = _set_delegations(state, transaction)
    message = _message(state, transaction, contract, refund)
    _warm_up(state, transaction, message)
    state.inference.begin_transaction(index, transaction.gas_limit, floor)
    context = transaction_context(sender, price, transaction.blob_hashes)
    computation = _run(state, message, context)
    credits_ = state.inference.credited(state)
    settlement = settle(
        limit=transaction.gas_limit,
        left=computation.get_gas_remaining(),
        drawn=state.inference.drawn,
        credited=sum(units for _, units in credits_),
        refund_counter=computation.get_gas_refund(),
        floor=floor,
        price=price,
        base_fee=state.header.base_fee,
    )
    state.inference.end_transaction()
    state.delta_balance(sender, settlement.returned_wei)
    for payee, units in credits_:
        if units * price:
            state.delta_balance(Address(payee), units * price)
    _pay_coinbase(state, settlement.coinbase_wei)
    for address in sorted(computation.get_accounts_for_deletion()):
        state.delete_account(address)
    state.journal.remove_touched_empty_accounts()
    return Outcome(
        error=computation.error if computation.is_error else None,
        output=computation.output,
        gas_used=settlement.gas_used,
        refund=settlement.refund,
        author_fee_gas=sum(units for _, units in credits_),
        effective_gas_price=price,
        contract_address=contract,
        logs=_logs(computation),
    )


def contract_address(sender: bytes, nonce: int) -> bytes:
    """Return the address of the contract that ``sender`` creates with this nonce."""
    return keccak(rlp.encode((sender, rlp.integer(nonce))))[12:]


def _buy_gas(state: EngramState, transaction: Transaction, price: int) -> bytes | None:
    """Take the gas and the blob fee, bump the nonce, and name the contract to be created."""
    sender = Address(transaction.sender)
    blob_gas = total_blob_gas(len(transaction.blob_hashes))
    cost = transaction.gas_limit * price + blob_gas * state.blob_base_fee
    nonce = state.get_nonce(sender)
    state.delta_balance(sender, -cost)
    state.increment_nonce(sender)
    return contract_address(sender, nonce) if transaction.to is None else None


def _set_delegations(state: EngramState, transaction: Transaction) -> int:
    """Apply the valid authorizations (EIP-7702) and return the gas to refund."""
    refund = 0
    for authorization in transaction.authorization_list:
        if authorization.chain_id not in (0, state.vm_config.chain_id):
            continue
        if authorization.nonce >= MAX_NONCE:
            continue
        signer = authorization.authority()
        if signer is None:
            continue
        authority = Address(signer)
        state.mark_address_warm(authority)
        code = state.get_code(authority)
        if code and not is_delegation(code):
            continue
        if state.get_nonce(authority) != authorization.nonce:
            continue
        if state.account_exists(authority):
            refund += AUTHORIZATION_GAS - AUTHORIZED_ACCOUNT_GAS
        if authorization.address == ZERO_ADDRESS:
            state.delete_code(authority)
        else:
            state.set_code(authority, DELEGATION_PREFIX + authorization.address)
        state.increment_nonce(authority)
    return refund


def _message(
    state: EngramState, transaction: Transaction, contract: bytes | None, refund: int
) -> MessageAPI:
    gas = transaction.gas_limit - intrinsic_gas(transaction)
    sender = Address(transaction.sender)
    if transaction.to is None:
        return Message(
            gas=gas,
            to=CREATE_CONTRACT_ADDRESS,
            sender=sender,
            value=transaction.value,
            data=b"",
            code=transaction.data,
            create_address=Address(contract or b""),
            refund=refund,
        )
    code, target = state.get_code(Address(transaction.to)), None
    if is_delegation(code):
        # The target is named as the code's address, so that a delegation to a precompile is
        # recognized and runs empty code instead of the stub at its address.
        target = Address(code[len(DELEGATION_PREFIX) :])
        state.mark_address_warm(target)
        code = state.get_code(target)
    return Message(
        gas=gas,
        to=Address(transaction.to),
        sender=sender,
        value=transaction.value,
        data=transaction.data,
        code=code,
        code_address=target,  # type: ignore[arg-type]  # None is py-evm's default
        is_delegation=target is not None,
        refund=refund,
    )


def _warm_up(state: EngramState, transaction: Transaction, message: MessageAPI) -> None:
    """Fill the access sets with what is warm from the start (EIP-2929, 2930, 3651)."""
    state.mark_address_warm(Address(transaction.sender))
    state.mark_address_warm(message.storage_address)
    state.mark_address_warm(state.coinbase)
    for address, slots in transaction.access_list:
        state.mark_address_warm(Address(address))
        for slot in slots:
            state.mark_storage_warm(Address(address), slot)


def _run(
    state: EngramState, message: MessageAPI, context: CancunTransactionContext
) -> ComputationAPI:
    frame = state.computation_class
    if not message.is_create:
        return frame.apply_message(state, message, context)
    if state.has_code_or_nonce(message.storage_address):
        computation = frame(state, message, context)
        computation.error = ContractCreationCollision("contract address is in use")
        return computation
    return frame.apply_create_message(state, message, context)


def _pay_coinbase(state: EngramState, wei: int) -> None:
    if wei:
        state.delta_balance(state.coinbase, wei)
    else:
        state.touch_account(state.coinbase)


def _logs(computation: ComputationAPI) -> tuple[Log, ...]:
    return tuple(
        Log(
            address=bytes(address),
            topics=tuple(topic.to_bytes(32, "big") for topic in topics),
            data=data,
        )
        for address, topics, data in computation.get_log_entries()
    )
