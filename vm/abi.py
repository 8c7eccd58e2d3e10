"""The contract ABI for the fixed signatures of the two precompiles: strict, canonical, small.

Only the types those signatures use exist. Decoding accepts the canonical encoding only: what
decodes is re-encoded and compared, so there are no offset tricks. Bytes after it are ignored, for
Vyper sends its whole argument buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from eth_hash.auto import keccak

WORD = 32
# "Error(string)", the revert reason every Solidity tool shows.
ERROR_SELECTOR = bytes.fromhex("08c379a0")
# Bits of the value types; `bytes32` is a word, `bool` does not occur.
INTEGER_BITS = {"uint8": 8, "uint16": 16, "uint256": 256}
DYNAMIC = ("bytes", "string", "bytes[]", "uint256[]")

Value = int | bytes | str | Sequence[bytes] | Sequence[int]


class AbiError(Exception):
    """The call data is not the canonical encoding of the function's arguments."""


def selector(signature: str) -> bytes:
    """Return the 4-byte selector of a signature such as ``infer(address,bytes)``."""
    return keccak(signature.encode("ascii"))[:4]


def event_topic(signature: str) -> int:
    """Return topic 0 of an event as the integer py-evm's log entries take."""
    return int.from_bytes(keccak(signature.encode("ascii")), "big")


def words(size: int) -> int:
    """Return the number of 32-byte words that `size` bytes fill."""
    return (size + WORD - 1) // WORD


def encode(types: Sequence[str], values: Sequence[Value]) -> bytes:
    """Encode values canonically: heads in order, tails in order, no gap, zero padding."""
    heads: list[bytes] = []
    tails: list[bytes] = []
    offset = WORD * len(types)
    for kind, value in zip(types, values, strict=True):
        if kind in DYNAMIC:
            tail = _encode_tail(kind, value)
            heads.append(offset.to_bytes(WORD, "big"))
            tails.append(tail)
            offset += len(tail)
        else:
            heads.append(_encode_word(kind, value))
    return b"".join(heads + tails)


def decode(types: Sequence[str], data: bytes) -> tuple[Value, ...]:
    """Decode canonical call data (without its selector).

    Raises
    ------
    AbiError
        When `data` does not begin with `encode(types, values)` for some values.
    """
    values: list[Value] = []
    for position, kind in enumerate(types):
        head = _word_at(data, WORD * position)
        values.append(_decode_tail(kind, data, head) if kind in DYNAMIC else _value(kind, head))
    if not data.startswith(encode(types, values)):
        raise AbiError("the arguments are not in canonical form")
    return tuple(values)


def encode_error(signature: str, values: Sequence[Value]) -> bytes:
    """Encode a custom error such as ``InputSize(uint256,uint256)``."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    return selector(signature) + encode(types, values)


def revert_reason(sentence: str) -> bytes:
    """Encode ``Error(string)``."""
    return ERROR_SELECTOR + encode(("string",), (sentence,))


def _encode_word(kind: str, value: Value) -> bytes:
    if kind == "bytes32":
        return cast("bytes", value)
    if kind == "address":
        return cast("bytes", value).rjust(WORD, b"\0")
    return cast("int", value).to_bytes(WORD, "big")


def _encode_tail(kind: str, value: Value) -> bytes:
    if kind == "uint256[]":
        numbers = cast("Sequence[int]", value)
        return b"".join(number.to_bytes(WORD, "big") for number in (len(numbers), *numbers))
    if kind == "bytes[]":
        items = cast("Sequence[bytes]", value)
        return len(items).to_bytes(WORD, "big") + encode(("bytes",) * len(items), items)
    content = value.encode("utf-8") if isinstance(value, str) else cast("bytes", value)
    return len(content).to_bytes(WORD, "big") + content.ljust(WORD * words(len(content)), b"\0")


def _word_at(data: bytes, offset: int) -> int:
    if offset + WORD > len(data):
        raise AbiError("the arguments end early")
    return int.from_bytes(data[offset : offset + WORD], "big")


def _value(kind: str, word: int) -> Value:
    if kind == "bytes32":
        return word.to_bytes(WORD, "big")
    bits = 160 if kind == "address" else INTEGER_BITS[kind]
    if word >> bits:
        raise AbiError(f"the value does not fit {kind}")
    return word.to_bytes(20, "big") if kind == "address" else word


def _decode_tail(kind: str, data: bytes, offset: int) -> Value:
    length = _word_at(data, offset)
    start = offset + WORD
    if kind == "bytes":
        return _slice(data, start, length)
    if kind == "bytes[]":
        # An item takes an offset and a length at least: this bounds the loop by the data.
        if length * 2 * WORD > len(data):
            raise AbiError("the array is longer than the call data")
        return _decode_items(data[start:], length)
    raise AbiError(f"{kind} is not an argument type")


def _decode_items(body: bytes, count: int) -> tuple[bytes, ...]:
    """Decode the items of a `bytes[]`; `body` begins with their offsets.

    Each must begin where the one before it ends. Checked before an item is copied: offsets that
    all name one long item would copy it once for each.
    """
    items: list[bytes] = []
    expected = WORD * count
    for index in range(count):
        if _word_at(body, WORD * index) != expected:
            raise AbiError("the arguments are not in canonical form")
        item = _slice(body, expected + WORD, _word_at(body, expected))
        items.append(item)
        expected += WORD * (1 + words(len(item)))
    return tuple(items)


def _slice(data: bytes, start: int, length: int) -> bytes:
    if start + length > len(data):
        raise AbiError("the arguments end early")
    return data[start : start + length]
