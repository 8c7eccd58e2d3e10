"""JSON-RPC 2.0 as pure functions: bytes to calls, results to bytes.

`json.loads` accepts far more than JSON allows (NaN, duplicate keys, lone surrogates, numbers that
overflow) and fails in its own ways on deep nesting and long integers. Here each of those is one
parse error, and nothing that a client sends raises.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from ai_ops.nesting import deeper_than
from node.rpc.errors import INVALID_REQUEST, PARSE_ERROR, RpcError

MAX_DEPTH: Final = 64
MAX_NUMBER_CHARACTERS: Final = 80  # a 256-bit integer has 78 decimal digits
MAX_ID_CHARACTERS: Final = 256

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Call:
    """One well-formed request.

    Attributes
    ----------
    id : str, int or None
        Echoed in the answer.
    notification : bool
        True when the request has no id and wants no answer.
    """

    id: str | int | None
    method: str
    params: list[Any]
    notification: bool


@dataclass(frozen=True, slots=True)
class Refused:
    """A request answered before any method is looked up."""

    id: str | int | None
    error: RpcError


@dataclass(frozen=True, slots=True)
class Requests:
    """What a body contains; `batch` tells whether the answer is an array."""

    items: tuple[Call | Refused, ...]
    batch: bool


def parse(body: bytes, max_items: int) -> Requests:
    """Return the requests in `body`; what is malformed becomes `Refused`.

    Parameters
    ----------
    body : bytes
        The whole HTTP body.
    max_items : int
        Largest number of requests in a batch.
    """
    try:
        value = _strict_json(body)
    except (ValueError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else "not well-formed JSON"
        return _single(RpcError(PARSE_ERROR, f"parse error: {reason}"))
    if not isinstance(value, list):
        return Requests(items=(_request(value),), batch=False)
    if not value:
        return _single(RpcError(INVALID_REQUEST, "empty batch"))
    if len(value) > max_items:
        return _single(RpcError(INVALID_REQUEST, f"batch too large: at most {max_items} requests"))
    return Requests(items=tuple(_request(item) for item in value), batch=True)


def encode_result(identifier: str | int | None, result: Any) -> bytes:
    """Return the answer to one request that succeeded."""
    return _dump({"jsonrpc": "2.0", "id": identifier, "result": result})


def encode_error(identifier: str | int | None, error: RpcError) -> bytes:
    """Return the answer to one request that failed."""
    return _dump({"jsonrpc": "2.0", "id": identifier, "error": error.member()})


def encode_batch(answers: list[bytes]) -> bytes:
    """Join encoded answers to the array that answers a batch."""
    return b"[" + b",".join(answers) + b"]"


def _dump(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def _single(error: RpcError) -> Requests:
    return Requests(items=(Refused(id=None, error=error),), batch=False)


def _request(value: Any) -> Call | Refused:
    if not isinstance(value, dict):
        return Refused(id=None, error=RpcError(INVALID_REQUEST, "request is not an object"))
    identifier = value.get("id")
    fault = None
    if isinstance(identifier, bool) or not isinstance(identifier, str | int | None):
        identifier, fault = None, "id must be a string, an integer or null"
    elif isinstance(identifier, str) and len(identifier) > MAX_ID_CHARACTERS:
        identifier, fault = None, f"id is longer than {MAX_ID_CHARACTERS} characters"
    elif value.get("jsonrpc") != "2.0":
        fault = 'member "jsonrpc" must be "2.0"'
    elif not isinstance(value.get("method"), str):
        fault = 'member "method" must be a string'
    elif not isinstance(value.get("params"), list | dict | None):
        fault = 'member "params" must be an array'
    if fault is not None:
        return Refused(id=identifier, error=RpcError(INVALID_REQUEST, f"invalid request: {fault}"))
    params = value.get("params")
    if isinstance(params, dict):
        if params:
            error = RpcError(-32602, "params must be an array: arguments have no names here")
            return Refused(id=identifier, error=error)
        params = []
    return Call(
        id=identifier,
        method=value["method"],
        params=[] if params is None else params,
        notification="id" not in value,
    )


def _strict_json(body: bytes) -> Any:
    """Parse exactly JSON (RFC 8259) in UTF-8.

    Raises
    ------
    ValueError
        On anything else; plain `ValueError` carries a reason for the client.
    RecursionError
        Not in practice: `MAX_DEPTH` is checked first.
    """
    text = body.decode("utf-8")
    if deeper_than(MAX_DEPTH, body):
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    value = json.loads(
        text,
        object_pairs_hook=_unique,
        parse_constant=_no_constant,
        parse_int=_integer,
        parse_float=_finite,
    )
    if _SURROGATE.search(body):
        # Escaped halves of a pair parse to strings that no encoder accepts.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has the same key twice")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER_CHARACTERS:
        raise ValueError("an integer is too long")
    return int(digits)


def _finite(digits: str) -> float:
    value = float(digits)
    if value in {float("inf"), float("-inf")}:
        raise ValueError("a number is too large")
    return value
