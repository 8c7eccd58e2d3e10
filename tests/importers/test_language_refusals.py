"""Damaged, hostile and unsupported language model files: one sentence each, nothing allocated."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_ops.importers.errors import ExtraMissing, ImportRefused
from ai_ops.importers.language.convert import import_language, read_checkpoint
from ai_ops.importers.language.gguf_header import read_head
from ai_ops.importers.language.options import LanguageOptions
from node.cli import main
from tests.importers.language_models import (
    BERT,
    LLAMA,
    bert_tensors,
    hub_names,
    llama_tensors,
    texts,
    write_folder,
    write_gguf,
)

pytest.importorskip("safetensors")
pytest.importorskip("gguf")


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "bert", BERT, bert_tensors())


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    return write_gguf(tmp_path / "tiny.gguf", llama_tensors())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "t5"}, "names the architecture 't5'"),
        ({"model_type": None}, "names the architecture 'None'"),
        ({"hidden_act": "swish"}, "sets hidden_act to 'swish'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type"),
        ({"hidden_size": 10**18}, "sets hidden_size to 1000000000000000000"),
        ({"hidden_size": True}, "sets hidden_size to True"),
        ({"vocab_size": 2**24, "hidden_size": 2**12}, "at most 2,147,483,648"),
        ({"num_hidden_layers": 5000}, "at most 1,024"),
        ({"num_attention_heads": 3}, "do not split into its heads"),
        ({"num_hidden_layers": 3}, "lacks the tensor encoder.layer.2."),
        ({"vocab_size": 41}, "has the shape (40, 16)"),
        ({"layer_norm_eps": float("nan")}, "sets layer_norm_eps to nan"),
    ],
)
def test_settings_of_an_encoder(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    folder = write_folder(tmp_path / "m", BERT, bert_tensors(), **changes)
    with pytest.raises(ImportRefused) as refusal:
        read_checkpoint(folder)
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rope_scaling": {"type": "linear", "factor": 2}}, "sets rope_scaling to"),
        ({"attention_bias": True}, "sets attention_bias to True"),
        ({"hidden_act": "gelu"}, "sets hidden_act to 'gelu'"),
        ({"num_key_value_heads": 3}, "do not split into its heads"),
        ({"rope_theta": -1.0}, "sets rope_theta to -1.0"),
        ({"rope_theta": "1e4"}, "sets rope_theta to '1e4'"),
    ],
)
def test_settings_of_a_decoder(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    folder = write_folder(tmp_path / "m", LLAMA, hub_names(llama_tensors()), **changes)
    with pytest.raises(ImportRefused) as refusal:
        read_checkpoint(folder)
    assert words in str(refusal.value)


def test_damaged_checkpoints(bert: Path, tmp_path: Path) -> None:
    weights, config = bert / "model.safetensors", bert / "config.json"
    whole = weights.read_bytes()
    for size in (0, 4, 8, 100, len(whole) - 1):
        weights.write_bytes(whole[:size])
        with pytest.raises(ImportRefused, match="damaged safetensors"):
            read_checkpoint(bert)
    weights.write_bytes(struct.pack("<Q", 2**62) + whole[8:])
    with pytest.raises(ImportRefused, match="damaged safetensors"):
        read_checkpoint(bert)
    weights.write_bytes(whole)
    for text, words in ((b"{", "not JSON"), (b"[" * 10**5, "not JSON"), (b"[]", "not a JSON obj")):
        config.write_bytes(text)
        with pytest.raises(ImportRefused, match=words):
            read_checkpoint(bert)
    config.unlink()
    with pytest.raises(ImportRefused, match=r"no config\.json"):
        read_checkpoint(bert)
    with pytest.raises(ImportRefused, match=r"no model\.safetensors"):
        read_checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(ImportRefused, match="several files"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("value", "words"), [(np.int8(1), "number type I8"), (np.float32("inf"), "not finite")]
)
def test_tensors_that_are_no_floats(tmp_path: Path, value: Any, words: str) -> None:
    tensors = bert_tensors()
    tensors["embeddings.LayerNorm.bias"] = np.full(16, value)
    folder = write_folder(tmp_path / "m", BERT, tensors)
    with pytest.raises(ImportRefused, match=words):
        read_checkpoint(folder)


def test_every_cut_of_a_gguf_file_is_refused(llama: Path) -> None:
    whole = llama.read_bytes()
    for size in (*range(0, 2000, 37), len(whole) // 2, len(whole) - 33):
        llama.write_bytes(whole[:size])
        with pytest.raises(ImportRefused):
            read_checkpoint(llama)


def test_mutated_gguf_files_never_crash(llama: Path) -> None:
    seed = 11
    generator = np.random.default_rng(seed)
    whole = llama.read_bytes()
    head = 2600
    refused = 0
    for _ in range(150):
        data = bytearray(whole)
        for at in generator.integers(0, head, generator.integers(1, 4)):
            data[at] = int(generator.choice([0, 1, 127, 128, 255, int(generator.integers(256))]))
        llama.write_bytes(data)
        try:
            read_checkpoint(llama)
        except ImportRefused:
            refused += 1
    assert refused > 30, f"seed {seed}"


def setting(name: str, kind: int, value: bytes) -> bytes:
    return struct.pack("<Q", len(name)) + name.encode() + struct.pack("<I", kind) + value


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (struct.pack("<IQQ", 3, 2**40, 0), "tensors are above"),
        (struct.pack("<IQQ", 3, 0, 2**40), "settings are above"),
        (struct.pack("<IQQ", 9, 0, 0), "version is 9"),
        (struct.pack("<IQQQ", 3, 0, 1, 2**50), "beyond the end"),
        (struct.pack("<IQQ", 3, 0, 1) + setting("a", 9, struct.pack("<IQ", 0, 2**62)), "entries"),
        (struct.pack("<IQQ", 3, 0, 1) + setting("a", 9, struct.pack("<IQ", 8, 2**62)), "entries"),
        (struct.pack("<IQQ", 3, 0, 1) + setting("a", 9, struct.pack("<IQ", 9, 1)), "type 9"),
        (struct.pack("<IQQ", 3, 0, 1) + setting("a", 77, b""), "type 77"),
        (struct.pack("<IQQ", 3, 0, 2) + 2 * setting("a", 0, b"x"), "twice"),
        (
            struct.pack("<IQQ", 3, 0, 1) + setting("general.alignment", 4, struct.pack("<I", 0)),
            "power of two",
        ),
        (struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q", 1) + b"t" + b"\xff" * 4, "dimensions"),
    ],
)
def test_hostile_gguf_heads(body: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_head(memoryview(b"GGUF" + body))


def test_gguf_files_of_other_kinds(llama: Path, tmp_path: Path) -> None:
    whole = llama.read_bytes()
    llama.write_bytes(whole.replace(b"llama", b"qwen2", 1).replace(b"llama", b"qwen2"))
    with pytest.raises(ImportRefused, match=r"sets general\.architecture to 'qwen2'"):
        read_checkpoint(llama)
    tensors = llama_tensors()
    tensors["blk.0.attn_output.bias"] = np.zeros(32, np.float32)
    with pytest.raises(ImportRefused, match=r"blk\.0\.attn_output\.bias"):
        read_checkpoint(write_gguf(tmp_path / "bias.gguf", tensors))
    tensors = llama_tensors()
    tensors["blk.0.ffn_up.weight"] = tensors["blk.0.ffn_up.weight"][:, :16]
    with pytest.raises(ImportRefused, match=r"has the shape \(64, 16\)"):
        read_checkpoint(write_gguf(tmp_path / "shape.gguf", tensors))


def test_a_quantization_that_is_not_read_is_named(llama: Path) -> None:
    from gguf import GGMLQuantizationType

    whole = llama.read_bytes()
    name = b"blk.0.attn_norm.weight"
    at = whole.index(name) + len(name) + 4 + 8
    for kind, words in ((GGMLQuantizationType.I32, "quantized as I32"), (250, "unknown type 250")):
        llama.write_bytes(whole[:at] + struct.pack("<I", int(kind)) + whole[at + 4 :])
        with pytest.raises(ImportRefused, match=words):
            read_checkpoint(llama)


@pytest.mark.parametrize("package", ["safetensors", "gguf"])
def test_missing_packages_are_named(
    bert: Path, llama: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ExtraMissing, match=package):
        read_checkpoint(bert if package == "safetensors" else llama)


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ({"a": np.zeros((1, 2), int), "b": np.zeros(1, int)}, "one array of token ids"),
        ({"tokens": np.zeros((2, 3))}, "token ids are integers"),
        ({"tokens": np.full((2, 3), 40)}, "the model has 40 tokens"),
        ({"tokens": np.full((2, 3), -1)}, "is empty"),
        ({"tokens": np.array([[1, -1, 2]])}, "after its padding"),
    ],
)
def test_calibration_that_is_no_text(bert: Path, samples: dict[str, Any], words: str) -> None:
    with pytest.raises(ImportRefused, match=words):
        import_language(bert, samples, LanguageOptions(name="b", maximum_tokens=8))


@pytest.mark.parametrize(
    ("decoder", "options", "words"),
    [
        (False, {"maximum_tokens": 25}, "up to 24 tokens"),
        (False, {"form": "step"}, "takes no steps"),
        (True, {"pooling": "mean"}, "not pooled"),
        (True, {"bits": 4}, "8 or 16"),
        (True, {"form": "chat"}, "score, step"),
    ],
)
def test_options_that_do_not_fit(
    bert: Path, llama: Path, decoder: bool, options: dict[str, Any], words: str
) -> None:
    wanted: Callable[..., LanguageOptions] = LanguageOptions
    with pytest.raises(ImportRefused, match=words):
        import_language(
            llama if decoder else bert,
            {"tokens": texts(1, 40)},
            wanted(**{"name": "m", "maximum_tokens": 16, **options}),
        )


def test_command_line(
    bert: Path, llama: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "texts.npz", tokens=texts(3, 40))
    words = ["--calibration", str(tmp_path / "texts.npz"), "-o", str(tmp_path / "m.egm")]
    report = tmp_path / "report.json"
    words += ["--maximum-tokens", "24", "--report", str(report)]
    assert main(["model", "import", str(bert), *words, "--pooling", "mean"]) == 0
    assert "embedding" in capsys.readouterr().out
    assert json.loads(report.read_text())["outputs"][0]["cosine_minimum"] > 0.999
    np.save(tmp_path / "in.npy", texts(9, 40, 1, 5)[0])
    assert main(["model", "run", str(tmp_path / "m.egm"), str(tmp_path / "in.npy")]) == 0
    assert "embedding float64 (1, 16)" in capsys.readouterr().out
    assert main(["model", "import", str(llama), *words, "--last-only"]) == 0
    assert "logits" in capsys.readouterr().out
    (bert / "config.json").write_text('{"model_type": "t5"}')
    assert main(["model", "import", str(bert), *words]) == 3
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("engram: E-MODEL-003: ")
    assert captured.err.count("\n") == 1
