"""eth_: blocks, transactions and receipts as they were mined."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.rpc import format as form
from node.rpc.parse import BlockRef
from node.rpc.resolve import find_header
from vm.blocks import Block, Header

if TYPE_CHECKING:
    from node.app import Body, Node


def chain_id(node: Node) -> str:
    """eth_chainId."""
    return form.quantity(node.chain.spec.vm_config.chain_id)


def block_number(node: Node) -> str:
    """eth_blockNumber."""
    return form.quantity(node.chain.head.number)


def syncing(_node: Node) -> bool:
    """eth_syncing: this node produces its own blocks."""
    return False


def get_block(node: Node, ref: BlockRef, full: bool | None = None) -> dict[str, Any] | None:
    """eth_getBlockByHash and eth_getBlockByNumber."""
    block = find_block(node, ref)
    return None if block is None else form.block(block, full=bool(full))


def get_block_by_hash(
    node: Node, block_hash: bytes, full: bool | None = None
) -> dict[str, Any] | None:
    """eth_getBlockByHash."""
    return get_block(node, BlockRef(hash=block_hash), full)


def transaction_count(node: Node, ref: BlockRef) -> str | None:
    """eth_getBlockTransactionCountByNumber."""
    block = find_block(node, ref)
    return None if block is None else form.quantity(len(block.transactions))


def transaction_count_by_hash(node: Node, block_hash: bytes) -> str | None:
    """eth_getBlockTransactionCountByHash."""
    return transaction_count(node, BlockRef(hash=block_hash))


def transaction_at(node: Node, ref: BlockRef, index: int) -> dict[str, Any] | None:
    """eth_getTransactionByBlockNumberAndIndex."""
    block = find_block(node, ref)
    if block is None or index >= len(block.transactions):
        return None
    return form.transaction(block.transactions[index], block.header, index)


def transaction_at_hash(node: Node, block_hash: bytes, index: int) -> dict[str, Any] | None:
    """eth_getTransactionByBlockHashAndIndex."""
    return transaction_at(node, BlockRef(hash=block_hash), index)


def get_transaction(node: Node, transaction_hash: bytes) -> dict[str, Any] | None:
    """eth_getTransactionByHash: mined, or still in the pool."""
    place = node.chain.transaction(transaction_hash)
    if place is not None:
        block_hash, index = place
        return transaction_at_hash(node, block_hash, index)
    pending = node.mempool.get(transaction_hash)
    return None if pending is None else form.transaction(pending, None, None)


def get_receipt(node: Node, transaction_hash: bytes) -> dict[str, Any] | None:
    """eth_getTransactionReceipt."""
    place = node.chain.transaction(transaction_hash)
    if place is None:
        return None
    block_hash, index = place
    return _receipts(node, node.body(block_hash), index)[0]


def get_block_receipts(node: Node, ref: BlockRef) -> list[dict[str, Any]] | None:
    """eth_getBlockReceipts."""
    block = find_block(node, ref)
    return None if block is None else _receipts(node, node.body(block.hash))


def uncle_count(node: Node, ref: BlockRef) -> str | None:
    """eth_getUncleCountByBlockNumber: never any."""
    return None if find_header(node, ref) is None else "0x0"


def uncle_count_by_hash(node: Node, block_hash: bytes) -> str | None:
    """eth_getUncleCountByBlockHash."""
    return uncle_count(node, BlockRef(hash=block_hash))


def uncle(_node: Node, _ref: BlockRef, _index: int) -> None:
    """eth_getUncleByBlockNumberAndIndex: never any."""


def uncle_by_hash(_node: Node, _block_hash: bytes, _index: int) -> None:
    """eth_getUncleByBlockHashAndIndex: never any."""


def find_block(node: Node, ref: BlockRef) -> Block | None:
    """Return the block named, or None."""
    header: Header | None = find_header(node, ref)
    return None if header is None else node.body(header.hash).block


def _receipts(node: Node, body: Body, only: int | None = None) -> list[dict[str, Any]]:
    """Format the receipts of a block, or the one at an index."""
    block = body.block
    blob_fee = node.blob_fee(block.header)
    block_hash = block.hash
    formatted = []
    first_log = 0
    for index, (sent, receipt) in enumerate(zip(block.transactions, body.receipts, strict=True)):
        if only in {None, index}:
            place = form.LogPlace(
                header=block.header,
                block_hash=block_hash,
                transaction_hash=sent.hash,
                transaction_index=index,
            )
            formatted.append(form.receipt(receipt, sent, place, first_log, blob_fee))
        first_log += len(receipt.logs)
    return formatted
