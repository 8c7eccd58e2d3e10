"""The HTTP server: h11 on trio, one port, keep-alive, bounds on everything a client can stretch."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

import h11
import trio

from node.rpc.dispatch import Gone
from node.rpc.errors import INVALID_REQUEST, TOO_LARGE, RpcError
from node.rpc.http import Access, HttpLimits, Refusal, cors_headers, preflight_headers, refuse
from node.rpc.jsonrpc import encode_error

LOGGER: Final = logging.getLogger("engram.rpc")
READ_BYTES: Final = 65_536
LINGER_BYTES: Final = 16 * 1024 * 1024
LINGER_SECONDS: Final = 2.0
# Who has sent everything may close that half and still read: what is answered soon, is sent.
HALF_CLOSED_SECONDS: Final = 1.0
JSON_TYPE: Final = "application/json"
TEXT_TYPE: Final = "text/plain; charset=utf-8"


class _ClosedError(Exception):
    """The peer left, or was too slow."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer."""

    status: int
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: tuple[tuple[str, str], ...] = ()
    close: bool = False


@dataclass(slots=True, kw_only=True)
class Server:
    """What every connection shares.

    Attributes
    ----------
    answer : async callable
        Request body to answer body, or None for no content; also takes a callable that waits
        until the client has left.
    page : callable
        Text served at `/`.
    documents : mapping
        What else a GET finds, by path.
    not_ready : callable
        Reasons why `/readyz` answers 503; empty when ready.
    """

    answer: Callable[[bytes, Gone], Awaitable[bytes | None]]
    page: Callable[[], str]
    documents: Mapping[str, Callable[[], Answer]] = field(default_factory=dict)
    not_ready: Callable[[], list[str]] = list
    access: Access = field(default_factory=Access)
    limits: HttpLimits = field(default_factory=HttpLimits)
    open_connections: int = 0

    async def serve(self, listeners: list[trio.SocketListener]) -> None:
        """Serve until cancelled."""
        await trio.serve_listeners(self.connection, listeners)

    async def connection(self, stream: trio.SocketStream) -> None:
        """Serve one connection until it ends; a fault of the peer ends only this one."""
        self.open_connections += 1
        try:
            async with stream:
                await _Connection(self, stream).run()
        except (_ClosedError, trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        except Exception:
            LOGGER.exception("a connection failed")
        finally:
            self.open_connections -= 1

    def get(self, path: str) -> Answer:
        """Answer a GET."""
        if path == "/":
            return Answer(200, self.page().encode(), TEXT_TYPE)
        if path == "/livez":
            return Answer(200, b"ok\n", TEXT_TYPE)
        if path == "/readyz":
            reasons = self.not_ready()
            text = "".join(f"{reason}\n" for reason in reasons) or "ok\n"
            return Answer(503 if reasons else 200, text.encode(), TEXT_TYPE)
        if path in self.documents:
            return self.documents[path]()
        return Answer(404, b"not found; JSON-RPC is POST /\n", TEXT_TYPE)


def refusal(status: int, reason: str) -> Answer:
    """Return a refusal that a JSON-RPC client can show; the connection closes after it."""
    code = TOO_LARGE if status == 413 else INVALID_REQUEST
    return Answer(status, encode_error(None, RpcError(code, reason)), close=True)


class _Connection:
    """One connection: the loop of requests, and h11 joined to the socket."""

    __slots__ = ("ended", "http", "server", "stream")

    def __init__(self, server: Server, stream: trio.SocketStream) -> None:
        self.server = server
        self.stream = stream
        self.ended: float | None = None
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=server.limits.header_bytes)

    async def run(self) -> None:
        """Answer requests until one side closes."""
        if self.server.open_connections > self.server.limits.connections:
            await self._send(refusal(503, "too many connections"), [])
            await self._linger()
            return
        while True:
            cors: list[tuple[str, str]] = []
            head = False
            try:
                request = await self._request()
                if request is None:
                    return
                headers = dict(request.headers)
                head = request.method == b"HEAD"
                cors = cors_headers(self.server.access, headers)
                answer = await self._respond(request, headers)
            except h11.RemoteProtocolError as error:
                answer = refusal(error.error_status_hint, f"malformed HTTP request: {error}")
            await self._send(answer, cors, head=head)
            if answer.close or self.http.our_state is not h11.DONE:
                await self._linger()
                return
            if self.http.their_state is not h11.DONE:
                return
            self.http.start_next_cycle()

    async def _request(self) -> h11.Request | None:
        """Return the next request's head, or None when the client closed or stayed idle."""
        limits = self.server.limits
        event = self.http.next_event()
        if event is h11.NEED_DATA:
            with trio.move_on_after(limits.idle_seconds) as idle:
                await self._receive()
            if idle.cancelled_caught:
                return None
            event = self.http.next_event()
        if event is h11.NEED_DATA:
            with trio.move_on_after(limits.request_seconds) as slow:
                while event is h11.NEED_DATA:
                    await self._receive()
                    event = self.http.next_event()
            if slow.cancelled_caught:
                raise h11.RemoteProtocolError("the request took too long", 408)
        return event if isinstance(event, h11.Request) else None

    async def _respond(self, request: h11.Request, headers: dict[bytes, bytes]) -> Answer:
        server = self.server
        refused: Refusal | None = refuse(server.access, server.limits, request.method, headers)
        if refused is not None:
            return refusal(refused.status, refused.reason)
        path = request.target.decode("latin-1").split("?")[0]
        body = await self._body()
        if request.method == b"POST":
            if path != "/":
                return refusal(404, "not found; JSON-RPC is POST /")
            answer = await server.answer(body, self._gone)
            return Answer(204) if answer is None else Answer(200, answer)
        if request.method == b"OPTIONS":
            return Answer(204, headers=tuple(preflight_headers()))
        if request.method in {b"GET", b"HEAD"}:
            return server.get(path)
        return refusal(405, "use POST for JSON-RPC")

    async def _body(self) -> bytes:
        limits = self.server.limits
        parts: list[bytes] = []
        size = 0
        if self.http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[])
            await self._write(self.http.send(go_on))
        with trio.move_on_after(limits.request_seconds):
            while True:
                event = self.http.next_event()
                if event is h11.NEED_DATA:
                    await self._receive()
                elif isinstance(event, h11.Data):
                    parts.append(bytes(event.data))
                    size += len(event.data)
                    if size > limits.body_bytes:
                        reason = f"request body too large, the limit is {limits.body_bytes} bytes"
                        raise h11.RemoteProtocolError(reason, 413)
                elif isinstance(event, h11.EndOfMessage):
                    return b"".join(parts)
                else:
                    raise _ClosedError
        raise h11.RemoteProtocolError("the request took too long", 408)

    async def _gone(self) -> None:
        """Wait until the client has closed the connection; keep what else it sends meanwhile."""
        kept = 0
        try:
            while self.ended is None:
                data = await self.stream.receive_some(READ_BYTES)
                self.http.receive_data(data)
                kept += len(data)
                if kept > self.server.limits.body_bytes:
                    await trio.sleep_forever()
                if not data:
                    self.ended = trio.current_time()
        except trio.BrokenResourceError:
            return
        await trio.sleep_until(self.ended + HALF_CLOSED_SECONDS)

    async def _receive(self) -> None:
        self.http.receive_data(await self.stream.receive_some(READ_BYTES))

    async def _send(
        self, answer: Answer, cors: list[tuple[str, str]], *, head: bool = False
    ) -> None:
        if self.http.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            raise _ClosedError
        headers = [*answer.headers, *cors]
        if answer.status != 204:
            headers += [
                ("Content-Type", answer.content_type),
                ("Content-Length", str(len(answer.body))),
            ]
        if answer.close:
            headers.append(("Connection", "close"))
        response = h11.Response(
            status_code=answer.status, headers=headers, reason=HTTPStatus(answer.status).phrase
        )
        out = self.http.send(response) or b""
        if answer.body and not head:
            out += self.http.send(h11.Data(data=answer.body)) or b""
        await self._write(out + (self.http.send(h11.EndOfMessage()) or b""))

    async def _write(self, out: bytes | None) -> None:
        with trio.move_on_after(self.server.limits.write_seconds):
            if out:
                await self.stream.send_all(out)
            return
        raise _ClosedError

    async def _linger(self) -> None:
        """Read a little of what still comes, so that the answer is not lost to a reset."""
        with trio.move_on_after(LINGER_SECONDS):
            await self.stream.send_eof()
            taken = 0
            while taken < LINGER_BYTES:
                chunk = await self.stream.receive_some(READ_BYTES)
                if not chunk:
                    return
                taken += len(chunk)


def describe(facts: dict[str, str], address: str) -> str:
    """Return the text of the page at `/`.

    Parameters
    ----------
    facts : dict
        What to say about the node, in order.
    address : str
        `HOST:PORT` of this server, for the example.
    """
    lines = ["This is the JSON-RPC endpoint of an Engram node.", ""]
    lines += [f"{key:<10}{value}" for key, value in facts.items()]
    call = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
    lines += ["", "Ask it by POST, for example:", f"  curl -d '{call}' http://{address}/", ""]
    return "\n".join(lines)
