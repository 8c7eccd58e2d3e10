"""Run the vectors of instructions, registry and records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from blake3 import blake3
from eth_hash.auto import keccak

from ai_ops import merkle
from tests.spec.record_cases import FIELDS
from tests.spec.scenario import run
from vm import abi, gas, records, rlp
from vm.prices import FRACTION_ONE, InferencePrices
from vm.records import Sidecar
from vm.registry import layout

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors"


def cases(*folders: str) -> list[Any]:
    found = []
    for folder in folders:
        for path in sorted((VECTORS / folder).glob("*.json")):
            content = json.loads(path.read_text(encoding="utf-8"))
            for case in content["cases"]:
                name = f"{case['rule']} {case['name']}"
                found.append(pytest.param(case, content.get("models", {}), id=name))
    return found


SCENARIOS = [p for p in cases("instructions", "registry", "records") if "calls" in p.values[0]]
FORMULAS = [p for p in cases("registry", "records") if "calls" not in p.values[0]]


@pytest.mark.parametrize(("case", "models"), SCENARIOS)
def test_scenarios(case: dict[str, Any], models: dict[str, str]) -> None:
    assert run(case, models) == [call["expect"] for call in case["calls"]]


@pytest.mark.parametrize(("case", "models"), FORMULAS)
def test_formulas(case: dict[str, Any], models: dict[str, str]) -> None:
    CHECKS[case["rule"]](case)


def check_slots(case: dict[str, Any]) -> None:
    if "model" in case:
        key = bytes.fromhex(case["model"]).rjust(32, b"\0") + (4).to_bytes(32, "big")
        base = int.from_bytes(keccak(key), "big")
        assert sorted(case["slots"].values()) == [f"{base + word:#x}" for word in range(9)]
        for name, slot in case["slots"].items():
            word = getattr(layout, name.upper())
            assert layout.model_slot(bytes.fromhex(case["model"]), word) == int(slot, 16)
    elif "digest" in case:
        digest = bytes.fromhex(case["digest"])
        assert f"{layout.present_slot(digest):#x}" == case["present"]
        assert f"{layout.listed_slot(digest):#x}" == case["listed"]
    else:
        assert f"{layout.array_slot(0, case['index']):#x}" == case["models"]
        assert f"{layout.array_slot(1, case['index']):#x}" == case["data_ids"]


def check_words(case: dict[str, Any]) -> None:
    fields = FIELDS[case["name"]]
    assert layout.pack(fields, case["values"]) == int(case["word"], 16)
    assert layout.unpack(fields, int(case["word"], 16)) == case["values"]


def check_address(case: dict[str, Any]) -> None:
    author, model_id = bytes.fromhex(case["author"]), bytes.fromhex(case["model_id"])
    assert layout.model_address(author, model_id).hex() == case["address"]


def check_key(case: dict[str, Any]) -> None:
    digest = blake3(b"\0" + bytes.fromhex(case["content"])).digest()
    assert case["key"] == (b"chunk:" + digest).hex() == layout.chunk_key(digest).hex()


def check_price(case: dict[str, Any]) -> None:
    prices = InferencePrices()
    a, b, c = case["coefficients"]
    n = case["n"]
    computation = -(-(a + b * n + c * n * n) // FRACTION_ONE)
    load = case["cold_bytes"], case["cold_head_bytes"], case["cold_items"]
    cold_q16 = (
        load[0] * prices.cold_load_byte_q16
        + load[1] * prices.cold_load_head_byte_q16
        + load[2] * prices.cold_load_item_gas * FRACTION_ONE
    )
    cold = -(-cold_q16 // FRACTION_ONE)
    words = -(-case["input_bytes"] // 32) + -(-case["output_bytes"] // 32)
    access = prices.base_gas + prices.access_gas
    assert case["record_gas"] == access + computation + cold + words * prices.word_gas
    assert case["total_gas"] == case["record_gas"] + case["fee"]
    assert gas.fraction_gas(a + b * n + c * n * n) == computation
    assert gas.model_load_q16(*load, prices) == cold_q16
    assert gas.fraction_gas(cold_q16) == cold


def check_coefficients(case: dict[str, Any]) -> None:
    prices = dict(InferencePrices().cost_class_q16)
    for power, expected in enumerate(case["coefficients"]):
        counted = sum(counts[power] * prices[name] for name, counts in case["counts"].items())
        assert counted == expected


def check_defaults(case: dict[str, Any]) -> None:
    prices = InferencePrices()
    assert {name: getattr(prices, name) for name in case["prices"]} == case["prices"]
    assert dict(prices.cost_class_q16) == case["cost_class_q16"]


def check_chunk(case: dict[str, Any]) -> None:
    leaf = merkle.leaf_digest(bytes.fromhex(case["chunk"]))
    path = [bytes.fromhex(part) for part in case["path"]]
    root = merkle.root_from_path(leaf, case["index"], case["count"], path)
    assert root.hex() == case["model_id"]


def check_topics(case: dict[str, Any]) -> None:
    for event, topic in case["topics"].items():
        assert keccak(event.encode()).hex() == topic == f"{abi.event_topic(event):064x}"


def decoded(case: dict[str, Any]) -> tuple[records.InferenceRecord, ...]:
    return tuple(records.decode_record(bytes.fromhex(item)) for item in case["records"])


def digests(items: list[str]) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(item) for item in items)


def check_record(case: dict[str, Any]) -> None:
    record = records.decode_record(bytes.fromhex(case["record"]))
    for field, value in case["fields"].items():
        ours = getattr(record, field)
        assert (ours.hex() if isinstance(ours, bytes) else ours) == value
    assert records.encode_record(record).hex() == case["record"]


def check_steps_root(case: dict[str, Any]) -> None:
    assert records.steps_root(digests(case["step_digests"])).hex() == case["root"]


def check_records_root(case: dict[str, Any]) -> None:
    assert records.records_root(decoded(case)).hex() == case["root"]


def check_request(case: dict[str, Any]) -> None:
    assert records.inference_request(decoded(case)).hex() == case["request"]


def check_sidecar(case: dict[str, Any]) -> None:
    if "refused" in case:
        with pytest.raises(rlp.RlpError):
            records.decode_sidecar(bytes.fromhex(case["refused"]))
        return
    sidecar = Sidecar(
        records=decoded(case),
        step_digests=tuple(digests(call) for call in case["step_digests"]),
        inputs=digests(case["inputs"]),
    )
    assert records.encode_sidecar(sidecar).hex() == case["sidecar"]
    assert records.decode_sidecar(bytes.fromhex(case["sidecar"])) == sidecar


def check_paths(case: dict[str, Any]) -> None:
    made = decoded(case)
    steps = digests(case["step_digests"])
    last = len(made) - 1
    leaf = merkle.leaf_digest(bytes.fromhex(case["records"][last]))
    root = merkle.root_from_path(leaf, last, len(made), digests(case["record_path"]))
    assert root == records.records_root(made)
    step_root = merkle.root_from_path(steps[0], 0, len(steps), digests(case["step_path"]))
    assert step_root == made[last].steps_root


CHECKS = {
    "G-1": check_slots,
    "G-2": check_words,
    "G-3": check_address,
    "G-12": check_key,
    "G-13": check_price,
    "G-14": check_coefficients,
    "G-15": check_defaults,
    "G-16": check_chunk,
    "G-17": check_topics,
    "R-2": check_record,
    "R-3": check_steps_root,
    "R-4": check_records_root,
    "R-5": check_request,
    "R-6": check_sidecar,
    "R-8": check_paths,
}
