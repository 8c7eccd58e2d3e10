"""From a block reference in a request to a header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from node.rpc.errors import SERVER_ERROR, RpcError
from node.rpc.parse import LATEST, BlockRef
from vm.blocks import Header

if TYPE_CHECKING:
    from node.app import Node


def find_header(node: Node, ref: BlockRef) -> Header | None:
    """Return the header named, or None when the chain has no such block.

    `pending` reads as `latest`: no block is under construction between two blocks here.
    """
    if ref.hash is not None:
        return node.chain.header_by_hash(ref.hash)
    if ref.number is not None:
        return node.chain.header_by_number(ref.number)
    if ref.tag == "earliest":
        return node.chain.header_by_number(0)
    if ref.tag in {"safe", "finalized"}:
        return node.chain.finalized
    return node.chain.head


def state_header(node: Node, ref: BlockRef | None) -> Header:
    """Return the header whose state a call reads.

    Raises
    ------
    RpcError
        When there is no such block.
    """
    header = find_header(node, LATEST if ref is None else ref)
    if header is None:
        raise RpcError(SERVER_ERROR, "header not found")
    return header
