"""JSON-RPC errors: one exception, and one table from the node's exceptions to codes.

    Exception
    └── RpcError            code, message, data: becomes the `error` member of an answer
        └── InvalidParamsError   code -32602: a parameter that is not what the method takes

Codes and messages are geth's where geth has one, because tools match on them.
"""

from __future__ import annotations

from typing import Any, Final

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
SERVER_ERROR: Final = -32000
TIMEOUT: Final = -32002
TOO_LARGE: Final = -32003
LIMIT_EXCEEDED: Final = -32005
EXECUTION_REVERTED: Final = 3


class RpcError(Exception):
    """An answer that is an error.

    Parameters
    ----------
    code : int
        JSON-RPC error code.
    message : str
        One sentence for the caller.
    data : str, optional
        Return data of a reverted call, as hex.
    """

    def __init__(self, code: int, message: str, data: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    def member(self) -> dict[str, Any]:
        """Return the `error` member of the answer."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.data is not None:
            error["data"] = self.data
        return error


class InvalidParamsError(RpcError):
    """A parameter that is missing, superfluous or not of its type."""

    def __init__(self, message: str) -> None:
        super().__init__(INVALID_PARAMS, message)
