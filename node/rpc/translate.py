"""The one table from exceptions of the node to JSON-RPC errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ai_ops.errors import Cancelled
from node.pool_errors import PoolError
from node.rpc import format as form
from node.rpc.errors import EXECUTION_REVERTED, INTERNAL_ERROR, SERVER_ERROR, RpcError
from node.rpc.reasons import revert_message
from node.storage.errors import StoreError
from vm.errors import CallFailed, InvalidTransaction, LocalFault


def _call_failed(error: CallFailed) -> RpcError:
    if error.reverted:
        return RpcError(EXECUTION_REVERTED, revert_message(error.output), form.data(error.output))
    return RpcError(SERVER_ERROR, str(error))


TRANSLATIONS: Final[tuple[tuple[type[Exception], Callable[[Any], RpcError]], ...]] = (
    (PoolError, lambda error: RpcError(error.code, error.message)),
    (InvalidTransaction, lambda error: RpcError(SERVER_ERROR, error.reason)),
    (CallFailed, _call_failed),
    # Only the end of the node stops what somebody waits for.
    (Cancelled, lambda _error: RpcError(SERVER_ERROR, "the node is stopping")),
    (StoreError, lambda error: RpcError(INTERNAL_ERROR, str(error))),
    (LocalFault, lambda error: RpcError(INTERNAL_ERROR, f"this node cannot run it now: {error}")),
)


def translate(error: Exception) -> RpcError | None:
    """Return the answer for an exception of the node; None for a bug."""
    for kind, make in TRANSLATIONS:
        if isinstance(error, kind):
            return make(error)
    return None
