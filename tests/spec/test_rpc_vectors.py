"""docs/spec/11-rpc.md: what is read, and what the engram_ methods answer on the demonstration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from node import demo
from node.rpc import jsonrpc, parse
from node.rpc.reasons import revert_message
from tests.support.rpc import Rpc, word

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors" / "rpc"
SUBMIT = "ef7fa71b"
PARSERS: dict[str, Callable[[Any], Any]] = {
    "quantity": lambda text: str(parse.quantity(text)),
    "data": lambda text: parse.data(text).hex(),
    "slot": lambda text: str(parse.slot(text)),
}


def cases(name: str, rule: str) -> list[dict[str, Any]]:
    content = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    found = [case for case in content["cases"] if case["rule"] == rule]
    assert found
    return found


@pytest.mark.parametrize("case", cases("reading", "J-1"), ids=lambda case: case["name"])
def test_bodies(case: dict[str, Any]) -> None:
    body = bytes.fromhex(case["body"])
    if "batch" in case:
        body = b"[" + b",".join([body] * case["batch"]) + b"]"
    items = jsonrpc.parse(body, 1_000).items
    codes = {item.error.code if isinstance(item, jsonrpc.Refused) else None for item in items}
    assert codes == {case["code"]}


def test_quantities_bytes_and_slots() -> None:
    for case in cases("reading", "J-2"):
        try:
            value = PARSERS[case["kind"]](case["text"])
        except ValueError:
            value = None
        assert value == case["value"], case


def test_reverts() -> None:
    for case in cases("reading", "J-3"):
        assert revert_message(bytes.fromhex(case["data"])) == case["message"]


@pytest.fixture(scope="module")
def rpc() -> Rpc:
    return Rpc(demo=True)


def submit(rpc: Rpc) -> str:
    """Submit sample 7 to the demonstration's contract; return the transaction's hash."""
    image = demo.samples()[7]
    data = "0x" + SUBMIT + word(32)[2:] + word(len(image))[2:] + image.hex() + "00" * 16
    contract = rpc.call("eth_getBlockReceipts", "0x4")[0]["contractAddress"]
    return str(rpc.send(to=contract, data=data)["transactionHash"])


@pytest.fixture(scope="module")
def submitted(rpc: Rpc) -> str:
    return submit(rpc)


@pytest.mark.parametrize("rule", ["J-4", "J-5", "J-6", "J-7", "J-8", "J-9"])
def test_methods(rpc: Rpc, submitted: str, rule: str) -> None:
    for case in cases("models", rule):
        params = [submitted if item == "SUBMITTED" else item for item in case["params"]]
        answer = rpc.answer(case["method"], *params)
        if "code" in case:
            assert answer["error"]["code"] == case["code"]
            continue
        result = answer["result"]
        for name in case.get("omitted", ()):
            # Too long for a vector, or dependent on the clock.
            assert result.pop(name).startswith("0x")
        assert result == case["result"]
