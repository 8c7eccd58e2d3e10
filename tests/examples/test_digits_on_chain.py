"""The example's whole path against a real devnet: deploy, contracts, clients, mined answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from eth_abi.abi import decode, encode
from eth_utils.crypto import keccak

from node.cli import main
from tests.support.devnet import ROOT, Devnet, devnet

EXAMPLE = ROOT / "examples" / "digits"
DIGITS = ROOT / "genesis" / "models" / "digits.egm"
ARTIFACTS = ROOT / "genesis" / "contracts" / "artifacts"
INFERENCE = "0x000000000000000000000000000000000000a110"
CALLS, MINED = 1000, 100


@dataclass(frozen=True)
class Chain:
    net: Devnet
    sender: str
    model: str
    contracts: dict[str, str]


def call_data(signature: str, *values: Any) -> str:
    types = signature[signature.index("(") + 1 : -1].split(",")
    return "0x" + (bytes(keccak(text=signature))[:4] + encode(types, values)).hex()


def images(count: int) -> list[bytes]:
    held_out = np.load(EXAMPLE / "heldout.npz")["images"][:count]
    steps = np.rint(held_out.astype(np.float64) * 127 / 255).astype(np.int8)
    return [image.tobytes() for image in steps]


@pytest.fixture(scope="module")
def chain() -> Iterator[Chain]:
    with devnet() as net:
        assert main(["model", "deploy", str(DIGITS), "--rpc", net.url]) == 0
        (model,) = [entry["address"] for entry in net.call("engram_listModels")]
        sender = net.call("eth_accounts")[0]
        contracts = {}
        for name in ("Digits", "DigitsVyper"):
            code = json.loads((ARTIFACTS / f"{name}.json").read_text())["bytecode"]
            data = code + encode(["address"], [model]).hex()
            digest = net.call("eth_sendTransaction", {"from": sender, "data": data})
            receipt = net.call("eth_getTransactionReceipt", digest)
            assert receipt["status"] == "0x1"
            contracts[name] = receipt["contractAddress"]
        yield Chain(net, sender, model, contracts)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what `engram model run` says of the held-out digits: int8 (CALLS, 10)."""
    folder = tmp_path_factory.mktemp("run")
    raw = np.frombuffer(b"".join(images(CALLS)), np.int8).reshape(CALLS, 1, 28, 28)
    np.save(folder / "in.npy", raw)
    words = ["model", "run", str(DIGITS), str(folder / "in.npy"), "--raw"]
    assert main([*words, "-o", str(folder / "out.npy")]) == 0
    return np.load(folder / "out.npy")


def test_calls_equal_model_run_byte_for_byte(chain: Chain, scores: Any) -> None:
    labels = np.load(EXAMPLE / "heldout.npz")["labels"][:CALLS]
    right = 0
    with chain.net.client() as client:
        for image, row, label in zip(images(CALLS), scores, labels, strict=True):
            data = call_data("infer(address,bytes)", chain.model, image)
            answer = client.call("eth_call", {"to": INFERENCE, "data": data}, "latest")
            (output,) = decode(["bytes"], bytes.fromhex(answer[2:]))
            assert output == row.tobytes()
            classify = {
                "to": chain.contracts["Digits"], "data": call_data("classify(bytes)", image)
            }  # fmt: skip
            found = bytes.fromhex(client.call("eth_call", classify, "latest")[2:])
            digit, score = decode(["uint8", "int8"], found)
            assert (digit, score) == (row.argmax(), row.max())
            right += int(digit == label)
    accuracy = json.loads((EXAMPLE / "accuracy.json").read_text())
    assert abs(right - accuracy["float_correct"]) <= 5


@pytest.mark.parametrize("name", ["Digits", "DigitsVyper"])
def test_mined_answers_are_the_same(chain: Chain, scores: Any, name: str) -> None:
    contract = chain.contracts[name]
    tally = [0] * 10
    with chain.net.client() as client:
        for image, row in zip(images(MINED), scores, strict=False):
            transaction = {"from": chain.sender, "to": contract}
            transaction["data"] = call_data("submit(bytes)", image)
            digest = client.call("eth_sendTransaction", transaction)
            receipt = client.call("eth_getTransactionReceipt", digest)
            assert receipt["status"] == "0x1"
            (log,) = receipt["logs"]
            assert int(log["topics"][2], 16) == row.argmax()
            score, image_digest = decode(["int8", "bytes32"], bytes.fromhex(log["data"][2:]))
            assert (score, image_digest) == (row.max(), keccak(image))
            tally[row.argmax()] += 1
        for digit, count in enumerate(tally):
            call = {"to": contract, "data": call_data("tally(uint256)", digit)}
            assert int(client.call("eth_call", call, "latest"), 16) == count


def run(*words: str, folder: Path = ROOT) -> str:
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_python_client_deploys_reads_and_submits(chain: Chain) -> None:
    pytest.importorskip("web3", reason="the extra `dev` brings web3")
    client, seven = str(EXAMPLE / "client.py"), str(EXAMPLE / "seven.pgm")
    out = run(sys.executable, client, seven, "--rpc", chain.net.url, "--submit")
    assert "this is a 7" in out
    assert f"remembered a 7 for {chain.sender}" in out.lower()
    assert "read as 7 so far: 1" in out
    contract = chain.contracts["DigitsVyper"]
    words = ("--held-out", "20", "--contract", contract)
    out = run(sys.executable, client, "--rpc", chain.net.url, *words)
    assert "held-out digits right: 19 of 20" in out


def test_javascript_client_deploys_reads_and_submits(chain: Chain, tmp_path: Path) -> None:
    """The modules come from ENGRAM_NODE_MODULES: node finds them beside the script only."""
    node, modules = shutil.which("node"), os.environ.get("ENGRAM_NODE_MODULES", "")
    if node is None or not (Path(modules) / "ethers").is_dir():
        pytest.skip("node or ethers is missing (ENGRAM_NODE_MODULES names the folder)")
    (tmp_path / "node_modules").symlink_to(modules)
    (tmp_path / "genesis").symlink_to(ROOT / "genesis")
    script = tmp_path / "examples" / "digits" / "client.mjs"
    script.parent.mkdir(parents=True)
    shutil.copy(EXAMPLE / "client.mjs", script)
    seven = str(EXAMPLE / "seven.pgm")
    out = run(node, str(script), seven, "--rpc", chain.net.url, "--submit")
    assert "this is a 7" in out
    assert f"remembered a 7 for {chain.sender}" in out.lower()
    assert "read as 7 so far: 1" in out
