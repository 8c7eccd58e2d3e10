"""A JSON-RPC client on the standard library, for commands that talk to a running node."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
from collections.abc import Callable
from typing import Any, Final, Self
from urllib.parse import SplitResult, urlsplit

from ai_ops.nesting import deeper_than
from node.errors import CliError

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
MAXIMUM_DEPTH: Final = 256
DEFAULT_TIMEOUT_SECONDS: Final = 120.0


class RpcRefusedError(Exception):
    """The node answered with an error; `code` and `message` are the node's."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message}")
        self.method = method
        self.code = code
        self.message = message


class RpcClient:
    """One keep-alive connection to a node.

    Parameters
    ----------
    url : str
        `http://HOST:PORT[/PATH]` or `https://...`.
    timeout : float
        Seconds to wait for each answer.

    Raises
    ------
    CliError
        When the URL is none of these.
    """

    def __init__(self, url: str, timeout: float = DEFAULT_TIMEOUT_SECONDS) -> None:
        self.url = url
        parts = _split(url)
        self._path = parts.path or "/"
        kind: Callable[..., http.client.HTTPConnection] = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._connection = kind(parts.hostname, parts.port, timeout=timeout)
        self._ids = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        self._connection.close()

    def call(self, method: str, *params: Any) -> Any:
        """Call a method and return its result.

        Raises
        ------
        RpcRefusedError
            When the node answers with an error.
        CliError
            When there is no node, or what answers is none.
        """
        identifier = next(self._ids)
        request = {"jsonrpc": "2.0", "id": identifier, "method": method, "params": list(params)}
        status, body = self._post(json.dumps(request).encode())
        try:
            answer = None if deeper_than(MAXIMUM_DEPTH, body) else json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict) or answer.get("jsonrpc") != "2.0":
            raise CliError(
                "E-NET-003",
                f"{self.url} answered HTTP {status} with something that is not JSON-RPC; "
                "check the address and the port.",
            )
        error = answer.get("error")
        if isinstance(error, dict):
            raise RpcRefusedError(method, int(error.get("code", 0)), str(error.get("message")))
        if answer.get("id") != identifier or "result" not in answer:
            raise CliError(
                "E-NET-003", f"{self.url} answered another request than {method}; try again."
            )
        return answer["result"]

    def _post(self, body: bytes) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json"}
        for attempt in (1, 2):
            try:
                self._connection.request("POST", self._path, body, headers)
                response = self._connection.getresponse()
                content = response.read(MAX_ANSWER_BYTES + 1)
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError) as error:
                # An idle keep-alive connection may have been closed; a fresh one decides.
                self._connection.close()
                if attempt == 2:
                    raise self._unreachable(error) from error
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise self._unreachable(error) from error
            else:
                if len(content) > MAX_ANSWER_BYTES:
                    self._connection.close()
                    break
                return response.status, content
        raise CliError("E-NET-003", f"{self.url} sent an answer larger than 64 MiB.")

    def _unreachable(self, error: Exception) -> CliError:
        if isinstance(error, TimeoutError | socket.timeout):
            why = "no answer in time"
        elif isinstance(error, socket.gaierror):
            why = "the host name is unknown"
        elif isinstance(error, ConnectionRefusedError):
            why = "nothing listens there"
        else:
            why = " ".join(str(error).split()) or type(error).__name__
        return CliError(
            "E-NET-002",
            f"No node at {self.url} ({why}); start one with `engram devnet` or name another "
            "with --rpc.",
        )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not url.isascii() or any(character.isspace() for character in url):
        raise CliError(
            "E-NET-004", f"{url!r} is no address of a node; write it as http://HOST:PORT."
        )
    return parts
