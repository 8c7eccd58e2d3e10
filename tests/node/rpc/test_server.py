"""The server over loopback: HTTP bounds, hostile clients, and what a browser is told."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trio

from node.rpc import parse
from node.rpc.dispatch import Dispatcher, DispatchLimits, Served
from node.rpc.errors import RpcError
from node.rpc.http import Access, HttpLimits, host_allowed
from node.rpc.method import Method, Weight
from node.rpc.server import Server


def fail(_node: object) -> None:
    raise ZeroDivisionError("secret detail")


def refuse(_node: object) -> None:
    raise RpcError(3, "execution reverted: no", "0x08")


METHODS = {
    "echo": Method(lambda _node, value: value, (lambda value: value,)),
    "number": Method(lambda _node, value: value + 1, (parse.quantity,)),
    "fail": Method(fail),
    "refuse": Method(refuse),
    "big": Method(lambda _node: "x" * 10_000),
    "sleep": Method(lambda _node: time.sleep(0.3), weight=Weight.HEAVY),
    "thread": Method(lambda _node: threading.current_thread().name, weight=Weight.HEAVY),
    "write": Method(lambda _node: threading.current_thread().name, weight=Weight.WRITE),
}


@dataclass
class Running:
    port: int
    served: list[Served]

    def send(self, raw: bytes) -> bytes:
        """Send raw bytes and read until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as connection:
            connection.sendall(raw)
            parts = []
            while part := connection.recv(65_536):
                parts.append(part)
            return b"".join(parts)

    def request(
        self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        lines = {"Host": "127.0.0.1", "Content-Length": str(len(body)), **(headers or {})}
        head = f"{method} {path} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        return split(self.send(head.encode() + b"Connection: close\r\n\r\n" + body))

    def call(self, body: Any) -> Any:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, answer = self.request("POST", "/", raw)
        assert status == 200
        return json.loads(answer)

    def one(self, method: str, *params: Any) -> Any:
        return self.call({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})


def split(raw: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), fields, body


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    served: list[Served] = []
    ready = threading.Event()
    facts: dict[str, Any] = {}

    async def main() -> None:
        dispatcher = Dispatcher(
            node=None,
            methods=METHODS,
            observe=served.append,
            limits=DispatchLimits(batch_items=100, answer_bytes=50_000, call_seconds=0.2),
        )
        limits = HttpLimits(
            body_bytes=100_000, request_seconds=0.6, idle_seconds=1.0, connections=20
        )
        server = Server(
            answer=dispatcher.answer,
            page=lambda: "a page\n",
            access=Access(origins=("http://good.example",)),
            limits=limits,
        )
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        facts["port"] = listeners[0].socket.getsockname()[1]
        facts["token"] = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as facts["scope"]:
            ready.set()
            await server.serve(listeners)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    assert ready.wait(10)
    yield Running(facts["port"], served)
    facts["token"].run_sync_soon(facts["scope"].cancel)
    thread.join(10)
    assert not thread.is_alive()


def test_a_call_and_its_errors(running: Running) -> None:
    assert running.one("echo", {"a": "ü"}) == {"jsonrpc": "2.0", "id": 1, "result": {"a": "ü"}}
    assert running.one("nope")["error"] == {
        "code": -32601,
        "message": "the method nope does not exist/is not available",
    }
    assert running.one("number", "0x_1")["error"]["code"] == -32602
    assert running.one("number")["error"]["code"] == -32602
    assert running.one("refuse")["error"] == {
        "code": 3,
        "message": "execution reverted: no",
        "data": "0x08",
    }
    assert running.call(b"{")["error"]["code"] == -32700


def test_a_bug_tells_the_log_and_not_the_client(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    error = running.one("fail")["error"]
    assert error["code"] == -32603
    assert "secret" not in json.dumps(error)
    log_id = error["message"].split("log id ")[1].rstrip(")")
    assert log_id in caplog.text
    assert "secret detail" in caplog.text


def test_heavy_methods_leave_the_event_loop(running: Running) -> None:
    reads = running.one("thread")["result"]
    assert "trio" in reads.lower()
    assert running.one("write")["result"] != "MainThread"
    assert running.one("sleep")["error"] == {
        "code": -32002,
        "message": "execution took longer than 0.2 s",
    }


def test_notifications_get_no_answer(running: Running) -> None:
    before = len(running.served)
    status, headers, body = running.request("POST", "/", b'{"jsonrpc":"2.0","method":"big"}')
    assert (status, body) == (204, b"")
    assert "content-length" not in headers
    assert running.served[before].method == "big"
    both = [{"jsonrpc": "2.0", "method": "big"}, {"jsonrpc": "2.0", "id": 5, "method": "thread"}]
    assert [answer["id"] for answer in running.call(both)] == [5]


def test_batches_are_bounded(running: Running) -> None:
    item = {"jsonrpc": "2.0", "id": 1, "method": "big"}
    assert running.call([item] * 101)["error"]["code"] == -32600
    answers = running.call([item] * 8)
    assert ["result" in answer for answer in answers] == [True] * 5 + [False] * 3
    assert answers[-1]["error"] == {"code": -32003, "message": "response too large"}


def test_pages(running: Running) -> None:
    assert running.request("GET", "/")[2] == b"a page\n"
    assert running.request("GET", "/livez")[::2] == (200, b"ok\n")
    assert running.request("GET", "/readyz?verbose")[::2] == (200, b"ok\n")
    assert running.request("GET", "/nope")[0] == 404
    assert running.request("HEAD", "/")[::2] == (200, b"")
    assert running.request("DELETE", "/")[0] == 405
    assert running.request("POST", "/nope", b"{}")[0] == 404


def test_what_a_browser_may_do(running: Running) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"echo","params":[1]}'
    good = {"Origin": "http://good.example", "Content-Type": "application/json"}
    status, headers, _ = running.request("POST", "/", body, good)
    assert (status, headers["access-control-allow-origin"]) == (200, "http://good.example")
    status, headers, _ = running.request("OPTIONS", "/", b"", good)
    assert (status, headers["access-control-allow-methods"]) == (204, "post, get, options")
    bad = {**good, "Origin": "http://evil.example"}
    assert running.request("POST", "/", body, bad)[0] == 403
    assert running.request("OPTIONS", "/", b"", bad)[0] == 403
    assert running.request("POST", "/", body, {**good, "Content-Type": "text/plain"})[0] == 415
    # A rebound DNS name reaches the address but not the node.
    assert running.request("POST", "/", body, {"Host": "evil.example:8545"})[0] == 403
    assert running.request("POST", "/", body, {"Host": "localhost:8545"})[0] == 200
    assert running.request("POST", "/", body, {"Host": "[::1]:8545"})[0] == 200


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:80", "LOCALHOST:9", ""]
)
def test_hosts_allowed(host: str) -> None:
    assert host_allowed(Access(), host)


@pytest.mark.parametrize(
    "host", ["evil", "evil:80", "127.0.0.1.evil.example", "localhost.evil", "1"]
)
def test_hosts_refused(host: str) -> None:
    assert not host_allowed(Access(), host)
    assert host_allowed(Access(hosts=("*",)), host)


def error_of(raw: bytes) -> tuple[int, int]:
    status, headers, body = split(raw)
    assert headers["connection"] == "close"
    return status, json.loads(body)["error"]["code"]


def test_oversized_and_malformed_requests(running: Running) -> None:
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
    assert error_of(running.send(post + b"Content-Length: 1000000000\r\n\r\n")) == (413, -32003)
    assert error_of(running.send(post + b"Content-Length: " + b"9" * 100 + b"\r\n\r\n"))[0] in {
        400,
        413,
    }
    assert error_of(running.send(post + b"Content-Length: 200000\r\n\r\n" + b"x" * 200_000)) == (
        413,
        -32003,
    )
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    chunk = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    assert error_of(running.send(chunked + chunk * 6)) == (413, -32003)
    assert error_of(running.send(post + b"X: " + b"y" * 200_000 + b"\r\n\r\n"))[0] == 431
    assert error_of(running.send(b"\x16\x03\x01 nonsense\r\n\r\n"))[0] == 400
    assert error_of(running.send(post + b"Content-Length: -1\r\n\r\n"))[0] == 400
    assert (
        error_of(running.send(post + b"Content-Length: 2\r\nContent-Encoding: gzip\r\n\r\n{}"))[0]
        == 415
    )
    assert running.one("echo", 1)["result"] == 1


def test_keep_alive_pipelining_and_expect(running: Running) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"echo","params":[1]}'
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(body)
    raw = running.send((head + b"\r\n" + body) * 2 + head + b"Connection: close\r\n\r\n" + body)
    assert raw.count(b'"result":1') == 3
    raw = running.send(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n" + body)
    assert b'"result":1' in raw


def test_slow_clients_are_cut_off_and_do_not_disturb(running: Running) -> None:
    slow = []
    for _ in range(10):
        connection = socket.create_connection(("127.0.0.1", running.port), timeout=20)
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{")
        slow.append(connection)
    start = time.perf_counter()
    assert running.one("echo", 1)["result"] == 1
    assert time.perf_counter() - start < 0.5
    for connection in slow:
        assert b" 408 " in connection.recv(4096)
        connection.close()
    # Silence between requests is closed without a word.
    with socket.create_connection(("127.0.0.1", running.port), timeout=20) as connection:
        assert connection.recv(10) == b""


def test_too_many_connections_are_told_so(running: Running) -> None:
    held = [socket.create_connection(("127.0.0.1", running.port), timeout=20) for _ in range(20)]
    time.sleep(0.1)
    assert error_of(running.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"))[0] == 503
    for connection in held:
        connection.close()
    time.sleep(0.1)
    assert running.one("echo", 1)["result"] == 1
