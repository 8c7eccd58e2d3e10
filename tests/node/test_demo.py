"""`engram devnet --demo`: the model, the contract and the lines that the banner offers."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from node import demo
from node.devnet import model_lines
from tests.support.devnet import ROOT, Devnet, devnet
from tests.support.rpc import Rpc


@pytest.fixture(scope="module")
def net() -> Iterator[Devnet]:
    with devnet("--demo") as running:
        yield running


def fetch(url: str, body: bytes | None = None) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, data=body), timeout=60) as answer:
        content: bytes = answer.read()
        return content


def test_the_samples_are_held_out_digits() -> None:
    held_out = np.load(ROOT / "examples" / "digits" / "heldout.npz")
    pixels = (held_out["images"].astype(np.int64) * 254 + 255) // 510
    known = {
        image.astype(np.int8).tobytes(): label
        for image, label in zip(pixels, held_out["labels"], strict=True)
    }
    assert [known[sample] for sample in demo.samples()] == list(range(10))


def test_the_contract_reads_every_sample(net: Devnet) -> None:
    for digit in range(10):
        body = fetch(f"{net.url}/demo/{digit}.json")
        answer = json.loads(fetch(net.url, body))
        assert int(answer["result"][2:66], 16) == digit


def test_the_banner_names_what_is_there(net: Devnet) -> None:
    (model,) = net.call("engram_listModels")
    assert model["address"] == net.ready["demoModel"].lower()
    assert (model["name"], model["status"]) == ("digits", "active")
    assert net.call("eth_getCode", net.ready["demoContract"], "latest") != "0x"
    shown = "\n".join(
        demo.notes(
            demo.Demo(model=bytes.fromhex(model["address"][2:]), contract=bytes(20)), net.url
        )
    )
    assert f"curl -s {net.url}/demo/7.json | curl -s -d @- {net.url}" in shown
    assert ":####*." in shown


def test_the_lines_for_web3_run_as_they_are_pasted(
    net: Devnet, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = demo.notes(
        demo.Demo(
            model=bytes.fromhex(net.ready["demoModel"][2:]),
            contract=bytes.fromhex(net.ready["demoContract"][2:]),
        ),
        net.url,
    )
    start = next(at for at, line in enumerate(shown) if line.startswith("import json"))
    script = "\n".join(shown[start:])
    exec(compile(script, "banner", "exec"), {})
    digit, _score = json.loads(capsys.readouterr().out)
    assert digit == 7


def test_the_web3_lines_of_the_banner_run(net: Devnet, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("web3")
    contract = bytes.fromhex(net.ready["demoContract"][2:])
    lines = demo.notes(demo.Demo(model=bytes(20), contract=contract), net.url)
    start = next(index for index, line in enumerate(lines) if "import json" in line)
    exec("\n".join(line.strip() for line in lines[start:]), {})
    assert capsys.readouterr().out == "[7, 79]\n"


def test_a_second_start_finds_the_demonstration(tmp_path: Path) -> None:
    with devnet("--demo", "--datadir", str(tmp_path / "chain")) as net:
        first = net.ready
        assert net.stop() == 0
    with devnet("--demo", "--datadir", str(tmp_path / "chain")) as net:
        assert net.ready["demoContract"] == first["demoContract"]
        assert net.ready["blockNumber"] == first["blockNumber"]


def test_the_demonstration_under_a_block_time() -> None:
    with devnet("--demo", "--block-time", "60") as net:
        body = fetch(f"{net.url}/demo/3.json")
        assert int(json.loads(fetch(net.url, body))["result"][2:66], 16) == 3


def test_a_chain_names_its_models() -> None:
    assert model_lines(Rpc().node) == []
    title, line, model, end = model_lines(Rpc(demo=True).node)
    assert (title, line, end) == ("Models", "======", "")
    assert model.endswith(" active digits")
