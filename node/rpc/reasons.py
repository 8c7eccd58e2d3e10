"""Why a call reverted, in words: decodes the errors of Solidity and of the inference contracts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

# Solidity's panic codes, in geth's words.
PANICS: Final[dict[int, str]] = {
    0x00: "generic panic",
    0x01: "assert(false)",
    0x11: "arithmetic underflow or overflow",
    0x12: "division or modulo by zero",
    0x21: "enum overflow",
    0x22: "invalid encoded storage byte array accessed",
    0x31: "out-of-bounds array access; popping on an empty array",
    0x32: "out-of-bounds access of an array or bytesN",
    0x41: "out of memory",
    0x51: "uninitialized function",
}
MODEL_STATUS: Final = ("unknown", "created, not active", "active", "deprecated", "rejected")


def reason(output: bytes) -> str | None:
    """Return the reason in revert data, or None when it holds none that is known.

    Parameters
    ----------
    output : bytes
        Return data of the reverted frame: selector and ABI-encoded arguments.
    """
    decode = _DECODERS.get(output[:4])
    try:
        return None if decode is None else decode(output[4:])
    except (ValueError, IndexError):
        return None


def revert_message(output: bytes) -> str:
    """Return `execution reverted`, followed by the reason when there is one."""
    why = reason(output)
    return "execution reverted" if why is None else f"execution reverted: {why}"


def _word(arguments: bytes, index: int) -> int:
    word = arguments[32 * index : 32 * index + 32]
    if len(word) != 32:
        raise ValueError("too short")
    return int.from_bytes(word, "big")


def _text(arguments: bytes) -> str:
    start = _word(arguments, 0)
    if start % 32:
        raise ValueError("not aligned")
    length = _word(arguments, start // 32)
    raw = arguments[start + 32 : start + 32 + length]
    if len(raw) != length:
        raise ValueError("too short")
    return raw.decode("utf-8", errors="replace")


def _panic(arguments: bytes) -> str:
    code = _word(arguments, 0)
    return PANICS.get(code, f"unknown panic code: {code:#x}")


def _model_not_callable(arguments: bytes) -> str:
    model, status = _word(arguments, 0), _word(arguments, 1)
    words = MODEL_STATUS[status] if status < len(MODEL_STATUS) else str(status)
    return f"ModelNotCallable: model 0x{model:040x} is {words}"


def _input_size(arguments: bytes) -> str:
    return f"InputSize: got {_word(arguments, 0)} bytes, want {_word(arguments, 1)}"


def _inference_failed(arguments: bytes) -> str:
    return f"InferenceFailed: code {_word(arguments, 0)}"


_DECODERS: Final[dict[bytes, Callable[[bytes], str]]] = {
    bytes.fromhex("08c379a0"): _text,  # Error(string)
    bytes.fromhex("4e487b71"): _panic,  # Panic(uint256)
    bytes.fromhex("48dcdf06"): _model_not_callable,  # ModelNotCallable(address,uint8)
    bytes.fromhex("bf66fbf0"): _input_size,  # InputSize(uint256,uint256)
    bytes.fromhex("b1ce6040"): _inference_failed,  # InferenceFailed(uint16)
}
