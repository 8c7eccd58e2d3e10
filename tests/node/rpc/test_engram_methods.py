"""The engram_ methods on the demonstration's model, and a verifier that uses none of our code."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from blake3 import blake3

from node import demo
from tests.support.rpc import FIRST, Rpc, word

NOBODY = "0x" + "11" * 20
REGISTRY = "0x" + "a100".rjust(40, "0")
SUBMIT = "ef7fa71b"


@pytest.fixture(scope="module")
def rpc() -> Rpc:
    return Rpc(demo=True)


@pytest.fixture(scope="module")
def model(rpc: Rpc) -> dict[str, Any]:
    (found,) = rpc.call("engram_listModels")
    return dict(found)


@pytest.fixture(scope="module")
def submitted(rpc: Rpc) -> dict[str, Any]:
    """Submit a digit to the demonstration's contract in a transaction."""
    image = demo.samples()[7]
    data = SUBMIT + word(32)[2:] + word(len(image))[2:] + image.hex() + "00" * 16
    receipt = rpc.send(to=contract(rpc), data="0x" + data)
    assert receipt["status"] == "0x1"
    return dict(receipt)


def contract(rpc: Rpc) -> str:
    receipt = rpc.call("eth_getBlockReceipts", "0x4")[0]
    return str(receipt["contractAddress"])


def from_hex(value: str) -> bytes:
    return bytes.fromhex(value[2:])


def root(leaf: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    """RFC 6962 with BLAKE3 nodes, written from the specification."""
    digest, rest = leaf, list(path)
    while count > 1:
        if index % 2 or index + 1 < count:
            pair = rest.pop(0) + digest if index % 2 else digest + rest.pop(0)
            digest = blake3(b"\x01" + pair).digest()
        index, count = index // 2, (count + 1) // 2
    assert rest == []
    return digest


def test_list_and_get(rpc: Rpc, model: dict[str, Any]) -> None:
    assert model["name"] == "digits"
    assert model["status"] == "active"
    assert model["author"] == model["payee"] == FIRST
    assert model["feeGas"] == "0x0"
    (image,) = model["inputs"]
    assert (image["dtype"], image["shape"], image["bytes"]) == ("i8", [1, 1, 28, 28], 784)
    assert model["outputs"][0]["shape"] == [1, 10]
    assert rpc.call("engram_getModel", model["address"]) == model
    assert rpc.call("engram_getModel", NOBODY) is None
    assert rpc.call("engram_listModels", "earliest") == []


def test_infer_and_its_failures(rpc: Rpc, model: dict[str, Any]) -> None:
    image = demo.samples()[7].hex()
    answer = rpc.call("engram_infer", model["address"], "0x" + image)
    scores = [byte - 256 * (byte > 127) for byte in from_hex(answer["output"])]
    assert (scores.index(max(scores)), max(scores)) == (7, 79)
    error = rpc.error("engram_infer", model["address"], "0x00")
    assert error["code"] == 3
    assert error["message"] == "execution reverted: InputSize: got 1 bytes, want 784"
    error = rpc.error("engram_infer", NOBODY, "0x00")
    assert error["message"] == (f"execution reverted: ModelNotCallable: model {NOBODY} is unknown")


def test_the_estimate_is_what_a_record_says(
    rpc: Rpc, model: dict[str, Any], submitted: dict[str, Any]
) -> None:
    estimate = rpc.call("engram_estimateInferenceGas", model["address"])
    parts = {name: int(value, 16) for name, value in estimate.items()}
    assert sum(parts.values()) == 2 * parts["gas"]
    (trace,) = rpc.call("engram_traceInference", submitted["transactionHash"])
    assert trace["record"]["gas"] == estimate["gas"]
    assert rpc.call("engram_estimateInferenceGas", model["address"], 784) == estimate
    error = rpc.error("engram_estimateInferenceGas", model["address"], 783)
    assert (error["code"], error["message"]) == (
        -32602,
        "invalid argument 1: the model takes 784 bytes, not 783",
    )
    error = rpc.error("engram_estimateInferenceGas", NOBODY)
    assert error["message"] == "the model is not callable: it is unknown"


def test_a_trace_shows_every_step(rpc: Rpc, submitted: dict[str, Any]) -> None:
    sent = submitted["transactionHash"]
    (trace,) = rpc.call("engram_traceInference", sent, 0, {"tensors": True})
    assert trace["input"] == "0x" + demo.samples()[7].hex()
    assert [step["operator"] for step in trace["steps"]][:3] == ["RESHAPE", "CONV2D", "MAX_POOL2D"]
    last = trace["steps"][-1]
    assert (last["shape"], last["maximum"]) == ([1, 10], 79)
    assert blake3(from_hex(last["tensor"])).digest() == from_hex(trace["record"]["outputDigest"])
    assert "tensor" not in rpc.call("engram_traceInference", sent)[0]["steps"][0]
    assert rpc.call("engram_traceInference", sent, 1) == []
    assert rpc.call("engram_traceInference", word(1)) is None
    assert rpc.error("engram_traceInference", sent, 0, {"tensor": True})["code"] == -32602


def test_the_header_proves_a_step(rpc: Rpc, submitted: dict[str, Any]) -> None:
    sent = submitted["transactionHash"]
    (trace,) = rpc.call("engram_traceInference", sent)
    for step in range(len(trace["steps"])):
        proof = rpc.call("engram_getInferenceProof", sent, 0, step)
        record = from_hex(proof["recordRlp"])
        records_root = root(
            blake3(b"\x00" + record).digest(),
            int(proof["recordIndex"], 16),
            int(proof["recordCount"], 16),
            [from_hex(item) for item in proof["recordPath"]],
        )
        request = from_hex(proof["request"])
        assert request[:2] == b"\xa1\x01"
        assert request[-32:] == records_root
        hashes = [from_hex(item) for item in proof["otherRequests"]] + [sha256(request).digest()]
        block = rpc.call("eth_getBlockByHash", proof["blockHash"])
        assert "0x" + sha256(b"".join(hashes)).hexdigest() == block["requestsHash"]
        steps_root = root(
            from_hex(proof["stepDigest"]),
            int(proof["stepIndex"], 16),
            int(proof["stepCount"], 16),
            [from_hex(item) for item in proof["stepPath"]],
        )
        assert steps_root in record
        assert proof["stepDigest"] == trace["steps"][step]["digest"]
    assert rpc.error("engram_getInferenceProof", sent, 0, len(trace["steps"]))["code"] == -32602
    assert rpc.call("engram_getInferenceProof", sent, 1) is None
    assert rpc.call("engram_getInferenceProof", word(1)) is None


def test_weights_are_proved_by_storage_and_path(rpc: Rpc, model: dict[str, Any]) -> None:
    chunk = rpc.call("engram_getChunk", model["address"], 0)
    data = from_hex(chunk["data"])
    assert len(data) == int(model["size"], 16)
    leaf = blake3(b"\x00" + data).digest()
    path = [from_hex(item) for item in chunk["path"]]
    assert "0x" + root(leaf, 0, int(chunk["count"], 16), path).hex() == model["modelId"]
    proof = rpc.call("eth_getProof", REGISTRY, [chunk["modelIdSlot"], chunk["presentSlot"]])
    identity, present = proof["storageProof"]
    assert int(identity["value"], 16) == int(model["modelId"], 16)
    assert int(present["value"], 16) == len(data)
    assert rpc.call("engram_getChunk", model["address"], 1) is None
    assert rpc.call("engram_getChunk", NOBODY, 0) is None
