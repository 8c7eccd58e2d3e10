"""From the bytes of a request to the bytes of its answer: looks up methods and runs them."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

import trio

from ai_ops.executor import Cancellation
from node.rpc.errors import (
    INTERNAL_ERROR,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    SERVER_ERROR,
    TIMEOUT,
    TOO_LARGE,
    RpcError,
)
from node.rpc.jsonrpc import Call, Refused, encode_batch, encode_error, encode_result, parse
from node.rpc.method import Method, Weight, arguments

LOGGER: Final = logging.getLogger("engram.rpc")

Gone = Callable[[], Awaitable[None]]
"""Waits until the caller has left; may wait for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchLimits:
    """Bounds on one request, the customary ones of Ethereum nodes.

    Attributes
    ----------
    batch_items : int
        Requests in a batch.
    answer_bytes : int
        Bytes of all answers to a batch.
    call_seconds : float
        Wait for a method that runs in a thread; afterwards the caller gets a timeout.
    threads : int
        Heavy reads at the same time.
    writers : int
        Transactions on their way at the same time; those that wait for a block share the next.
    """

    batch_items: int = 1_000
    answer_bytes: int = 25_000_000
    call_seconds: float = 60.0
    threads: int = 4
    writers: int = 16


@dataclass(frozen=True, slots=True)
class Served:
    """One method call that was answered, for the log of calls."""

    method: str
    error: RpcError | None
    seconds: float


@dataclass(slots=True, kw_only=True)
class Dispatcher:
    """Answers request bodies over a table of methods.

    Attributes
    ----------
    node : object
        First argument of every method.
    methods : mapping
        Name to row, all namespaces that are served.
    translate : callable
        Turns an exception of the node into an `RpcError`, or returns None for a bug.
    begin : callable
        Told the name of each method before it runs.
    observe : callable
        Told of each call after it was answered.
    """

    node: Any
    methods: Mapping[str, Method]
    translate: Callable[[Exception], RpcError | None] = lambda _error: None
    begin: Callable[[str], None] = lambda _method: None
    observe: Callable[[Served], None] = lambda _served: None
    limits: DispatchLimits = field(default_factory=DispatchLimits)
    _reads: trio.CapacityLimiter = field(init=False)
    _writes: trio.CapacityLimiter = field(init=False)

    def __post_init__(self) -> None:
        self._reads = trio.CapacityLimiter(self.limits.threads)
        self._writes = trio.CapacityLimiter(self.limits.writers)

    async def answer(self, body: bytes, gone: Gone = trio.sleep_forever) -> bytes | None:
        """Return the body of the answer, or None when nothing is to be answered.

        Never raises for anything that a client can send. When `gone` returns, executions that
        only the caller wanted to know about end; transactions do not.
        """
        requests = parse(body, self.limits.batch_items)
        if not requests.batch:
            return await self._answer_one(requests.items[0], gone)
        answers: list[bytes] = []
        size = 0
        for item in requests.items:
            if size > self.limits.answer_bytes:
                # As geth: what no longer fits gets an error each, so ids stay answered.
                if isinstance(item, Refused) or not item.notification:
                    answers.append(encode_error(item.id, RpcError(TOO_LARGE, "response too large")))
                continue
            answer = await self._answer_one(item, gone)
            if answer is not None:
                size += len(answer)
                answers.append(answer)
        return encode_batch(answers) if answers else None

    async def _answer_one(self, item: Call | Refused, gone: Gone) -> bytes | None:
        if isinstance(item, Refused):
            self.observe(Served("(refused)", item.error, 0.0))
            return encode_error(item.id, item.error)
        start = time.perf_counter()
        failure = None
        self.begin(item.method)
        try:
            result = await self._run(item, gone)
            answer = encode_result(item.id, result)
        except RpcError as error:
            failure = error
        except Exception as error:  # noqa: BLE001 (a bug is logged, and the server lives on)
            failure = self.translate(error) or self._bug(item.method, error)
        if failure is not None:
            answer = encode_error(item.id, failure)
        self.observe(Served(item.method, failure, time.perf_counter() - start))
        return None if item.notification else answer

    async def _run(self, call: Call, gone: Gone) -> Any:
        method = self.methods.get(call.method)
        if method is None:
            if len(call.method) > 100:
                raise RpcError(INVALID_REQUEST, "method name is too long")
            raise RpcError(
                METHOD_NOT_FOUND, f"the method {call.method} does not exist/is not available"
            )
        parsed = arguments(method, call.params)
        if method.weight is Weight.LIGHT:
            return method.run(self.node, *parsed)
        if method.weight is Weight.WRITE:
            # No deadline: the caller must learn what became of the transaction. Only the end
            # of the node abandons it.
            return await trio.to_thread.run_sync(
                method.run, self.node, *parsed, limiter=self._writes, abandon_on_cancel=True
            )
        with trio.move_on_after(self.limits.call_seconds):
            if method.weight is Weight.EXECUTION:
                return await self._execute(method, parsed, gone)
            # An abandoned thread keeps its place in the limiter until it ends.
            return await trio.to_thread.run_sync(
                method.run, self.node, *parsed, limiter=self._reads, abandon_on_cancel=True
            )
        raise RpcError(TIMEOUT, f"execution took longer than {self.limits.call_seconds:g} s")

    async def _execute(self, method: Method, parsed: list[Any], gone: Gone) -> Any:
        """Run a method that ends soon after its caller left, its time was up or the node stops."""
        flag = Cancellation()
        run = partial(method.run, self.node, *parsed, cancellation=flag)
        failure: Exception = RpcError(SERVER_ERROR, "the caller left before the answer")
        async with trio.open_nursery() as nursery:

            async def leave() -> None:
                await gone()
                nursery.cancel_scope.cancel()

            nursery.start_soon(leave)
            try:
                result = await trio.to_thread.run_sync(
                    run, limiter=self._reads, abandon_on_cancel=True
                )
            except Exception as error:  # noqa: BLE001 (raised again outside of the nursery)
                failure = error
            else:
                nursery.cancel_scope.cancel()
                return result
            finally:
                flag.cancel()
            nursery.cancel_scope.cancel()
        raise failure

    @staticmethod
    def _bug(method: str, error: Exception) -> RpcError:
        log_id = secrets.token_hex(4)
        LOGGER.error("%s failed (log id %s)", method, log_id, exc_info=error)
        return RpcError(INTERNAL_ERROR, f"internal error (log id {log_id})")
