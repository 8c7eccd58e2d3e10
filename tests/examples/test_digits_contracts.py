"""The digit contracts, in Solidity and Vyper: what they answer equals the bare engine."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from eth.abc import ComputationAPI
from eth.constants import CREATE_CONTRACT_ADDRESS
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.message import Message
from eth_abi.abi import decode, encode
from eth_typing import Address
from eth_utils.crypto import keccak

from ai_ops.backends import select_backend
from ai_ops.executor import load
from ai_ops.model import decode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.support.inference import CALLER, InferenceState, deploy, new_state, send

ROOT = Path(__file__).resolve().parents[2]
ARTIFACTS = ROOT / "genesis" / "contracts" / "artifacts"
DATA = (ROOT / "genesis" / "models" / "digits.egm").read_bytes()
NAMES = ("Digits", "DigitsVyper")
CONTRACT = Address(b"\xd1" * 20)
IMAGES = 24


def artifact(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_text())
    return found


def selector(name: str, signature: str) -> bytes:
    """Return a function's selector, which the artifact's ABI must declare."""
    function, _, types = signature.rstrip(")").partition("(")
    declared = [
        ",".join(entry["type"] for entry in item["inputs"])
        for item in artifact(name)["abi"]
        if item.get("name") == function
    ]
    assert declared == [types]
    return bytes(keccak(text=signature))[:4]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def state(name: str) -> InferenceState:
    """Return a state with the model active and the contract deployed by its constructor."""
    state = new_state()
    model = deploy(state, DATA)
    code = bytes.fromhex(artifact(name)["bytecode"][2:]) + encode(["address"], [model])
    message = Message(
        gas=5_000_000,
        to=CREATE_CONTRACT_ADDRESS,
        sender=Address(CALLER),
        value=0,
        data=b"",
        code=code,
        create_address=CONTRACT,
    )
    context = CancunTransactionContext(
        gas_price=1, origin=Address(CALLER), blob_versioned_hashes=[]
    )
    state.computation_class.apply_create_message(state, message, context).raise_if_error()
    state.begin()
    return state


@pytest.fixture(scope="module")
def images() -> list[bytes]:
    held_out = np.load(ROOT / "examples" / "digits" / "heldout.npz")["images"][:IMAGES]
    steps = np.rint(held_out.astype(np.float64) * 127 / 255).astype(np.int8)
    return [image.tobytes() for image in steps]


@pytest.fixture(scope="module")
def answers(images: list[bytes]) -> list[tuple[int, int]]:
    """Return what the bare engine says: the best class and its score."""
    facts = validate(head_of(decode_model(DATA)), len(DATA), DEFAULT_LIMITS)
    loaded = load(DATA, facts, select_backend(None))
    scores = [np.frombuffer(loaded.run(image, 1).output, np.int8) for image in images]
    return [(int(score.argmax()), int(score.max())) for score in scores]


def ask(
    state: InferenceState, name: str, signature: str, *values: Any, static: bool = False
) -> Any:
    types = signature[signature.index("(") + 1 : -1]
    data = selector(name, signature) + encode(types.split(",") if types else [], values)
    return send(state, CONTRACT, data, static=static)


def read(computation: ComputationAPI, *types: str) -> Any:
    computation.raise_if_error()
    return decode(types, computation.output)


def test_classify_equals_the_engine(
    state: InferenceState, name: str, images: list[bytes], answers: list[tuple[int, int]]
) -> None:
    for image, answer in zip(images, answers, strict=True):
        found = ask(state, name, "classify(bytes)", image, static=True)
        assert read(found, "uint8", "int8") == answer
    assert len({digit for digit, _ in answers}) >= 8


def test_submit_remembers_counts_and_tells(
    state: InferenceState, name: str, images: list[bytes], answers: list[tuple[int, int]]
) -> None:
    for image, answer in zip(images[:6], answers[:6], strict=True):
        computation = ask(state, name, "submit(bytes)", image)
        assert read(computation, "uint8", "int8") == answer
        assert read(ask(state, name, "digitOf(address)", CALLER), "uint8") == answer[:1]
        ((address, topics, data),) = computation.get_log_entries()
        event = keccak(text="DigitRead(address,uint8,int8,bytes32)")
        assert address == CONTRACT
        assert [topic.to_bytes(32, "big") for topic in topics] == [
            event, encode(["address"], [CALLER]), encode(["uint8"], [answer[0]])
        ]  # fmt: skip
        assert decode(["int8", "bytes32"], data) == (answer[1], keccak(image))
    for digit in range(10):
        count = [answer[0] for answer in answers[:6]].count(digit)
        assert read(ask(state, name, "tally(uint256)", digit), "uint256") == (count,)


def test_wrong_image_reverts_with_the_reason_and_changes_nothing(
    state: InferenceState, name: str, images: list[bytes]
) -> None:
    computation = ask(state, name, "submit(bytes)", images[0][:-1])
    assert computation.is_error
    reason = keccak(text="InputSize(uint256,uint256)")[:4]
    assert computation.output == reason + encode(["uint256", "uint256"], [783, 784])
    assert read(ask(state, name, "digitOf(address)", CALLER), "uint8") == (0,)
    assert sum(read(ask(state, name, "tally(uint256)", d), "uint256")[0] for d in range(10)) == 0


def test_submit_in_a_static_call_fails(
    state: InferenceState, name: str, images: list[bytes]
) -> None:
    assert ask(state, name, "submit(bytes)", images[0], static=True).is_error


def test_model_is_public(state: InferenceState, name: str) -> None:
    (address,) = read(ask(state, name, "model()"), "address")
    assert len(bytes.fromhex(address[2:])) == 20
    assert int(address, 16) != 0


def _compile_script() -> ModuleType:
    path = ROOT / "examples" / "digits" / "compile.py"
    spec = importlib.util.spec_from_file_location("digits_compile", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_artifacts_are_what_the_compilers_make(name: str) -> None:
    made = _compile_script().compiled(name)
    if made is None:
        pytest.skip("the compiler is not on the PATH (SOLCJS and VYPER name it)")
    shipped = artifact(name)
    if made["compiler"] != shipped["compiler"]:
        pytest.skip(f"another compiler is installed: {made['compiler']}")
    assert made == shipped
