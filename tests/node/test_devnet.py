"""`engram devnet` as a process: start, stop, files, ports, and refusals that change nothing."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from node.commands.devnet import LEAST_GAS_LIMIT
from tests.support.command import Finished, engram
from tests.support.devnet import ROOT, devnet

FIRST = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
SECOND = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"


def run(*words: str) -> Finished:
    return engram("devnet", *words)


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def send(net: object, value: str = "0x1") -> str:
    answer = net.call("eth_sendTransaction", {"from": FIRST, "to": SECOND, "value": value})  # type: ignore[attr-defined]
    return str(answer)


def test_it_starts_mines_and_stops_within_five_seconds() -> None:
    with devnet() as net:
        assert net.ready["availableAccounts"][0] == FIRST
        assert len(net.ready["privateKeys"]) == 10
        assert net.ready["chainId"] == 31337
        balance = net.call("eth_getBalance", SECOND, "latest")
        receipt = net.call("eth_getTransactionReceipt", send(net))
        assert receipt["status"] == "0x1"
        assert int(net.call("eth_getBalance", SECOND, "latest"), 16) == int(balance, 16) + 1
        start = time.perf_counter()
        assert net.stop() == 0
        assert time.perf_counter() - start < 5


def test_sigterm_is_as_good() -> None:
    with devnet("--block-time", "0.1") as net:
        while int(net.call("eth_blockNumber"), 16) < 2:
            time.sleep(0.05)
        assert net.stop(signal.SIGTERM) == 0


def test_the_banner_shows_what_a_tester_copies() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "node", "devnet", "--port", "0", "--accounts", "2"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    banner = ""
    while "Listening on" not in banner:
        banner += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    rest, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")
    assert rest.endswith("Stopping.\n")
    for line in (
        f"(0) {FIRST} (10000 ETH)",
        "(0) 0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
        "test test test test test test test test test test test junk",
        "m/44'/60'/0'/0/",
        "WILL BE LOST",
        "31337",
        "30000000",
    ):
        assert line in banner
    assert re.search(r"Listening on 127\.0\.0\.1:\d+$", banner.rstrip())
    assert "(2)" not in banner


def test_a_chain_in_a_directory_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder = str(tmp_path / "chain")
    with devnet("--datadir", folder) as net:
        sent = send(net)
        head = net.call("eth_getBlockByNumber", "latest", False)
        assert net.stop() == 0
    with devnet("--datadir", folder) as net:
        assert net.ready["blockNumber"] == 1
        assert net.call("eth_getBlockByNumber", "latest", False) == head
        assert net.call("eth_getTransactionReceipt", sent)["status"] == "0x1"
        send(net)
        # A kill loses nothing that was acknowledged.
        net.process.kill()
        net.process.wait()
    with devnet("--datadir", folder) as net:
        assert net.ready["blockNumber"] == 2
        other = run("--port", "0", "--datadir", folder)
        assert (other.returncode, other.stdout) == (3, "")
        assert "E-STORE-006" in other.stderr
        assert net.stop() == 0
    before = tree(tmp_path)
    other = run("--port", "0", "--datadir", folder, "--chain-id", "5")
    assert other.returncode == 3
    assert "E-CHAIN-001" in other.stderr
    assert "--chain-id, --mnemonic, --accounts, --balance and --gas-limit as then" in other.stderr
    assert {name: data for name, data in tree(tmp_path).items() if name.endswith("head")} == {
        name: data for name, data in before.items() if name.endswith("head")
    }


def test_nobody_reading_the_output_stalls_nothing() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "node", "devnet", "--port", "0"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    line = b""
    while b"Listening on" not in line:
        line = process.stdout.readline()
    port = int(line.rsplit(b":", 1)[1])
    call = b'{"jsonrpc":"2.0","id":1,"method":"eth_maxPriorityFeePerGas"}'
    batch = b"[" + b",".join([call] * 1_000) + b"]"
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(batch)
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        answers = 0
        # 8,000 lines are several times what a pipe holds.
        for _ in range(8):
            connection.sendall(head + batch)
            received = b""
            while received.count(b'"result"') < 1_000:
                received += connection.recv(1 << 20)
            answers += 1_000
    assert answers == 8_000
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 0
    process.stdout.close()


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        folder = tmp_path / "new"
        answer = run("--port", str(port), "--datadir", str(folder))
    assert answer.returncode == 4
    assert answer.stderr == (
        f"engram: E-NET-001: Port {port} on 127.0.0.1 is in use; "
        "stop what uses it or choose another with --port.\n"
    )
    assert answer.stdout == ""
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "code", "part"),
    [
        (["--port", "99999"], 2, "99999 is not from 0 to 65535"),
        (["--port", "8_5"], 2, "'8_5' is not a whole number"),
        (["--gas-limit", "1000000"], 2, "1000000 is not from 16777216 to "),
        (["--accounts", "0"], 2, "0 is not from 1 to 1000"),
        (["--chain-id", "0"], 2, "0 is not from 1"),
        (["--block-time", "nan"], 2, "'nan' is not from 0.01 to 3600 seconds"),
        (["--balance", "-1"], 2, "-1"),
        (["--mnemonic", "not a mnemonic"], 3, "E-KEY-001"),
        (["--mnemonic", ""], 3, "E-KEY-001"),
        (["--host", "host.invalid"], 4, "E-NET-005"),
        (["--host", "203.0.113.7"], 4, "E-NET-005"),
    ],
)
def test_refusals(words: list[str], code: int, part: str) -> None:
    answer = run("--port", "0", *words)
    assert (answer.returncode, answer.stdout) == (code, "")
    assert answer.stderr.count("\n") == 1
    assert part in answer.stderr


def test_a_foreign_folder_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear", encoding="utf-8")
    answer = run("--port", "0", "--datadir", str(tmp_path))
    assert answer.returncode == 3
    assert "E-STORE-009" in answer.stderr
    assert tree(tmp_path) == {"letter.txt": b"dear"}


def test_the_least_gas_limit_makes_a_chain_that_takes_models() -> None:
    with devnet("--demo", "--gas-limit", str(LEAST_GAS_LIMIT)) as net:
        assert net.call("engram_listModels")[0]["status"] == "active"
