"""The evm_ namespace: what a development chain lets its user do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from node.rpc.errors import InvalidParamsError
from node.rpc.method import Method, Weight
from node.rpc.parse import count

if TYPE_CHECKING:
    from node.app import Node

MAX_BLOCKS: Final = 10_000


def timestamp_or_blocks(value: Any) -> int | dict[str, int]:
    """Parse evm_mine's parameter: a timestamp, or {"blocks": n, "timestamp": t}."""
    if not isinstance(value, dict):
        return count(value)
    return {
        name: count(value[name]) for name in ("blocks", "timestamp") if value.get(name) is not None
    }


def mine(node: Node, options: int | dict[str, int] | None = None) -> str:
    """evm_mine: seal a block now, or several."""
    chosen = options if isinstance(options, dict) else {}
    timestamp = options if isinstance(options, int) else chosen.get("timestamp")
    blocks = chosen.get("blocks", 1)
    if blocks > MAX_BLOCKS:
        raise InvalidParamsError(f"invalid argument 0: at most {MAX_BLOCKS} blocks at a time")
    newest = node.chain.head.timestamp
    if timestamp is not None and not newest < timestamp < 1 << 63:
        raise InvalidParamsError(
            f"invalid argument 0: timestamp {timestamp} is not after the head's {newest}"
        )
    for index in range(blocks):
        node.seal(None if timestamp is None else timestamp + index)
    return "0x0"


METHODS: Final[dict[str, Method]] = {
    "evm_mine": Method(mine, (), (timestamp_or_blocks,), Weight.WRITE),
}
