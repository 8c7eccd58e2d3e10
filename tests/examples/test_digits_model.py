"""The digit model that ships with the node, on the 1,000 digits it never saw."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from ai_ops.backends import select_backend
from ai_ops.executor import LoadedModel, load
from ai_ops.merkle import model_id
from ai_ops.model import decode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "digits"
# Of the 1,000 outputs of 10 bytes, one after another: a change means another answer somewhere.
OUTPUTS_SHA256 = "0e838d9d75e242eb1cffa579f69cd8f1ae4dfec62db4e3baa16b9fe424844ae9"
MODEL_ID = "6f505d6e3ec384568d74952824434feb0f5c10a9fafd131f23196aa6f50c3d3a"


@pytest.fixture(scope="module")
def model() -> LoadedModel:
    data = (ROOT / "genesis" / "models" / "digits.egm").read_bytes()
    facts = validate(head_of(decode_model(data)), len(data), DEFAULT_LIMITS)
    return load(data, facts, select_backend(None))


@pytest.fixture(scope="module")
def outputs(model: LoadedModel) -> bytes:
    images = np.load(EXAMPLE / "heldout.npz")["images"]
    steps = np.rint(images.astype(np.float64) * 127 / 255).astype(np.int8)
    return b"".join(model.run(image.tobytes(), 1).output for image in steps)


def test_bytes_are_the_ones_the_documents_name() -> None:
    data = (ROOT / "genesis" / "models" / "digits.egm").read_bytes()
    assert model_id(data).hex() == MODEL_ID
    assert len(data) < 200_000


def test_accuracy_is_within_half_a_point_of_the_float_network(outputs: bytes) -> None:
    labels = np.load(EXAMPLE / "heldout.npz")["labels"]
    scores = np.frombuffer(outputs, np.int8).reshape(1000, 10)
    right = int((scores.argmax(1) == labels).sum())
    accuracy = json.loads((EXAMPLE / "accuracy.json").read_text())
    assert accuracy["held_out"] == len(labels) == 1000
    assert abs(right - accuracy["float_correct"]) <= 5


def test_outputs_are_the_same_everywhere(outputs: bytes) -> None:
    assert hashlib.sha256(outputs).hexdigest() == OUTPUTS_SHA256


def test_reference_backend_agrees(model: LoadedModel, outputs: bytes) -> None:
    reference = load(model.model, model.facts, select_backend("reference"))
    images = np.load(EXAMPLE / "heldout.npz")["images"][:50]
    steps = np.rint(images.astype(np.float64) * 127 / 255).astype(np.int8)
    again = b"".join(reference.run(image.tobytes(), 1).output for image in steps)
    assert again == outputs[: len(again)]
