"""JSON forms of chain objects, with the field names of the Ethereum execution API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vm.blocks import Block, Header
from vm.config import GAS_PER_BLOB
from vm.receipts import Log, Receipt
from vm.transactions import BLOB_TYPE, DYNAMIC_FEE_TYPE, LEGACY_TYPE, SET_CODE_TYPE, Transaction


def quantity(value: int) -> str:
    """Return the shortest hex form of an unsigned integer."""
    return hex(value)


def data(value: bytes) -> str:
    """Return bytes as hex."""
    return "0x" + value.hex()


def header(value: Header) -> dict[str, Any]:
    """Return the fields of a header, with its hash."""
    return {
        "hash": data(value.hash),
        "parentHash": data(value.parent_hash),
        "sha3Uncles": data(value.ommers_hash),
        "miner": data(value.coinbase),
        "stateRoot": data(value.state_root),
        "transactionsRoot": data(value.transactions_root),
        "receiptsRoot": data(value.receipts_root),
        "logsBloom": data(value.logs_bloom),
        "difficulty": quantity(value.difficulty),
        "number": quantity(value.number),
        "gasLimit": quantity(value.gas_limit),
        "gasUsed": quantity(value.gas_used),
        "timestamp": quantity(value.timestamp),
        "extraData": data(value.extra_data),
        "mixHash": data(value.prev_randao),
        "nonce": data(value.nonce),
        "baseFeePerGas": quantity(value.base_fee),
        "withdrawalsRoot": data(value.withdrawals_root),
        "blobGasUsed": quantity(value.blob_gas_used),
        "excessBlobGas": quantity(value.excess_blob_gas),
        "parentBeaconBlockRoot": data(value.parent_beacon_block_root),
        "requestsHash": data(value.requests_hash),
    }


def block(value: Block, *, full: bool) -> dict[str, Any]:
    """Return a block; its transactions whole when `full`, else their hashes."""
    result = header(value.header)
    result["size"] = quantity(len(value.encode()))
    result["uncles"] = []
    result["transactions"] = [
        transaction(item, value.header, index) if full else data(item.hash)
        for index, item in enumerate(value.transactions)
    ]
    result["withdrawals"] = [
        {
            "index": quantity(item.index),
            "validatorIndex": quantity(item.validator_index),
            "address": data(item.address),
            "amount": quantity(item.amount),
        }
        for item in value.withdrawals
    ]
    return result


def transaction(value: Transaction, included: Header | None, index: int | None) -> dict[str, Any]:
    """Return a transaction; the block's fields are null while it is pending.

    Parameters
    ----------
    included : Header or None
        Header of the block that holds it.
    index : int or None
        Position in that block.
    """
    price = value.max_fee if included is None else value.effective_gas_price(included.base_fee)
    result: dict[str, Any] = {
        "blockHash": None if included is None else data(included.hash),
        "blockNumber": None if included is None else quantity(included.number),
        "blockTimestamp": None if included is None else quantity(included.timestamp),
        "transactionIndex": None if index is None else quantity(index),
        "hash": data(value.hash),
        "type": quantity(value.type),
        "from": data(value.sender),
        "to": None if value.to is None else data(value.to),
        "nonce": quantity(value.nonce),
        "gas": quantity(value.gas_limit),
        "gasPrice": quantity(price),
        "value": quantity(value.value),
        "input": data(value.data),
        "v": quantity(value.v),
        "r": quantity(value.r),
        "s": quantity(value.s),
    }
    if value.chain_id is not None:
        result["chainId"] = quantity(value.chain_id)
    if value.type != LEGACY_TYPE:
        result["yParity"] = quantity(value.v)
        result["accessList"] = access_list(value.access_list)
    if value.type >= DYNAMIC_FEE_TYPE:
        result["maxFeePerGas"] = quantity(value.max_fee)
        result["maxPriorityFeePerGas"] = quantity(value.max_priority_fee)
    if value.type == BLOB_TYPE:
        result["maxFeePerBlobGas"] = quantity(value.max_blob_fee)
        result["blobVersionedHashes"] = [data(item) for item in value.blob_hashes]
    if value.type == SET_CODE_TYPE:
        result["authorizationList"] = [
            {
                "chainId": quantity(item.chain_id),
                "address": data(item.address),
                "nonce": quantity(item.nonce),
                "yParity": quantity(item.y_parity),
                "r": quantity(item.r),
                "s": quantity(item.s),
            }
            for item in value.authorization_list
        ]
    return result


def access_list(value: tuple[tuple[bytes, tuple[int, ...]], ...]) -> list[dict[str, Any]]:
    """Return an access list."""
    return [
        {
            "address": data(address),
            "storageKeys": [data(slot.to_bytes(32, "big")) for slot in slots],
        }
        for address, slots in value
    ]


def receipt(
    value: Receipt, sent: Transaction, place: LogPlace, first_log: int, blob_fee: int
) -> dict[str, Any]:
    """Return a receipt.

    `authorFee` (wei) is what the sender paid to authors of models besides gas; `authorFeeGas`
    is the same in units of gas. Neither is part of `gasUsed`.

    Parameters
    ----------
    first_log : int
        Number of logs of earlier transactions in the block.
    blob_fee : int
        Wei per blob gas in the block.
    """
    result = {
        "transactionHash": data(sent.hash),
        "transactionIndex": quantity(place.transaction_index),
        "blockHash": data(place.block_hash),
        "blockNumber": quantity(place.header.number),
        "from": data(sent.sender),
        "to": None if sent.to is None else data(sent.to),
        "contractAddress": (
            None if value.contract_address is None else data(value.contract_address)
        ),
        "type": quantity(value.type),
        "status": quantity(value.status),
        "gasUsed": quantity(value.gas_used),
        "cumulativeGasUsed": quantity(value.cumulative_gas_used),
        "effectiveGasPrice": quantity(value.effective_gas_price),
        "authorFee": quantity(value.author_fee_gas * value.effective_gas_price),
        "authorFeeGas": quantity(value.author_fee_gas),
        "logsBloom": data(value.bloom),
        "logs": [log(item, place, first_log + offset) for offset, item in enumerate(value.logs)],
    }
    if sent.type == BLOB_TYPE:
        result["blobGasUsed"] = quantity(GAS_PER_BLOB * len(sent.blob_hashes))
        result["blobGasPrice"] = quantity(blob_fee)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlace:
    """The mined transaction that a log belongs to; the block's hash is given to save hashing."""

    header: Header
    block_hash: bytes
    transaction_hash: bytes
    transaction_index: int


def log(value: Log, place: LogPlace, log_index: int) -> dict[str, Any]:
    """Return a log of a mined transaction; `log_index` counts within the block."""
    return {
        "address": data(value.address),
        "topics": [data(topic) for topic in value.topics],
        "data": data(value.data),
        "blockHash": data(place.block_hash),
        "blockNumber": quantity(place.header.number),
        "blockTimestamp": quantity(place.header.timestamp),
        "transactionHash": data(place.transaction_hash),
        "transactionIndex": quantity(place.transaction_index),
        "logIndex": quantity(log_index),
        "removed": False,
    }
