"""eth_: logs, and filters that clients poll for logs, blocks and pending transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node import logs
from node.rpc import format as form
from node.rpc.errors import LIMIT_EXCEEDED, SERVER_ERROR, InvalidParamsError, RpcError
from node.rpc.filters import Filter
from node.rpc.parse import LATEST, BlockRef, LogFilter
from node.rpc.resolve import find_header

if TYPE_CHECKING:
    from node.app import Node

MAX_LOGS: Final = 50_000


def get_logs(node: Node, criteria: LogFilter) -> list[dict[str, Any]]:
    """eth_getLogs."""
    if criteria.block_hash is not None:
        header = find_header(node, BlockRef(hash=criteria.block_hash))
        if header is None:
            raise RpcError(SERVER_ERROR, "unknown block")
        return _logs(node, criteria, header.number, header.number)
    first, last = _bounds(node, criteria)
    if first > last:
        raise InvalidParamsError("invalid block range params")
    return _logs(node, criteria, first, min(last, node.chain.head.number))


def new_filter(node: Node, criteria: LogFilter) -> str:
    """eth_newFilter."""
    if criteria.block_hash is not None:
        raise InvalidParamsError("invalid argument 0: a filter cannot name a blockHash")
    # From the next block on, as geth: earlier logs come by eth_getFilterLogs.
    start = node.chain.head.number + 1
    return form.quantity(node.filters.install(Filter(criteria=criteria, next_block=start)))


def new_block_filter(node: Node) -> str:
    """eth_newBlockFilter."""
    return form.quantity(node.filters.install(Filter(next_block=node.chain.head.number + 1)))


def new_pending_transaction_filter(node: Node) -> str:
    """eth_newPendingTransactionFilter."""
    return form.quantity(node.filters.install(Filter(pending=[])))


def uninstall_filter(node: Node, identifier: int) -> bool:
    """eth_uninstallFilter."""
    return node.filters.uninstall(identifier)


def get_filter_changes(node: Node, identifier: int) -> list[Any]:
    """eth_getFilterChanges: what is new since the last poll."""
    found = node.filters.get(identifier)
    if found.pending is not None:
        hashes, found.pending = found.pending, []
        return [form.data(item) for item in hashes]
    first, last = found.next_block, node.chain.head.number
    found.next_block = last + 1
    if found.criteria is None:
        return [form.data(_hash(node, number)) for number in range(first, last + 1)]
    lower, upper = _bounds(node, found.criteria, first)
    first, last = max(first, lower), min(last, upper)
    return _logs(node, found.criteria, first, last) if first <= last else []


def get_filter_logs(node: Node, identifier: int) -> list[dict[str, Any]]:
    """eth_getFilterLogs: everything that the filter matches."""
    found = node.filters.get(identifier)
    if found.criteria is None:
        raise RpcError(SERVER_ERROR, "filter not found")
    first, last = _bounds(node, found.criteria)
    last = min(last, node.chain.head.number)
    return _logs(node, found.criteria, first, last) if first <= last else []


def _bounds(node: Node, criteria: LogFilter, latest: int | None = None) -> tuple[int, int]:
    """Return first and last block number; a tag like latest as a lower bound reads `latest`."""
    numbers = []
    for ref in (criteria.from_block or LATEST, criteria.to_block or LATEST):
        if ref.number is not None:
            numbers.append(ref.number)
            continue
        header = find_header(node, ref)
        assert header is not None, "every tag names a block"
        numbers.append(header.number)
    if latest is not None and (criteria.from_block or LATEST).tag in {"latest", "pending"}:
        numbers[0] = latest
    return numbers[0], numbers[1]


def _hash(node: Node, number: int) -> bytes:
    header = node.chain.header_by_number(number)
    assert header is not None, "every block below the head is stored"
    return header.hash


def _logs(node: Node, criteria: LogFilter, first: int, last: int) -> list[dict[str, Any]]:
    wanted = logs.LogFilter(addresses=criteria.addresses, topics=criteria.topics)
    found: list[dict[str, Any]] = []
    for item in node.chain.logs(first, last, wanted):
        if len(found) == MAX_LOGS:
            raise RpcError(
                LIMIT_EXCEEDED,
                f"query returned more than {MAX_LOGS} results, narrow the block range",
            )
        place = form.LogPlace(
            header=item.header,
            block_hash=item.block_hash,
            transaction_hash=item.transaction_hash,
            transaction_index=item.transaction_index,
        )
        found.append(form.log(item.log, place, item.log_index))
    return found
