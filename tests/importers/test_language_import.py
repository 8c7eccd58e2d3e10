"""BERT- and Llama-class models: read, lowered, run, and near their float models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_ops.backends import select_backend
from ai_ops.executor import load
from ai_ops.importers.language.checkpoint import Checkpoint
from ai_ops.importers.language.convert import import_language, lower_language, read_checkpoint
from ai_ops.importers.language.float_models import error_function, run_float_model
from ai_ops.importers.language.measure import Stepper, perplexity, run_tokens
from ai_ops.importers.language.observe import observe
from ai_ops.importers.language.options import LanguageOptions
from ai_ops.importers.language.products import input_limit
from ai_ops.importers.scales import BIAS_LIMIT
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
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


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("bert"), BERT, bert_tensors())


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_gguf(tmp_path_factory.mktemp("llama") / "tiny.gguf", llama_tensors())


def loaded(checkpoint: Checkpoint, options: LanguageOptions, backend: str | None = None) -> Any:
    seen = observe(checkpoint, list(texts(3, checkpoint.settings.vocabulary)))
    model, _ = lower_language(checkpoint, seen, options)
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    return load(model, facts, select_backend(backend))


def test_error_function_is_erf() -> None:
    from math import erf

    x = np.linspace(-5, 5, 401)
    assert np.abs(error_function(x) - [erf(value) for value in x]).max() < 2e-7


@pytest.mark.parametrize("pooling", ["none", "mean", "first"])
@pytest.mark.parametrize("bits", [8, 16])
def test_encoder_stays_near_its_float_model(bert: Path, pooling: str, bits: int) -> None:
    options = LanguageOptions(name="bert", maximum_tokens=24, pooling=pooling, bits=bits)
    imported = import_language(bert, {"tokens": texts(3, 40)}, options)
    (output,) = imported.report.outputs
    assert output.cosine_minimum > 0.999
    assert imported.facts.maximum_units == 24
    assert "left out: embeddings.position_ids" in imported.report.notes
    layers = {layer.value: layer.cosine for layer in imported.report.layers}
    assert {"embedding", "0.query", "1.mixed", "1.active", "states"} <= set(layers)
    assert min(layers.values()) > 0.995


@pytest.mark.parametrize("bits", [8, 16])
def test_decoder_stays_near_its_float_model(llama: Path, bits: int) -> None:
    options = LanguageOptions(name="llama", maximum_tokens=24, bits=bits)
    imported = import_language(llama, {"tokens": texts(3, 48)}, options)
    (output,) = imported.report.outputs
    assert output.cosine_minimum > 0.98
    assert output.cosine_mean > 0.997
    assert output.top1_agreement is not None
    assert output.top1_agreement > 0.9
    (note,) = imported.report.notes
    before, after = (float(word.rstrip(",")) for word in note.split() if word[0].isdigit())
    assert after == pytest.approx(before, rel=0.05)


@pytest.mark.parametrize("length", [1, 2, 7, 24])
def test_every_backend_gives_the_same_bytes_at_every_length(
    bert: Path, llama: Path, length: int
) -> None:
    for path in (bert, llama):
        checkpoint = read_checkpoint(path)
        options = LanguageOptions(name="tiny", maximum_tokens=24)
        data = texts(length, checkpoint.settings.vocabulary, 1, length)[0].tobytes()
        reference = loaded(checkpoint, options, "reference").run(data, length)
        for name in ("numba", "cpu"):
            found = loaded(checkpoint, options, name).run(data, length)
            assert found.output == reference.output
            assert found.step_digests == reference.step_digests


def test_steps_with_caches_give_the_logits_of_the_whole_text(llama: Path) -> None:
    checkpoint = read_checkpoint(llama)
    options = LanguageOptions(name="tiny", maximum_tokens=24)
    score = loaded(checkpoint, options)
    stepper = Stepper(loaded(checkpoint, replace(options, form="step")))
    tokens = texts(7, 48, 1, 24)[0]
    steps = np.stack([stepper.step(int(token)) for token in tokens])
    assert (steps == run_tokens(score, tokens)).all()
    last = run_tokens(loaded(checkpoint, replace(options, last_only=True)), tokens)
    assert last.shape == (1, 48)
    assert (last == steps[-1:]).all()


def test_step_form_imports_with_a_report(llama: Path) -> None:
    options = LanguageOptions(name="tiny", maximum_tokens=20, form="step")
    imported = import_language(llama, {"tokens": texts(3, 48)}, options)
    assert imported.report.outputs[0].cosine_minimum > 0.99
    assert min(layer.cosine for layer in imported.report.layers) > 0.98
    assert imported.facts.maximum_units == 1


def test_both_kinds_of_files_hold_the_same_decoder(llama: Path, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "hub", LLAMA, hub_names(llama_tensors()))
    tokens = texts(5, 48)[0]
    ours, hub = (run_float_model(read_checkpoint(path), tokens) for path in (llama, folder))
    assert np.array_equal(ours, hub)


def test_a_matrix_of_its_own_gives_the_logits_when_it_is_not_tied(tmp_path: Path) -> None:
    tensors = hub_names(llama_tensors())
    tensors["lm_head.weight"] = np.random.default_rng(8).normal(size=(48, 32)).astype(np.float32)
    folder = write_folder(tmp_path / "hub", LLAMA, tensors, tie_word_embeddings=False)
    checkpoint = read_checkpoint(folder)
    tokens = texts(5, 48)[0]
    reference = run_float_model(checkpoint, tokens)
    assert not np.allclose(reference, run_float_model(_tied(tmp_path), tokens), atol=0.1)
    ours = run_tokens(loaded(checkpoint, LanguageOptions(name="own", maximum_tokens=24)), tokens)
    assert np.vdot(ours, reference) > 0.998 * np.linalg.norm(ours) * np.linalg.norm(reference)


def _tied(folder: Path) -> Checkpoint:
    return read_checkpoint(write_folder(folder / "tied", LLAMA, hub_names(llama_tensors())))


@pytest.mark.parametrize("kind", ["F16", "Q8_0", "Q4_1"])
def test_quantized_weights_are_read_as_the_floats_they_stand_for(tmp_path: Path, kind: str) -> None:
    from gguf import GGMLQuantizationType, quants

    tensors = llama_tensors()
    found = read_checkpoint(write_gguf(tmp_path / "q.gguf", tensors, kind)).tensors
    type_ = GGMLQuantizationType[kind]
    for name, tensor in tensors.items():
        expected = tensor
        if tensor.ndim == 2:
            expected = quants.dequantize(quants.quantize(tensor, type_), type_)
        assert np.array_equal(found[name], expected), name


def test_bfloat16_is_read(tmp_path: Path) -> None:
    import json
    import struct

    folder = write_folder(tmp_path / "b", BERT, bert_tensors())
    path = folder / "model.safetensors"
    raw = path.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    head = json.loads(raw[8 : 8 + size])
    body, offset, halves = raw[8 + size :], 0, b""
    for entry in head.values():
        start, stop = entry["data_offsets"]
        part = body[start:stop]
        if entry["dtype"] == "F32":
            part = (np.frombuffer(part, "<u4") >> 16).astype("<u2").tobytes()
            entry["dtype"] = "BF16"
        entry["data_offsets"] = [offset, offset + len(part)]
        offset, halves = offset + len(part), halves + part
    text = json.dumps(head).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + halves)
    name = "encoder.layer.1.output.dense.weight"
    expected = (bert_tensors()[name].view(np.uint32) & 0xFFFF0000).view(np.float32)
    assert np.array_equal(read_checkpoint(folder).tensors[name], expected)


@pytest.mark.parametrize("depth", [1, 384, 576, 1536, 2**14])
def test_products_of_16_bit_rows_stay_within_the_accumulator(depth: int) -> None:
    for biased, bias in ((False, 0), (True, BIAS_LIMIT)):
        limit = input_limit(16, depth, biased=biased)
        assert limit * 128 * depth + bias < 2**31
        assert limit == 32_767 or (limit + 1) * 128 * depth + bias >= 2**31
    assert input_limit(8, depth, biased=True) == 32_767


def test_perplexity_of_known_probabilities() -> None:
    logits = np.log([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])
    assert perplexity([logits], [np.array([0, 1])]) == pytest.approx(4)
    assert perplexity([logits[:1]], [np.array([0])]) is None


def test_float_models_agree_with_torch(bert: Path, llama: Path) -> None:
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    tokens = texts(4, 40)[0]
    t = {name: torch.from_numpy(value) for name, value in read_checkpoint(bert).tensors.items()}

    def norm(name: str, x: Any) -> Any:
        return F.layer_norm(x, (16,), t[f"{name}.weight"], t[f"{name}.bias"], 1e-12)

    def linear(name: str, x: Any) -> Any:
        return F.linear(x, t[f"{name}.weight"], t[f"{name}.bias"])

    at = "embeddings."
    x = t[f"{at}word_embeddings.weight"][tokens] + t[f"{at}position_embeddings.weight"][:16]
    x = norm(f"{at}LayerNorm", x + t[f"{at}token_type_embeddings.weight"][0])
    for layer in range(2):
        at = f"encoder.layer.{layer}."
        q, k, v = (
            linear(f"{at}attention.self.{n}", x).reshape(16, 2, 8).transpose(0, 1)
            for n in ("query", "key", "value")
        )
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(0, 1).reshape(16, 16)
        mixed = linear(f"{at}attention.output.dense", mixed)
        x = norm(f"{at}attention.output.LayerNorm", x + mixed)
        hidden = F.gelu(linear(f"{at}intermediate.dense", x))
        x = norm(f"{at}output.LayerNorm", x + linear(f"{at}output.dense", hidden))
    assert np.abs(x.numpy() - run_float_model(read_checkpoint(bert), tokens)).max() < 1e-5

    reference = _torch_llama(torch, llama_tensors(), tokens)
    assert np.abs(reference - run_float_model(read_checkpoint(llama), tokens)).max() < 1e-4


def _torch_llama(torch: Any, tensors: dict[str, np.ndarray], tokens: np.ndarray) -> np.ndarray:
    F = torch.nn.functional
    t = {name: torch.from_numpy(value) for name, value in tensors.items()}
    angle = torch.arange(16)[:, None] * 10000.0 ** -(torch.arange(0, 8, 2) / 8)
    turn = torch.polar(torch.ones_like(angle), angle)

    def turned(x: Any) -> Any:
        pairs = torch.complex(x[..., :4], x[..., 4:]) * turn
        return torch.cat([pairs.real, pairs.imag], -1)

    x = t["token_embd.weight"][tokens]
    for layer in range(2):
        at = f"blk.{layer}."
        h = F.rms_norm(x, (32,), t[f"{at}attn_norm.weight"], 1e-5)
        q, k, v = (
            (h @ t[f"{at}attn_{n}.weight"].T).reshape(16, -1, 8).transpose(0, 1) for n in "qkv"
        )
        k, v = (y.repeat_interleave(2, 0) for y in (k, v))
        mixed = F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True)
        x = x + mixed.transpose(0, 1).reshape(16, 32) @ t[f"{at}attn_output.weight"].T
        h = F.rms_norm(x, (32,), t[f"{at}ffn_norm.weight"], 1e-5)
        hidden = F.silu(h @ t[f"{at}ffn_gate.weight"].T) * (h @ t[f"{at}ffn_up.weight"].T)
        x = x + hidden @ t[f"{at}ffn_down.weight"].T
    logits = F.rms_norm(x, (32,), t["output_norm.weight"], 1e-5) @ t["token_embd.weight"].T
    return np.asarray(logits.numpy())


def test_an_import_says_how_far_it_is(bert: Path) -> None:
    said: list[str] = []
    options = LanguageOptions(name="bert", maximum_tokens=16)
    import_language(bert, {"tokens": texts(2, 8)[:3]}, options, said.append)
    assert said == [
        f"reading {bert.name}",
        *(f"calibrating: text {text} of 3" for text in (1, 2, 3)),
        *(f"rounding weights: layer {layer} of 2" for layer in (1, 2)),
        "comparing with the float model",
        "",
    ]
