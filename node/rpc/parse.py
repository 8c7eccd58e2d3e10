"""Strict parsers for parameters: quantities, bytes, addresses, blocks, transactions, filters.

Python's `int(text, 16)` takes `0x_1`, ` 0x1 `, `-0x1` and Arabic digits, and `bytes.fromhex`
takes spaces, so every value passes a regular expression first. Each parser takes a value from
JSON and returns it typed, or raises `ValueError` with the reason.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

_QUANTITY: Final = re.compile(r"0x(?:0|[1-9a-fA-F][0-9a-fA-F]{0,63})")
_DATA: Final = re.compile(r"0x(?:[0-9a-fA-F]{2})*+")
_SLOT: Final = re.compile(r"0x[0-9a-fA-F]{1,64}")
MAX_ADDRESSES: Final = 1_000
MAX_TOPICS: Final = 1_000
TAGS: Final = ("latest", "pending", "earliest", "safe", "finalized")


@dataclass(frozen=True, slots=True)
class BlockRef:
    """A block named by tag, number or hash; exactly one is set."""

    tag: str | None = None
    number: int | None = None
    hash: bytes | None = None


LATEST: Final = BlockRef(tag="latest")
PENDING: Final = BlockRef(tag="pending")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFilter:
    """Criteria of eth_getLogs; `topics[i]` empty means any, `addresses` empty means any."""

    from_block: BlockRef | None
    to_block: BlockRef | None
    block_hash: bytes | None
    addresses: tuple[bytes, ...]
    topics: tuple[tuple[bytes, ...], ...]


def quantity(value: Any) -> int:
    """Return an unsigned integer of at most 256 bits from its shortest hex form."""
    if not isinstance(value, str):
        raise ValueError("a quantity must be a hex string")  # noqa: TRY004 (parsers raise one type)
    if _QUANTITY.fullmatch(value):
        return int(value, 16)
    if not value.startswith("0x"):
        raise ValueError("hex string without 0x prefix")
    if value == "0x":
        raise ValueError('hex string "0x" is not a quantity, zero is "0x0"')
    if re.fullmatch(r"0x0[0-9a-fA-F]+", value):
        raise ValueError("hex number with leading zero digits")
    if re.fullmatch(r"0x[0-9a-fA-F]+", value):
        raise ValueError("hex number > 256 bits")
    raise ValueError("invalid hex string")


def number64(value: Any) -> int:
    """Return a quantity below 2^64."""
    result = quantity(value)
    if result >= 1 << 64:
        raise ValueError("hex number > 64 bits")
    return result


def count(value: Any) -> int:
    """Return an unsigned integer below 2^64, given as a quantity or as a JSON integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value < 1 << 64:
            return value
        raise ValueError("number out of range")
    return number64(value)


def data(value: Any) -> bytes:
    """Return bytes from an even number of hex digits after 0x."""
    if not isinstance(value, str):
        raise ValueError("bytes must be a hex string")  # noqa: TRY004
    if _DATA.fullmatch(value):
        return bytes.fromhex(value[2:])
    if not value.startswith("0x"):
        raise ValueError("hex string without 0x prefix")
    if re.fullmatch(r"0x[0-9a-fA-F]+", value):
        raise ValueError("hex string of odd length")
    raise ValueError("invalid hex string")


def _fixed(value: Any, size: int, name: str) -> bytes:
    result = data(value)
    if len(result) != size:
        raise ValueError(f"{name} has {len(result)} bytes, want {size}")
    return result


def address(value: Any) -> bytes:
    """Return the 20 bytes of an address."""
    return _fixed(value, 20, "address")


def hash32(value: Any) -> bytes:
    """Return the 32 bytes of a hash."""
    return _fixed(value, 32, "hash")


def slot(value: Any) -> int:
    """Return a storage slot from 1 to 64 hex digits; leading zeros are customary here."""
    if not isinstance(value, str) or not _SLOT.fullmatch(value):
        raise ValueError("a storage slot is 0x and 1 to 64 hex digits")
    return int(value, 16)


def boolean(value: Any) -> bool:
    """Return a JSON boolean."""
    if not isinstance(value, bool):
        raise ValueError("want true or false")  # noqa: TRY004
    return value


def text(value: Any) -> str:
    """Return a JSON string."""
    if not isinstance(value, str):
        raise ValueError("want a string")  # noqa: TRY004
    return value


def block_number(value: Any) -> BlockRef:
    """Return a block named by tag or number."""
    if isinstance(value, str) and value in TAGS:
        return BlockRef(tag=value)
    return BlockRef(number=number64(value))


def block(value: Any) -> BlockRef:
    """Return a block named by tag, number, hash, or an object with one of the last two."""
    if isinstance(value, str) and len(value) == 66:
        return BlockRef(hash=hash32(value))
    if not isinstance(value, dict):
        return block_number(value)
    # requireCanonical changes nothing: final blocks never reorganize, so none is left behind.
    boolean(value.get("requireCanonical", False))
    if ("blockHash" in value) == ("blockNumber" in value):
        raise ValueError("want exactly one of blockHash and blockNumber")
    if "blockHash" in value:
        return BlockRef(hash=hash32(value["blockHash"]))
    return block_number(value["blockNumber"])


def _addresses(value: Any) -> tuple[bytes, ...]:
    if value is None:
        return ()
    listed = value if isinstance(value, list) else [value]
    if len(listed) > MAX_ADDRESSES:
        raise ValueError(f"more than {MAX_ADDRESSES} addresses")
    return tuple(address(item) for item in listed)


def _topics(value: Any) -> tuple[tuple[bytes, ...], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > 4:
        raise ValueError("topics must be an array of at most 4 positions")
    positions: list[tuple[bytes, ...]] = []
    for position in value:
        if position is None:
            positions.append(())
            continue
        listed = position if isinstance(position, list) else [position]
        if len(listed) > MAX_TOPICS:
            raise ValueError(f"more than {MAX_TOPICS} topics at one position")
        # null inside a list matches anything, so the whole position does.
        positions.append(
            () if any(item is None for item in listed) else tuple(hash32(item) for item in listed)
        )
    return tuple(positions)


def log_filter(value: Any) -> LogFilter:
    """Return the criteria of eth_getLogs and eth_newFilter."""
    if not isinstance(value, dict):
        raise ValueError("a filter must be an object")  # noqa: TRY004
    bounds = [
        None if value.get(name) is None else block_number(value[name])
        for name in ("fromBlock", "toBlock")
    ]
    block_hash = None if value.get("blockHash") is None else hash32(value["blockHash"])
    if block_hash is not None and bounds != [None, None]:
        raise ValueError(
            "cannot specify both blockHash and fromBlock/toBlock, choose one or the other"
        )
    return LogFilter(
        from_block=bounds[0],
        to_block=bounds[1],
        block_hash=block_hash,
        addresses=_addresses(value.get("address")),
        topics=_topics(value.get("topics")),
    )
