"""When a transaction may be included: the pool and the block executor ask the same function."""

from __future__ import annotations

from dataclasses import dataclass

from vm.blobs import total_blob_gas
from vm.config import VmConfig
from vm.errors import InvalidTransaction
from vm.transactions import BLOB_TYPE, SET_CODE_TYPE, Transaction

TRANSACTION_GAS = 21_000
CREATION_GAS = 32_000
INITCODE_WORD_GAS = 2
TOKENS_PER_NONZERO_BYTE = 4
TOKEN_GAS = 4
FLOOR_TOKEN_GAS = 10
ACCESS_LIST_ADDRESS_GAS = 2_400
ACCESS_LIST_SLOT_GAS = 1_900
AUTHORIZATION_GAS = 25_000
MAX_INITCODE_BYTES = 49_152
MAX_NONCE = 2**64 - 1
DELEGATION_PREFIX = b"\xef\x01\x00"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """What the state says about a sender: nonce, balance in wei, code."""

    nonce: int
    balance: int
    code: bytes


def intrinsic_gas(transaction: Transaction) -> int:
    """Return the gas a transaction pays before its first instruction."""
    gas = TRANSACTION_GAS + TOKEN_GAS * _calldata_tokens(transaction.data)
    if transaction.to is None:
        gas += CREATION_GAS + INITCODE_WORD_GAS * ((len(transaction.data) + 31) // 32)
    for _, slots in transaction.access_list:
        gas += ACCESS_LIST_ADDRESS_GAS + ACCESS_LIST_SLOT_GAS * len(slots)
    return gas + AUTHORIZATION_GAS * len(transaction.authorization_list)


def floor_gas(transaction: Transaction) -> int:
    """Return the least gas a transaction with this calldata pays in the end (EIP-7623)."""
    return TRANSACTION_GAS + FLOOR_TOKEN_GAS * _calldata_tokens(transaction.data)


def _calldata_tokens(data: bytes) -> int:
    zeros = data.count(0)
    return zeros + TOKENS_PER_NONZERO_BYTE * (len(data) - zeros)


def is_delegation(code: bytes) -> bool:
    """Whether code is a delegation designator (EIP-7702)."""
    return len(code) == 23 and code.startswith(DELEGATION_PREFIX)


def validate_transaction(
    config: VmConfig,
    sender: Sender,
    transaction: Transaction,
    *,
    base_fee: int,
    blob_base_fee: int = 1,
) -> None:
    """Check a transaction against a chain, its sender's account and the present prices.

    Parameters
    ----------
    config : VmConfig
    sender : Sender
        The sender's account in the state the transaction would run on.
    transaction : Transaction
    base_fee, blob_base_fee : int
        Wei per gas and per blob gas.

    Raises
    ------
    InvalidTransaction
        With geth's wording; ``permanent`` is False where a later state or price can mend it.
    """
    check_static(config, transaction)
    who = f"address 0x{transaction.sender.hex()}"
    if sender.nonce > transaction.nonce:
        raise InvalidTransaction(
            f"nonce too low: next nonce {sender.nonce}, tx nonce {transaction.nonce}"
        )
    if sender.nonce < transaction.nonce:
        raise InvalidTransaction(
            f"nonce too high: next nonce {sender.nonce}, tx nonce {transaction.nonce}",
            permanent=False,
        )
    if sender.code and not is_delegation(sender.code):
        raise InvalidTransaction(f"sender not an eoa: {who}, len(code): {len(sender.code)}")
    if transaction.max_fee < base_fee:
        raise InvalidTransaction(
            f"max fee per gas less than block base fee: {who}, "
            f"maxFeePerGas: {transaction.max_fee}, baseFee: {base_fee}",
            permanent=False,
        )
    if transaction.type == BLOB_TYPE and transaction.max_blob_fee < blob_base_fee:
        raise InvalidTransaction(
            f"max fee per blob gas less than block blob gas fee: {who}, "
            f"blobGasFeeCap: {transaction.max_blob_fee}, blobBaseFee: {blob_base_fee}",
            permanent=False,
        )
    want = most_wei(transaction)
    if sender.balance < want:
        raise InvalidTransaction(
            f"insufficient funds for gas * price + value: {who} have {sender.balance} want {want}",
            permanent=False,
        )


def most_wei(transaction: Transaction) -> int:
    """Return the wei the sender must own: value, and gas and blob gas at their highest price."""
    blob_gas = total_blob_gas(len(transaction.blob_hashes))
    return (
        transaction.value
        + transaction.gas_limit * transaction.max_fee
        + blob_gas * transaction.max_blob_fee
    )


def check_static(config: VmConfig, transaction: Transaction) -> None:
    """Check what depends on the chain's parameters only; raises InvalidTransaction."""
    if transaction.chain_id is not None and transaction.chain_id != config.chain_id:
        raise InvalidTransaction(
            f"invalid chain id for signer: have {transaction.chain_id} want {config.chain_id}"
        )
    if transaction.nonce == MAX_NONCE:
        raise InvalidTransaction("nonce has max value")
    cap = config.transaction_gas_cap
    if cap is not None and transaction.gas_limit > cap:
        raise InvalidTransaction(
            f"transaction gas limit too high (cap: {cap}, tx: {transaction.gas_limit})"
        )
    if transaction.max_priority_fee > transaction.max_fee:
        raise InvalidTransaction(
            "max priority fee per gas higher than max fee per gas: "
            f"maxPriorityFeePerGas: {transaction.max_priority_fee}, "
            f"maxFeePerGas: {transaction.max_fee}"
        )
    if transaction.to is None and len(transaction.data) > MAX_INITCODE_BYTES:
        raise InvalidTransaction(
            f"max initcode size exceeded: code size {len(transaction.data)} "
            f"limit {MAX_INITCODE_BYTES}"
        )
    have, want, floor = transaction.gas_limit, intrinsic_gas(transaction), floor_gas(transaction)
    if have < want:
        raise InvalidTransaction(f"intrinsic gas too low: have {have}, want {want}")
    if have < floor:
        raise InvalidTransaction(
            f"insufficient gas for floor data gas cost: have {have}, want {floor}"
        )
    if transaction.type == BLOB_TYPE:
        _check_blobs(config, transaction)
    if transaction.type == SET_CODE_TYPE and not transaction.authorization_list:
        raise InvalidTransaction("EIP-7702 transaction with empty auth list")


def _check_blobs(config: VmConfig, transaction: Transaction) -> None:
    hashes = transaction.blob_hashes
    if not hashes:
        raise InvalidTransaction("blob transaction missing blob hashes")
    if len(hashes) > config.blobs.max_blobs:
        raise InvalidTransaction(
            f"too many blobs in transaction: have {len(hashes)}, permitted {config.blobs.max_blobs}"
        )
    for index, digest in enumerate(hashes):
        if digest[0] != 1:
            raise InvalidTransaction(f"blob {index} has invalid hash version")
