"""eth_: what gas costs now and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from node.rpc import format as form
from node.rpc.errors import SERVER_ERROR, InvalidParamsError, RpcError
from node.rpc.parse import BlockRef
from node.rpc.resolve import find_header
from vm.blocks import Header

if TYPE_CHECKING:
    from node.app import Node

MAX_HISTORY_BLOCKS: Final = 1_024
MAX_PERCENTILES: Final = 100
DEFAULT_TIP_WEI: Final = 1_000_000_000


def gas_price(node: Node) -> str:
    """eth_gasPrice: a price that the next block takes."""
    return form.quantity(node.next_base_fee() + DEFAULT_TIP_WEI)


def max_priority_fee(_node: Node) -> str:
    """eth_maxPriorityFeePerGas: 1 gwei, which wins wherever blocks are not full."""
    return form.quantity(DEFAULT_TIP_WEI)


def blob_base_fee(node: Node) -> str:
    """eth_blobBaseFee."""
    return form.quantity(node.blob_fee(node.chain.head))


def percentiles(value: Any) -> tuple[float, ...]:
    """Parse the reward percentiles of eth_feeHistory: ascending, from 0 to 100."""
    if not isinstance(value, list) or len(value) > MAX_PERCENTILES:
        raise ValueError(f"want an array of at most {MAX_PERCENTILES} percentiles")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, int | float) or not 0 <= item <= 100:
            raise ValueError("a percentile is a number from 0 to 100")
    if any(left > right for left, right in pairwise(value)):
        raise ValueError("percentiles must ascend")
    return tuple(float(item) for item in value)


def fee_history(
    node: Node, count: int, newest: BlockRef, wanted: tuple[float, ...] | None = None
) -> dict[str, Any]:
    """eth_feeHistory."""
    last = find_header(node, newest)
    if last is None:
        raise RpcError(SERVER_ERROR, "request beyond head block")
    if count == 0:
        raise InvalidParamsError("invalid argument 0: want at least 1 block")
    number_of_blocks = min(count, MAX_HISTORY_BLOCKS, last.number + 1)
    oldest = last.number + 1 - number_of_blocks
    headers = [_header(node, number) for number in range(oldest, last.number + 1)]
    following = node.chain.header_by_number(last.number + 1)
    next_fee = node.next_base_fee(last) if following is None else following.base_fee
    next_blob = node.blob_fee(last if following is None else following)
    history: dict[str, Any] = {
        "oldestBlock": form.quantity(oldest),
        "baseFeePerGas": [form.quantity(item.base_fee) for item in headers]
        + [form.quantity(next_fee)],
        "gasUsedRatio": [item.gas_used / item.gas_limit for item in headers],
        "baseFeePerBlobGas": [form.quantity(node.blob_fee(item)) for item in headers]
        + [form.quantity(next_blob)],
        "blobGasUsedRatio": [
            item.blob_gas_used / (node.chain.spec.vm_config.blobs.max_gas or 1) for item in headers
        ],
    }
    if wanted:
        history["reward"] = [
            [form.quantity(tip) for tip in _rewards(node, item, wanted)] for item in headers
        ]
    return history


def _header(node: Node, number: int) -> Header:
    header = node.chain.header_by_number(number)
    assert header is not None, "every block below the head is stored"
    return header


def _rewards(node: Node, header: Header, wanted: Sequence[float]) -> list[int]:
    """Return the tips at percentiles of the block's gas, in wei per gas."""
    receipts = node.body(header.hash).receipts
    if not receipts:
        return [0] * len(wanted)
    tips = sorted((item.effective_gas_price - header.base_fee, item.gas_used) for item in receipts)
    rewards = []
    position, reached = 0, tips[0][1]
    for percentile in wanted:
        threshold = header.gas_used * percentile / 100
        while reached < threshold and position < len(tips) - 1:
            position += 1
            reached += tips[position][1]
        rewards.append(tips[position][0])
    return rewards
