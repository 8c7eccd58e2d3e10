"""Weights are provable against a block hash by a script without our code, over RPC."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_ops.model import encode_model
from benchmarks.inference import dense_model
from tests.support.devnet import Devnet, devnet

ROOT = Path(__file__).resolve().parents[2]
Spoil = Callable[[str, Any], None]


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Devnet, str]]:
    """A devnet with a model of four chunks, deployed by the command line."""
    generator = np.random.default_rng(7)
    weights = generator.integers(-127, 128, (200, 1_000), dtype=np.int8)
    path = tmp_path_factory.mktemp("model") / "dense.egm"
    path.write_bytes(encode_model(dense_model(weights)))
    with devnet() as node:
        done = subprocess.run(
            [sys.executable, "-m", "node", "model", "deploy", str(path), "--rpc", node.url, "--yes"],
            capture_output=True, text=True, cwd=ROOT, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        (model,) = node.call("engram_listModels")
        assert int(model["chunks"], 16) == 4
        yield node, model["address"]


def verify(url: str, model: str, *words: str) -> subprocess.CompletedProcess[str]:
    script = ROOT / "examples" / "verify_weights.py"
    command = [sys.executable, str(script), model, "--rpc", url, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_every_chunk_is_proved(chain: tuple[Devnet, str]) -> None:
    node, model = chain
    head = node.call("eth_getBlockByNumber", "latest", False)["hash"]
    done = verify(node.url, model, "--block", head)
    assert done.returncode == 0, done.stderr
    assert "all 4 chunks" in done.stdout
    assert head in done.stdout


def test_a_model_that_does_not_exist_is_refuted(chain: tuple[Devnet, str]) -> None:
    node, _ = chain
    done = verify(node.url, "0x" + "12" * 20)
    assert done.returncode == 1
    assert done.stderr.startswith("refuted: ")


def flip(text: str, at: int) -> str:
    digit = "0" if text[at] != "0" else "1"
    return text[:at] + digit + text[at + 1 :]


def spoil_chunk(method: str, result: Any) -> None:
    if method == "engram_getChunk":
        result["data"] = flip(result["data"], 100)


def spoil_path(method: str, result: Any) -> None:
    if method == "engram_getChunk":
        result["path"][-1] = flip(result["path"][-1], 9)


def spoil_header(method: str, result: Any) -> None:
    if method == "eth_getBlockByNumber":
        result["stateRoot"] = flip(result["stateRoot"], 9)


def spoil_account(method: str, result: Any) -> None:
    if method == "eth_getProof":
        result["accountProof"][-1] = flip(result["accountProof"][-1], 40)


def spoil_storage(method: str, result: Any) -> None:
    if method == "eth_getProof":
        result["storageProof"][-1]["proof"][-1] = flip(result["storageProof"][-1]["proof"][-1], 30)


@contextmanager
def liar(node: Devnet, spoil: Spoil) -> Iterator[str]:
    """A proxy in front of the node that changes its answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            upstream = HTTPConnection("127.0.0.1", node.port, timeout=30)
            upstream.request("POST", "/", body, {"Content-Type": "application/json"})
            reply = json.loads(upstream.getresponse().read())
            upstream.close()
            spoil(json.loads(body)["method"], reply["result"])
            data = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "spoil", [spoil_chunk, spoil_path, spoil_header, spoil_account, spoil_storage]
)
def test_each_lie_of_a_node_is_refuted(chain: tuple[Devnet, str], spoil: Spoil) -> None:
    node, model = chain
    with liar(node, spoil) as url:
        done = verify(url, model)
    assert done.returncode == 1, done.stdout
    assert done.stderr.startswith("refuted: ")
    assert "Traceback" not in done.stderr
