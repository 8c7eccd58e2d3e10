"""Recursive length prefix (yellow paper, appendix B), strict: one encoding per value, no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

RlpItem: TypeAlias = bytes | Sequence["RlpItem"]

MAX_DEPTH = 16
"""Deepest nesting accepted; no structure of the protocol comes near it."""


class RlpError(ValueError):
    """The bytes are not the one canonical encoding of a value."""


def encode(item: RlpItem) -> bytes:
    """Encode bytes or a (nested) sequence of bytes."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _length_prefix(len(item), 0x80) + item
    payload = b"".join([encode(child) for child in item])
    return _length_prefix(len(payload), 0xC0) + payload


def integer(value: int) -> bytes:
    """Return the shortest big-endian bytes of a non-negative integer; zero is empty."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def decode(data: bytes) -> RlpItem:
    """Decode exactly one item that fills ``data``.

    Raises
    ------
    RlpError
        For trailing bytes, a length that is not the shortest, or nesting beyond `MAX_DEPTH`.
    """
    item, end = _decode_at(data, 0, len(data), 0)
    if end != len(data):
        raise RlpError(f"{len(data) - end} trailing bytes")
    return item


def split_list(data: bytes) -> tuple[bytes, ...]:
    """Return the encodings of the elements of the one list that fills ``data``."""
    is_list, start, end = _span(data, 0, len(data))
    if not is_list:
        raise RlpError("expected a list")
    if end != len(data):
        raise RlpError(f"{len(data) - end} trailing bytes")
    parts = []
    while start < end:
        stop = _span(data, start, end)[2]
        parts.append(data[start:stop])
        start = stop
    return tuple(parts)


def as_bytes(item: RlpItem, size: int | None = None) -> bytes:
    """Return ``item`` as a byte string, of exactly ``size`` bytes when given."""
    if not isinstance(item, bytes):
        raise RlpError("expected bytes, got a list")
    if size is not None and len(item) != size:
        raise RlpError(f"expected {size} bytes, got {len(item)}")
    return item


def as_list(item: RlpItem, count: int | None = None) -> Sequence[RlpItem]:
    """Return ``item`` as a sequence, of exactly ``count`` elements when given."""
    if isinstance(item, bytes):
        raise RlpError("expected a list, got bytes")
    if count is not None and len(item) != count:
        raise RlpError(f"expected {count} elements, got {len(item)}")
    return item


def as_int(item: RlpItem, bits: int) -> int:
    """Return ``item`` as an integer below ``2**bits``, in its shortest form."""
    digits = as_bytes(item)
    if digits[:1] == b"\x00":
        raise RlpError("integer with a leading zero byte")
    if len(digits) * 8 > bits + 7:
        raise RlpError(f"integer of {len(digits)} bytes, at most {bits} bits allowed")
    value = int.from_bytes(digits, "big")
    if value.bit_length() > bits:
        raise RlpError(f"integer above {bits} bits")
    return value


def _length_prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    digits = integer(length)
    return bytes((offset + 55 + len(digits),)) + digits


def _decode_at(data: bytes, position: int, limit: int, depth: int) -> tuple[RlpItem, int]:
    is_list, start, end = _span(data, position, limit)
    if not is_list:
        return data[start:end], end
    if depth >= MAX_DEPTH:
        raise RlpError(f"nested deeper than {MAX_DEPTH} lists")
    items: list[RlpItem] = []
    while start < end:
        child, start = _decode_at(data, start, end, depth + 1)
        items.append(child)
    return items, end


def _span(data: bytes, position: int, limit: int) -> tuple[bool, int, int]:
    """Return whether the item at ``position`` is a list, and where its payload starts and ends."""
    if position >= limit:
        raise RlpError("input ends before the item")
    first = data[position]
    if first < 0x80:
        return False, position, position + 1
    is_list = first >= 0xC0
    short = first - (0xC0 if is_list else 0x80)
    start = position + 1
    if short < 56:
        end = start + short
    else:
        digits = data[start : start + short - 55]
        start += short - 55
        length = int.from_bytes(digits, "big")
        if start > limit or digits[:1] == b"\x00" or length < 56:
            raise RlpError("length is not in its shortest form")
        end = start + length
    if end > limit:
        raise RlpError("item reaches beyond its container")
    if not is_list and short == 1 and data[start] < 0x80:
        raise RlpError("single byte below 0x80 with a length prefix")
    return is_list, start, end
