"""Strict RLP without recursion: only the canonical encoding of a list or string is read.

The reader returns spans, so nothing is copied or allocated by a length that was not checked
against the bytes at hand, and nesting costs nothing until a caller descends into it.

Source: Ethereum yellow paper, appendix B.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai_ops.errors import InvalidModel, ModelFault

_SHORT = 55


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A string or list whose payload is ``data[start:stop]``; the next item begins at `stop`."""

    is_list: bool
    start: int
    stop: int


def read_item(data: bytes, offset: int, end: int) -> Item:
    """Read the item that begins at `offset` and must finish at or before `end`.

    Raises
    ------
    InvalidModel
        `TRUNCATED` or `NOT_CANONICAL`.
    """
    item = read_extent(data, offset, end)
    if item.stop > end:
        raise InvalidModel(ModelFault.TRUNCATED, "the encoding ends inside an item")
    if not item.is_list and item.stop - offset == 2 and data[item.start] < 0x80:
        raise InvalidModel(ModelFault.NOT_CANONICAL, "a single byte uses the string form")
    return item


def read_extent(data: bytes, offset: int, end: int) -> Item:
    """Read where the item at `offset` says that it finishes, be that beyond `end` or not.

    Raises
    ------
    InvalidModel
        `TRUNCATED` or `NOT_CANONICAL`, by the item's length alone.
    """
    if offset >= end:
        raise InvalidModel(ModelFault.TRUNCATED, "the encoding ends where an item should begin")
    prefix = data[offset]
    if prefix < 0x80:
        return Item(is_list=False, start=offset, stop=offset + 1)
    is_list = prefix >= 0xC0
    length = prefix - (0xC0 if is_list else 0x80)
    start = offset + 1
    if length > _SHORT:
        width = length - _SHORT
        if start + width > end:
            raise InvalidModel(ModelFault.TRUNCATED, "the encoding ends inside a length")
        if data[start] == 0:
            raise InvalidModel(ModelFault.NOT_CANONICAL, "a length has a leading zero byte")
        length = int.from_bytes(data[start : start + width], "big")
        start += width
        if length <= _SHORT:
            raise InvalidModel(ModelFault.NOT_CANONICAL, "a short length uses the long form")
    return Item(is_list=is_list, start=start, stop=start + length)


def read_list(data: bytes, item: Item, what: str, most: int | None = None) -> list[Item]:
    """Split a list into its items.

    Parameters
    ----------
    most : int, optional
        Splitting stops after one item more: a caller that refuses longer lists sees that there
        are too many, and a megabyte of tiny items costs nothing.

    Raises
    ------
    InvalidModel
        `STRUCTURE` when `item` is a string; else as `read_item`.
    """
    if not item.is_list:
        raise InvalidModel(ModelFault.STRUCTURE, f"{what} is not a list")
    items: list[Item] = []
    offset = item.start
    while offset < item.stop and (most is None or len(items) <= most):
        items.append(read_item(data, offset, item.stop))
        offset = items[-1].stop
    return items


def read_fields(data: bytes, item: Item, count: int, what: str) -> list[Item]:
    """Split a list that must have exactly `count` items."""
    items = read_list(data, item, what, count)
    if len(items) != count:
        number = f"{len(items)}" if len(items) < count else "more"
        raise InvalidModel(ModelFault.STRUCTURE, f"{what} has {number} fields instead of {count}")
    return items


def read_bytes(data: bytes, item: Item, what: str) -> bytes:
    """Return a string's payload."""
    if item.is_list:
        raise InvalidModel(ModelFault.STRUCTURE, f"{what} is a list where bytes are expected")
    return data[item.start : item.stop]


def read_unsigned(data: bytes, item: Item, maximum: int, what: str) -> int:
    """Return a minimal big-endian integer of at most `maximum`."""
    payload = read_bytes(data, item, what)
    if payload[:1] == b"\x00":
        raise InvalidModel(ModelFault.NOT_CANONICAL, f"{what} has a leading zero byte")
    if len(payload) > 8 or (value := int.from_bytes(payload, "big")) > maximum:
        raise InvalidModel(ModelFault.NUMBER, f"{what} is above {maximum}")
    return value


def write_bytes(payload: bytes) -> bytes:
    """Encode a string."""
    if len(payload) == 1 and payload[0] < 0x80:
        return payload
    return _prefix(len(payload), 0x80) + payload


def write_unsigned(value: int) -> bytes:
    """Encode an integer of at least 0 in its minimal big-endian form."""
    return write_bytes(value.to_bytes((value.bit_length() + 7) >> 3, "big"))


def write_list(items: Sequence[bytes]) -> bytes:
    """Encode a list of items that are already encoded."""
    payload = b"".join(items)
    return _prefix(len(payload), 0xC0) + payload


def _prefix(length: int, base: int) -> bytes:
    if length <= _SHORT:
        return bytes([base + length])
    width = (length.bit_length() + 7) >> 3
    return bytes([base + _SHORT + width]) + length.to_bytes(width, "big")
