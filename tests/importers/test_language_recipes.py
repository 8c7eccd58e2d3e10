"""The parts of the language recipes that need no package of weights."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from ai_ops.importers.language.convert import read_checkpoint
from ai_ops.importers.language.float_models import run_float_model
from tests.importers.language_models import llama_tensors, texts, write_gguf

torch = pytest.importorskip("torch")
pytest.importorskip("tokenizers")
pytest.importorskip("gguf")
recipe = pytest.importorskip("examples.models.smollm2")


def test_float_decoder_of_the_recipe_is_the_importers(tmp_path: Path) -> None:
    checkpoint = read_checkpoint(write_gguf(tmp_path / "tiny.gguf", llama_tensors()))
    model = recipe.FloatModel(checkpoint)
    tokens = texts(6, 48)[0]
    reference = run_float_model(checkpoint, tokens)
    with torch.no_grad():
        whole = model(tokens).numpy()
        model.clear()
        steps = np.concatenate([model([int(token)]).numpy() for token in tokens])
    assert np.abs(whole - reference).max() < 1e-4
    assert np.abs(steps - reference).max() < 1e-4


def test_judging_a_window() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]])
    tops, losses = recipe.judge(logits, np.array([2, 1, 2]))
    assert tops.tolist() == [0, 2, 1]
    assert losses == pytest.approx([np.log(4), -np.log(0.8)])


def vector(lines: list[str]) -> bytes:
    """Serialize a vector of strings as R does, deflated and with its length in front."""
    body = b"X\n" + struct.pack(">ii", 16, len(lines))
    for line in lines:
        raw = line.encode()
        body += struct.pack(">ii", 0x00040009, len(raw)) + raw
    return struct.pack(">i", len(body)) + zlib.compress(body)


def test_reading_a_book(tmp_path: Path) -> None:
    path = tmp_path / "books.rdb"
    path.write_bytes(vector(["EMMA", "", "one"]) + vector(["Persuasion", "", "a line", "b"]))
    assert recipe.book(path, "Persuasion") == "Persuasion\n\na line\nb"
    assert recipe.book(path, "Emma") == "EMMA\n\none"
    with pytest.raises(SystemExit, match="does not hold Sanditon"):
        recipe.book(path, "Sanditon")


def test_greedy_answers_stop_at_the_end_token() -> None:
    follows = {1: 2, 2: 3, 3: 0}
    seen = []

    def step(token: int) -> np.ndarray:
        seen.append(token)
        logits: np.ndarray = np.eye(4)[follows[token]]
        return logits

    assert recipe.answer(step, [1], 0) == [2, 3]
    assert seen == [1, 2, 3]
