"""Bad input of every kind: one clear sentence, the right code, and nothing changed.

Each row does one wrong thing to a running devnet with a data directory, or to the command line
beside it. Afterwards the chain's head, its state root and every file of the data directory are
what they were.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from ai_ops.model import encode_model
from ai_ops.operators import make_node
from node import model_upload
from node.deploy import Deployer
from tests.ai_ops.test_hostile_models import FULL, bomb, single
from tests.support.command import engram
from tests.support.devnet import ROOT, Devnet, devnet
from vm.registry import calls

FIRST = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
SECOND_KEY = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
REGISTRY = "0x" + "a100".rjust(40, "0")
DIGITS = ROOT / "genesis" / "models" / "digits.egm"


@dataclass(frozen=True)
class Scene:
    """A devnet on disk with a half-uploaded model, and a folder for the row's files."""

    net: Devnet
    datadir: Path
    scratch: Path
    model: model_upload.Upload


Outcome = tuple[int, str]
Row = tuple[str, Callable[[Scene], Outcome], int, str]


def command(*words: object) -> Outcome:
    """Run `engram WORDS`; return exit code and the one line it complained with."""
    answer = engram(*words)
    assert answer.stdout == ""
    assert answer.stderr.count("\n") == 1, answer.stderr
    return answer.returncode, answer.stderr.strip()


def post(scene: Scene, body: bytes) -> Outcome:
    """Send a body; return the error's code and message."""
    connection = http.client.HTTPConnection("127.0.0.1", scene.net.port, timeout=30)
    connection.request("POST", "/", body, {"Content-Type": "application/json"})
    error = json.loads(connection.getresponse().read())["error"]
    connection.close()
    return error["code"], error["message"]


def call(scene: Scene, method: str, *params: Any) -> Outcome:
    request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)}
    return post(scene, json.dumps(request).encode())


def raw(scene: Scene, **changes: Any) -> Outcome:
    fields = {
        "type": 2, "chainId": 31337, "nonce": 0, "gas": 21_000, "to": bytes.fromhex(FIRST[2:]), "value": 0,
        "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9, **changes,
    }  # fmt: skip
    signed = Account.sign_transaction(fields, SECOND_KEY).raw_transaction
    return call(scene, "eth_sendRawTransaction", "0x" + signed.hex())


def gap(scene: Scene) -> Outcome:
    """Send a transaction from the future: it waits, and the node says for what."""
    fields = {
        "type": 2, "chainId": 31337, "nonce": 7, "gas": 21_000, "to": bytes.fromhex(FIRST[2:]), "value": 0,
        "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9,
    }  # fmt: skip
    signed = Account.sign_transaction(fields, SECOND_KEY)
    sent = scene.net.call("eth_sendRawTransaction", "0x" + signed.raw_transaction.hex())
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        events = [json.loads(line) for line in list(scene.net.lines)]
        notes = [event["sentence"] for event in events if event["event"] == "note"]
        if notes:
            assert scene.net.call("eth_getTransactionReceipt", sent) is None
            return 0, notes[-1].replace(sent, "HASH")
        time.sleep(0.02)
    raise AssertionError("no sentence about the gap")


def model_file(scene: Scene, content: bytes) -> Outcome:
    file = scene.scratch / "bad.egm"
    file.write_bytes(content)
    return command("model", "deploy", file, "--rpc", scene.net.url)


def cyclic() -> bytes:
    nodes = (make_node("CLAMP", (2,), **FULL), make_node("CLAMP", (1,), **FULL))
    return encode_model(single(nodes, (2,), shape=(4,), out=(4,)))


def wrong_chunk(scene: Scene) -> Outcome:
    data = calls.call_data(calls.PUT_CHUNK, scene.model.address, 0, b"\x00" * 65_536)
    request = {"from": FIRST, "to": REGISTRY, "data": "0x" + data.hex()}
    return call(scene, "eth_sendTransaction", request)


def foreign_folder(scene: Scene) -> Outcome:
    folder = scene.scratch / "letters"
    folder.mkdir()
    (folder / "letter.txt").write_text("dear", encoding="utf-8")
    outcome = command("devnet", "--port", 0, "--datadir", folder)
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]
    return outcome[0], outcome[1].replace(str(folder), "DIR")


ROWS: list[Row] = [
    (
        "malformed model",
        lambda scene: model_file(scene, b"not a model"),
        3,
        "engram: E-MODEL-002: ",
    ),
    (
        "model cut short",
        lambda scene: model_file(scene, DIGITS.read_bytes()[:-1]),
        3,
        "E-MODEL-002",
    ),
    ("cyclic graph", lambda scene: model_file(scene, cyclic()), 3, "value 2"),
    (
        "shape bomb",
        lambda scene: model_file(scene, encode_model(bomb((2**24,) * 8))),
        3,
        "E-MODEL-002",
    ),
    (
        "wrong chunk",
        wrong_chunk,
        3,
        "execution reverted: the chunk does not match its digest",
    ),
    (
        "oversized body",
        lambda scene: post(scene, b" " * (5 * 1024 * 1024 + 1)),
        -32003,
        "request body too large, the limit is 5242880 bytes",
    ),
    (
        "hostile JSON",
        lambda scene: post(scene, b"[" * 100_000),
        -32700,
        "parse error: nested deeper than 64 levels",
    ),
    ("not JSON", lambda scene: post(scene, b"{NaN"), -32700, "parse error: not well-formed JSON"),
    (
        "unknown method",
        lambda scene: call(scene, "eth_mineBitcoin"),
        -32601,
        "the method eth_mineBitcoin does not exist/is not available",
    ),
    (
        "malformed parameter",
        lambda scene: call(scene, "eth_getBalance", FIRST, "0x01"),
        -32602,
        "invalid argument 1: hex number with leading zero digits",
    ),
    ("wrong chain id, signed", lambda scene: raw(scene, chainId=1), -32000, "invalid chain id"),
    (
        "wrong chain id, deploying",
        lambda scene: command("model", "deploy", DIGITS, "--rpc", scene.net.url, "--chain-id", 1),
        3,
        "has chain id 31337, not 1; name the node of the chain you mean with --rpc.",
    ),
    (
        "wrong chain id, data directory",
        lambda scene: command("devnet", "--port", 0, "--datadir", scene.datadir, "--chain-id", 1),
        3,
        "E-STORE-006",  # the running devnet holds the lock, which is found first
    ),
    ("nonce gap", gap, 0, "Transaction HASH waits: its nonce is 7, and 0 comes first."),
    (
        "foreign data directory",
        foreign_folder,
        3,
        "E-STORE-009: The folder DIR is not empty and not a data directory of Engram; name another.",
    ),
    (
        "port in use",
        lambda scene: command("devnet", "--port", scene.net.port),
        4,
        "on 127.0.0.1 is in use; stop what uses it or choose another with --port.",
    ),
]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    datadir = tmp_path_factory.mktemp("node") / "chain"
    with devnet("--datadir", str(datadir)) as net:
        upload = model_upload.plan(DIGITS.read_bytes(), bytes.fromhex(FIRST[2:]))
        with net.client() as client:
            author = Deployer(client=client, chain_id=31337, author=upload.author, key=None)
            author.send_one(model_upload.create_call(upload), "creating the model")
        yield Scene(net, datadir, tmp_path_factory.mktemp("scratch"), upload)


def picture(scene: Scene) -> tuple[Any, dict[str, bytes]]:
    head = scene.net.call("eth_getBlockByNumber", "latest", False)
    files = {
        path.relative_to(scene.datadir).as_posix(): path.read_bytes()
        for path in sorted(scene.datadir.rglob("*"))
        if path.is_file()
    }
    return head, files


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_one_sentence_and_nothing_changed(scene: Scene, row: Row) -> None:
    _, act, code, words = row
    before = picture(scene)
    got, sentence = act(scene)
    assert got == code, sentence
    assert words in sentence
    assert "\n" not in sentence
    assert "Traceback" not in sentence
    assert picture(scene) == before
