"""Executions whose caller left or whose time is up: they end soon, and disturb nobody else."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

from ai_ops.backends.reference import ReferenceBackend
from ai_ops.executor import Cancellation
from node.rpc.dispatch import Dispatcher, DispatchLimits
from node.rpc.errors import SERVER_ERROR, TIMEOUT
from node.rpc.http import HttpLimits
from node.rpc.method import Method, Weight
from node.rpc.server import Server
from tests.node.rpc.test_server import Running
from tests.support.inference import asm
from tests.support.rpc import Rpc, deployment
from vm.models import shared_store

FOREVER = 20.0
SOON = 3.0


@dataclass
class Work:
    """What the methods under test did, by name."""

    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    ended: list[str] = field(default_factory=list)

    def spin(self, name: str, seconds: float, flag: Cancellation) -> str:
        self.begun.release()
        until = time.monotonic() + seconds
        while time.monotonic() < until and not flag.cancelled:
            time.sleep(0.005)
        self.ended.append(f"{name} cancelled" if flag.cancelled else f"{name} done")
        flag.check()
        return name

    def wait(self, *expected: str, within: float = SOON) -> None:
        until = time.monotonic() + within
        while sorted(self.ended) != sorted(expected) and time.monotonic() < until:
            time.sleep(0.01)
        assert sorted(self.ended) == sorted(expected)


def number(value: Any) -> float:
    return float(value)


@contextmanager
def serving(work: Work, **limits: Any) -> Iterator[Running]:
    methods = {
        "spin": Method(
            lambda _node, name, seconds, *, cancellation: work.spin(name, seconds, cancellation),
            (str, number),
            weight=Weight.EXECUTION,
        ),
        "echo": Method(lambda _node, value: value, (str,)),
    }
    ready = threading.Event()
    facts: dict[str, Any] = {}

    async def main() -> None:
        dispatcher = Dispatcher(node=None, methods=methods, limits=DispatchLimits(**limits))
        server = Server(answer=dispatcher.answer, page=str, limits=HttpLimits(idle_seconds=1.0))
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        facts["port"] = listeners[0].socket.getsockname()[1]
        facts["token"] = trio.lowlevel.current_trio_token()
        with trio.CancelScope() as facts["scope"]:
            ready.set()
            await server.serve(listeners)

    thread = threading.Thread(target=trio.run, args=(main,))
    thread.start()
    assert ready.wait(10)
    try:
        yield Running(facts["port"], [])
    finally:
        facts["token"].run_sync_soon(facts["scope"].cancel)
        thread.join(10)
        assert not thread.is_alive()


def request(method: str, *params: Any, close: bool = True) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    last = "Connection: close\r\n" if close else ""
    head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n{last}\r\n"
    return (head + body).encode()


def rest(connection: socket.socket) -> bytes:
    return b"".join(iter(lambda: connection.recv(4096), b""))


def test_a_timeout_frees_the_thread() -> None:
    work = Work()
    with serving(work, threads=1, call_seconds=0.3) as server:
        assert server.one("spin", "long", FOREVER)["error"]["code"] == TIMEOUT
        # The only thread is needed for this one.
        start = time.monotonic()
        assert server.one("spin", "short", 0)["result"] == "short"
        assert time.monotonic() - start < SOON
    assert work.ended == ["long cancelled", "short done"]


def test_a_caller_who_leaves_ends_its_own_execution_only() -> None:
    work = Work()
    with serving(work) as server:
        answers: list[bytes] = []
        stays = threading.Thread(
            target=lambda: answers.append(server.send(request("spin", "other", 2.0)))
        )
        stays.start()
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(request("spin", "left", FOREVER))
            assert work.begun.acquire(timeout=10)
            assert work.begun.acquire(timeout=10)
        work.wait("left cancelled", within=1.9)
        stays.join(10)
        work.wait("left cancelled", "other done")
    assert b'"result":"other"' in answers[0]


def test_who_closes_one_half_is_answered_for_a_while() -> None:
    work = Work()
    with serving(work) as server:
        for seconds, expected in ((0.3, '"result":"half"'), (FOREVER, str(SERVER_ERROR))):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
                connection.sendall(request("spin", "half", seconds))
                connection.shutdown(socket.SHUT_WR)
                answer = rest(connection)
            assert expected in answer.decode()
        work.wait("half done", "half cancelled")


def test_what_is_sent_meanwhile_is_answered_afterwards() -> None:
    work = Work()
    with serving(work) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(request("spin", "first", 0.4, close=False))
            assert work.begun.acquire(timeout=10)
            connection.sendall(request("echo", "second"))
            answer = rest(connection)
        assert answer.index(b'"first"') < answer.index(b'"second"')


def test_a_server_that_stops_ends_them() -> None:
    work = Work()
    with (
        serving(work) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection,
    ):
        connection.sendall(request("spin", "last", FOREVER))
        assert work.begun.acquire(timeout=10)
    work.wait("last cancelled")


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> tuple[Rpc, str]:
    """A devnet whose digit model is slow, and a contract that runs it again and again."""
    rpc = Rpc(demo=True)
    store = shared_store(rpc.node.chain.spec.vm_config.limits)
    monkeypatch.setattr(store, "_backend", ReferenceBackend())
    store._loaded.clear()
    (model,) = rpc.call("engram_listModels")
    inference = (0, 784, 784, 0, int(model["address"], 16), "INFER", "POP")
    code = asm("JUMPDEST", *inference, 1, 0, "JUMPI")
    return rpc, rpc.send(data=deployment(code.hex()))["contractAddress"]


def test_a_read_of_many_inferences_is_timed_out_and_over(slow: tuple[Rpc, str]) -> None:
    rpc, contract = slow
    rpc.node.call_gas_cap = 2**40
    rpc.dispatcher.limits = DispatchLimits(call_seconds=0.5)
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "eth_call",
        "params": [{"to": contract, "gas": hex(2**40)}],
    }

    # Whoever comes next needs the thread.
    rpc.dispatcher._reads.total_tokens = 1

    async def ask() -> tuple[Any, float]:
        raw = await rpc.dispatcher.answer(json.dumps(body).encode())
        answered = trio.current_time()
        async with rpc.dispatcher._reads:
            return json.loads(raw or b""), trio.current_time() - answered

    answer, after = trio.run(ask)
    assert answer["error"]["code"] == TIMEOUT
    assert after < SOON
    # What it left behind, the model in the cache above all, answers others as before.
    rpc.dispatcher.limits = DispatchLimits()
    (model,) = rpc.call("engram_listModels")
    first = rpc.call("engram_infer", model["address"], "0x" + "00" * 784)
    assert first == rpc.call("engram_infer", model["address"], "0x" + "00" * 784)
