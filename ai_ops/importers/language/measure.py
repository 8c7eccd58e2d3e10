"""Compare an integer language model with its float model on the calibration text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ai_ops.executor import LoadedModel, StepTrace
from ai_ops.graph import Manifest
from ai_ops.importers.language.builder import Watched
from ai_ops.importers.language.checkpoint import BertSettings, Checkpoint, Floats
from ai_ops.importers.language.float_models import Tokens, run_float_model
from ai_ops.importers.language.options import LanguageOptions
from ai_ops.importers.report import (
    LayerReport,
    OutputReport,
    Report,
    cosine,
    decibels,
    port_scale,
)

MAXIMUM_SEQUENCES = 64
MAXIMUM_TOKENS = 4096
STEP_TOKENS = 32
"""Tokens that a step model is run on, one after another."""
Reals = NDArray[np.float64]


def run_tokens(loaded: LoadedModel, tokens: Tokens) -> Reals:
    """Run a text through a model that takes whole texts; return its first output in real units."""
    result = loaded.run(tokens.astype("<i4").tobytes(), len(tokens))
    return _first_output(loaded.model.manifest, result.output, len(tokens))


def _first_output(manifest: Manifest, output: bytes, n: int) -> Reals:
    port = manifest.outputs[0]
    flat = np.frombuffer(output[: port.type.size(n)], port.dtype.numpy).astype(np.float64)
    real: Reals = flat.reshape(port.type.concrete(n)) * port_scale(port)
    return real


class Stepper:
    """Feed a step model one token after another, its caches carried along as bytes."""

    def __init__(self, loaded: LoadedModel) -> None:
        self.loaded = loaded
        ports = loaded.model.manifest.inputs
        self.caches = bytes(sum(port.type.size(1) for port in ports[2:]))
        self.position = 0

    def data(self, token: int) -> bytes:
        """Return the input bytes of the next step."""
        head = np.array([token, self.position], "<i4").tobytes()
        return head + self.caches

    def step(self, token: int) -> Reals:
        """Take one token; return its logits."""
        output = self.loaded.run(self.data(token), 1).output
        port = self.loaded.model.manifest.outputs[0]
        self.caches = output[port.type.size(1) :]
        self.position += 1
        logits: Reals = _first_output(self.loaded.model.manifest, output, 1)[0]
        return logits


def compare_language(
    checkpoint: Checkpoint,
    loaded: LoadedModel,
    watched: Sequence[Watched],
    sequences: Sequence[Tokens],
    options: LanguageOptions,
) -> Report:
    """Run both models on up to 64 texts of together 4,096 tokens; layers on the first text.

    Parameters
    ----------
    watched : which float value each step stands for
    """
    chosen: list[Tokens] = []
    total = 0
    for tokens in sequences[:MAXIMUM_SEQUENCES]:
        total += len(tokens)
        if chosen and total > MAXIMUM_TOKENS:
            break
        chosen.append(tokens)
    if options.form == "step":
        chosen = [chosen[0][:STEP_TOKENS]]
    ours, floats = [], []
    for tokens in chosen:
        floats.append(_float_output(checkpoint, tokens, options))
        ours.append(_ours(loaded, tokens, options))
    notes = []
    encoder = isinstance(checkpoint.settings, BertSettings)
    if not (encoder or options.last_only):
        before, after = perplexity(floats, chosen), perplexity(ours, chosen)
        if before is not None and after is not None:
            notes.append(f"perplexity: float {before:.3f}, integer {after:.3f}")
    layers = _layers(checkpoint, loaded, watched, chosen[0], options)
    output = _output(loaded.model.manifest, np.concatenate(ours), np.concatenate(floats), encoder)
    return Report(outputs=(output,), layers=layers, notes=tuple(notes))


def _ours(loaded: LoadedModel, tokens: Tokens, options: LanguageOptions) -> Reals:
    if options.form == "score":
        return run_tokens(loaded, tokens)
    stepper = Stepper(loaded)
    return np.stack([stepper.step(int(token)) for token in tokens])


def _float_output(checkpoint: Checkpoint, tokens: Tokens, options: LanguageOptions) -> Reals:
    values = run_float_model(checkpoint, tokens).astype(np.float64)
    if options.pooling == "mean":
        return np.asarray(values.mean(0, keepdims=True))
    if options.pooling == "first":
        return values[:1]
    return values[-1:] if options.last_only else values


def perplexity(logits: Sequence[Reals], texts: Sequence[Tokens]) -> float | None:
    """Return the perplexity of texts under the logits of their tokens; None when all have one."""
    losses = [_losses(values, tokens) for values, tokens in zip(logits, texts, strict=True)]
    every = np.concatenate(losses)
    return float(np.exp(every.mean())) if len(every) else None


def _losses(logits: Reals, tokens: Tokens) -> Reals:
    """Return the negative log-likelihood of every token but the first."""
    top = logits[:-1].max(-1, keepdims=True)
    total = np.log(np.exp(logits[:-1] - top).sum(-1)) + top[:, 0]
    return np.asarray(total - np.take_along_axis(logits[:-1], tokens[1:, None], 1)[:, 0])


def _output(manifest: Manifest, real: Reals, reference: Reals, encoder: bool) -> OutputReport:
    port = manifest.outputs[0]
    similarity = [cosine(a, b) for a, b in zip(real, reference, strict=True)]
    agreement = None if encoder else float((real.argmax(1) == reference.argmax(1)).mean())
    return OutputReport(
        name=port.name,
        samples=len(real),
        top1_agreement=agreement,
        cosine_mean=float(np.mean(similarity)),
        cosine_minimum=float(np.min(similarity)),
        maximum_error=float(np.abs(real - reference).max()),
        step=port_scale(port),
    )


def _layers(
    checkpoint: Checkpoint,
    loaded: LoadedModel,
    watched: Sequence[Watched],
    tokens: Tokens,
    options: LanguageOptions,
) -> tuple[LayerReport, ...]:
    """Compare every watched step on one text; of a step model, on its last token."""
    values: dict[str, Floats] = {}
    run_float_model(checkpoint, tokens, lambda name, value: values.update({name: value}))
    if options.form == "score":
        trace = loaded.trace(tokens.astype("<i4").tobytes(), len(tokens))
    else:
        stepper = Stepper(loaded)
        for token in tokens[:-1]:
            stepper.step(int(token))
        trace = loaded.trace(stepper.data(int(tokens[-1])), 1)
        values = {name: value[-1:] for name, value in values.items()}
    found = []
    for watch in watched:
        if watch.value not in values:
            continue  # a partial sum, which the float model does not name
        real = _real(trace[watch.index], watch)
        reference = values[watch.value].astype(np.float64)[-len(real) :]
        found.append(
            LayerReport(
                step=watch.index,
                operator=trace[watch.index].operator,
                value=watch.value,
                shape=tuple(reference.shape[1:]),
                cosine=cosine(real, reference),
                decibels=decibels(real, reference),
                maximum_error=float(np.abs(real - reference).max()),
                largest=float(np.abs(reference).max()),
            )
        )
    return tuple(found)


def _real(step: StepTrace, watch: Watched) -> Reals:
    dtype = {"i8": "i1", "i16": "<i2", "i32": "<i4", "u8": "u1"}[step.dtype]
    integers = np.frombuffer(step.tensor, dtype).reshape(step.shape).astype(np.float64)
    return integers * watch.scales + watch.offset
