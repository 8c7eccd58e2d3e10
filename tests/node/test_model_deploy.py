"""`engram model deploy` against a devnet: fresh, resumed, refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from ai_ops.dtype import DType
from ai_ops.graph import Graph
from ai_ops.model import build_model, encode_model
from genesis.spec import template
from node import deploy, model_upload
from node.rpc_client import RpcClient
from tests.ai_ops.models import dense, port, random_bytes, weight
from tests.ai_ops.test_hostile_models import chain
from tests.support.command import Finished, engram
from tests.support.devnet import ROOT, Devnet, devnet
from vm.prices import InferencePrices
from vm.registry.facts import Status

DIGITS = ROOT / "genesis" / "models" / "digits.egm"
FEE = 500
# The first and the second test account.
FIRST = "f39fd6e51aad88f6f4ce6ab8827279cfffb92266"
SECOND_KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"


def run(*words: str) -> Finished:
    # Standard input is no terminal here: nothing is asked.
    return engram("model", "deploy", *words)


@pytest.fixture(scope="module")
def net() -> Iterator[Devnet]:
    with devnet() as running:
        yield running


def test_deploy_then_again(net: Devnet) -> None:
    answer = run(str(DIGITS), "--rpc", net.url, "--fee-gas", str(FEE))
    assert (answer.returncode, answer.stderr) == (0, "")
    lines = dict(line.split(None, 1) for line in answer.stdout.splitlines())
    (model,) = net.call("engram_listModels")
    # In Solidity, an address without the checksum is no literal.
    assert lines["model"] == to_checksum_address(model["address"])
    assert lines["status"].startswith("active")
    assert (model["status"], model["name"]) == ("active", "digits")
    assert model["inputs"][0]["shape"] == [1, 1, 28, 28]
    upload = model_upload.plan(DIGITS.read_bytes(), bytes.fromhex(FIRST))
    paid = int(lines["paid"].split()[0].replace(",", ""))
    estimated = model_upload.estimate(upload, InferencePrices(), None)
    estimated += model_upload.fee_estimate(upload, FEE, InferencePrices())
    assert abs(estimated - paid) < 0.02 * paid
    head = net.call("eth_blockNumber")
    listed = engram("model", "list", "--rpc", net.url)
    assert listed.stdout == (
        f"{to_checksum_address(model['address'])}  active      digits  64,082 bytes  i8 (1, 1, 28, 28) -> i8 (1, 10)\n"
    )
    again = run(str(DIGITS), "--rpc", net.url)
    assert again.returncode == 0
    assert "paid      0 gas" in again.stdout
    assert net.call("eth_blockNumber") == head


def test_an_interrupted_upload_resumes_and_a_local_key_signs(net: Devnet, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("0x" + SECOND_KEY + "\n", encoding="utf-8")
    from node.accounts import from_private_key

    account = from_private_key(SECOND_KEY)
    upload = model_upload.plan(DIGITS.read_bytes(), account.address)
    client = net.client()
    first = deploy.Deployer(client=client, chain_id=31337, author=account.address, key=account)
    first.send_one(model_upload.create_call(upload), "creating the model")
    assert first.info(upload.address).status is Status.CREATED
    answer = run(str(DIGITS), "--rpc", net.url, "--private-key-file", str(key))
    assert answer.returncode == 0, answer.stderr
    assert "resumes" in answer.stdout
    assert first.info(upload.address).status is Status.ACTIVE
    client.close()


def test_a_model_over_the_chains_limits_is_refused_before_it_costs(
    net: Devnet, tmp_path: Path
) -> None:
    limit = template("devnet").vm_config.limits.operators
    file = tmp_path / "deep.egm"
    file.write_bytes(encode_model(chain(limit + 1)))
    head = net.call("eth_blockNumber")
    answer = run(str(file), "--rpc", net.url)
    assert (answer.returncode, answer.stdout) == (3, "")
    assert "E-MODEL-002" in answer.stderr
    assert f"{limit + 1} operators; at most {limit} are allowed" in answer.stderr
    assert net.call("eth_blockNumber") == head


def test_a_fee_that_no_call_could_pay_is_refused(net: Devnet) -> None:
    answer = run(str(DIGITS), "--rpc", net.url, "--fee-gas", str(2**24 + 1))
    assert (answer.returncode, answer.stdout) == (2, "")
    assert "--fee-gas: 16777217 is not from 0 to 16777216" in answer.stderr


def wide_model() -> bytes:
    """Return a model of half a megabyte: nine chunks."""
    graph = Graph(weights=(weight(512, 1024),), nodes=(dense(0, 1, 512),), outputs=(2,))
    return encode_model(
        build_model(
            name="wide",
            inputs=(port("x", DType.I8, (1, 1024)),),
            outputs=(port("y", DType.I8, (1, 512)),),
            graph=graph,
            weights=random_bytes(graph.weight_bytes, 7),
        )
    )


def test_only_missing_chunks_are_sent(net: Devnet, tmp_path: Path) -> None:
    file = tmp_path / "wide.egm"
    file.write_bytes(wide_model())
    upload = model_upload.plan(file.read_bytes(), bytes.fromhex(FIRST))
    assert len(upload.chunks) == 9
    with net.client() as client:
        earlier = deploy.Deployer(
            client=client, chain_id=31337, author=bytes.fromhex(FIRST), key=None
        )
        earlier.send_one(model_upload.create_call(upload), "creating the model")
        seen: list[int] = []
        earlier.send_chunks(upload, (7, 0, 4), seen.append)
        assert seen == [1, 2, 3]
        assert earlier.missing(upload) == (1, 2, 3, 5, 6, 8)
        blocks = int(net.call("eth_blockNumber"), 16)
        answer = run(str(file), "--rpc", net.url)
        assert answer.returncode == 0, answer.stderr
        assert "resumes   3 of 9 chunks on chain already" in answer.stdout
        # Six chunks and the activation, some of them perhaps in one block.
        assert int(net.call("eth_blockNumber"), 16) <= blocks + 7
        assert earlier.info(upload.address).status is Status.ACTIVE
    output = net.call("engram_infer", "0x" + upload.address.hex(), "0x" + "01" * 1024)["output"]
    assert len(output) == 2 + 2 * 512


def test_deploying_to_a_chain_with_a_block_time(tmp_path: Path) -> None:
    file = tmp_path / "wide.egm"
    file.write_bytes(wide_model())
    with devnet("--block-time", "0.3") as slow:
        answer = run(str(file), "--rpc", slow.url)
        assert answer.returncode == 0, answer.stderr
        assert slow.call("engram_listModels")[0]["status"] == "active"


@pytest.mark.parametrize(
    ("words", "exit_code", "code"),
    [
        (["no/such.egm"], 3, "E-MODEL-001"),
        (["pyproject.toml"], 3, "E-MODEL-002"),
        ([str(DIGITS), "--rpc", "http://127.0.0.1:9"], 4, "E-NET-002"),
        ([str(DIGITS), "--rpc", "http://host.invalid:1"], 4, "E-NET-002"),
        ([str(DIGITS), "--rpc", "ftp://x"], 2, "E-NET-004"),
        ([str(DIGITS), "--rpc", "http://[::"], 2, "E-NET-004"),
        ([str(DIGITS), "--chain-id", "1"], 3, "E-NET-006"),
        ([str(DIGITS), "--from", "0x" + "11" * 20], 3, "E-KEY-003"),
        ([str(DIGITS), "--private-key-file", "pyproject.toml"], 3, "E-KEY-002"),
        ([str(DIGITS), "--private-key-file", "no/such"], 3, "E-KEY-002"),
    ],
)
def test_refusals(net: Devnet, words: list[str], exit_code: int, code: str) -> None:
    head = net.call("eth_blockNumber")
    rpc = [] if "--rpc" in words else ["--rpc", net.url]
    answer = run(*words, *rpc)
    assert (answer.returncode, answer.stdout) == (exit_code, ""), answer
    assert answer.stderr.startswith(f"engram: {code}: ")
    assert answer.stderr.count("\n") == 1
    assert net.call("eth_blockNumber") == head


@pytest.mark.parametrize(
    "body",
    [
        b"hello",
        b"[]",
        b'{"jsonrpc":"2.0","id":99,"result":"0x1"}',
        b'{"jsonrpc":"2.0","id":1,"result":null}',
        b'{"jsonrpc":"2.0","id":1,"error":"x"}',
        json.dumps(
            {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no"}}
        ).encode(),
    ],
)
def test_what_is_no_node_is_told_in_one_sentence(body: bytes) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        answer = run(str(DIGITS), "--rpc", f"http://127.0.0.1:{server.server_address[1]}")
        server.shutdown()
    assert answer.returncode in {3, 4}
    assert answer.stderr.startswith("engram: E-")
    assert answer.stderr.count("\n") == 1
    assert "E-BUG" not in answer.stderr


def test_client_reconnects_after_an_idle_close(net: Devnet) -> None:
    client = RpcClient(net.url)
    assert client.call("eth_chainId") == "0x7a69"
    # As if the node had closed it.
    sock = client._connection.sock
    assert sock is not None
    sock.close()
    client._connection.sock = None
    assert client.call("eth_chainId") == "0x7a69"
    client.close()
