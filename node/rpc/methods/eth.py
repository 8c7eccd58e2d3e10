"""The table of the eth_ namespace."""

from __future__ import annotations

from typing import Final

from node.rpc import parse
from node.rpc.method import Method, Weight
from node.rpc.methods import eth_blocks as blocks
from node.rpc.methods import eth_fees as fees
from node.rpc.methods import eth_logs as logs
from node.rpc.methods import eth_send as send
from node.rpc.methods import eth_state as state
from node.rpc.parse import address, block, block_number, boolean, count, data, hash32, quantity
from node.rpc.transaction_request import transaction_request

EXECUTION: Final = Weight.EXECUTION
HEAVY: Final = Weight.HEAVY
WRITE: Final = Weight.WRITE

METHODS: Final[dict[str, Method]] = {
    "eth_accounts": Method(send.accounts),
    "eth_blobBaseFee": Method(fees.blob_base_fee),
    "eth_blockNumber": Method(blocks.block_number),
    "eth_call": Method(state.eth_call, (transaction_request,), (block,), EXECUTION),
    "eth_chainId": Method(blocks.chain_id),
    "eth_coinbase": Method(send.coinbase),
    "eth_estimateGas": Method(state.eth_estimate_gas, (transaction_request,), (block,), EXECUTION),
    "eth_feeHistory": Method(fees.fee_history, (count, block_number), (fees.percentiles,), HEAVY),
    "eth_gasPrice": Method(fees.gas_price),
    "eth_getBalance": Method(state.get_balance, (address,), (block,)),
    "eth_getBlockByHash": Method(blocks.get_block_by_hash, (hash32,), (boolean,)),
    "eth_getBlockByNumber": Method(blocks.get_block, (block_number,), (boolean,)),
    "eth_getBlockReceipts": Method(blocks.get_block_receipts, (block,), (), HEAVY),
    "eth_getBlockTransactionCountByHash": Method(blocks.transaction_count_by_hash, (hash32,)),
    "eth_getBlockTransactionCountByNumber": Method(blocks.transaction_count, (block_number,)),
    "eth_getCode": Method(state.get_code, (address,), (block,)),
    "eth_getFilterChanges": Method(logs.get_filter_changes, (quantity,), (), HEAVY),
    "eth_getFilterLogs": Method(logs.get_filter_logs, (quantity,), (), HEAVY),
    "eth_getLogs": Method(logs.get_logs, (parse.log_filter,), (), HEAVY),
    "eth_getProof": Method(state.get_proof, (address, state.slots), (block,), HEAVY),
    "eth_getStorageAt": Method(state.get_storage_at, (address, parse.slot), (block,)),
    "eth_getTransactionByBlockHashAndIndex": Method(
        blocks.transaction_at_hash, (hash32, parse.number64)
    ),
    "eth_getTransactionByBlockNumberAndIndex": Method(
        blocks.transaction_at, (block_number, parse.number64)
    ),
    "eth_getTransactionByHash": Method(blocks.get_transaction, (hash32,)),
    "eth_getTransactionCount": Method(state.get_transaction_count, (address,), (block,)),
    "eth_getTransactionReceipt": Method(blocks.get_receipt, (hash32,)),
    "eth_getUncleByBlockHashAndIndex": Method(blocks.uncle_by_hash, (hash32, parse.number64)),
    "eth_getUncleByBlockNumberAndIndex": Method(blocks.uncle, (block_number, parse.number64)),
    "eth_getUncleCountByBlockHash": Method(blocks.uncle_count_by_hash, (hash32,)),
    "eth_getUncleCountByBlockNumber": Method(blocks.uncle_count, (block_number,)),
    "eth_maxPriorityFeePerGas": Method(fees.max_priority_fee),
    "eth_newBlockFilter": Method(logs.new_block_filter),
    "eth_newFilter": Method(logs.new_filter, (parse.log_filter,)),
    "eth_newPendingTransactionFilter": Method(logs.new_pending_transaction_filter),
    "eth_sendRawTransaction": Method(send.send_raw_transaction, (data,), (), WRITE),
    "eth_sendTransaction": Method(send.send_transaction, (transaction_request,), (), WRITE),
    "eth_sign": Method(send.sign, (address, data), (), HEAVY),
    "eth_signTransaction": Method(send.sign_transaction, (transaction_request,), (), HEAVY),
    "eth_syncing": Method(blocks.syncing),
    "eth_uninstallFilter": Method(logs.uninstall_filter, (quantity,)),
}
