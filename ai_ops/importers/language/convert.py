"""From a language model's file to a checked integer model with its report."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.executor import LoadedModel, load
from ai_ops.graph import Model
from ai_ops.importers.convert import Imported
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.language.bert import lower_bert
from ai_ops.importers.language.builder import Builder, Watched
from ai_ops.importers.language.checkpoint import BertSettings, Checkpoint
from ai_ops.importers.language.gguf_file import read_gguf
from ai_ops.importers.language.llama import lower_llama
from ai_ops.importers.language.measure import compare_language
from ai_ops.importers.language.observe import Observations, check_sequences, observe
from ai_ops.importers.language.options import (
    FORMS,
    POOLINGS,
    USUAL_BITS,
    LanguageOptions,
)
from ai_ops.importers.language.products import DYNAMIC_BITS, STATIC_BITS
from ai_ops.importers.language.safetensors_file import read_safetensors
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate

ENDINGS = (".safetensors", ".gguf")


def is_language_model(path: Path) -> bool:
    """Whether this importer reads the file: a checkpoint's folder, `.safetensors` or `.gguf`."""
    return path.is_dir() or path.suffix.lower() in ENDINGS


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a language model's file or folder.

    Raises
    ------
    ImportRefused : damaged, or of an architecture that is not read
    """
    return read_gguf(path) if path.suffix.lower() == ".gguf" else read_safetensors(path)


def lower_language(
    checkpoint: Checkpoint,
    seen: Observations,
    options: LanguageOptions,
    progress: Callable[[str], None] = lambda _: None,
) -> tuple[Model, tuple[Watched, ...]]:
    """Build the integer model.

    Parameters
    ----------
    progress : told how far it is

    Returns
    -------
    the model, and which float value each of its steps stands for
    """
    builder = Builder(progress)
    if isinstance(checkpoint.settings, BertSettings):
        lower, usual = lower_bert, DYNAMIC_BITS
    else:
        lower, usual = lower_llama, STATIC_BITS
    lower(checkpoint, seen, replace(options, bits=options.bits or usual), builder)
    units = 1 if options.form == "step" else options.maximum_tokens
    return builder.finish(options.name, units), tuple(builder.watched)


def check_options(checkpoint: Checkpoint, options: LanguageOptions) -> None:
    """Refuse options that do not fit the model."""
    s = checkpoint.settings
    if not 1 <= options.maximum_tokens <= s.positions:
        raise ImportRefused(
            f"the model reads texts of up to {s.positions} tokens and {options.maximum_tokens}"
            " were asked for"
        )
    if options.bits not in {USUAL_BITS, DYNAMIC_BITS, STATIC_BITS}:
        raise ImportRefused(f"activations of {options.bits} bits are not made: 8 or 16")
    if options.form not in FORMS or options.pooling not in POOLINGS:
        raise ImportRefused(
            f"the form is one of {', '.join(FORMS)}, the pooling one of {', '.join(POOLINGS)}"
        )
    encoder = isinstance(s, BertSettings)
    if encoder and (options.form != "score" or options.last_only):
        raise ImportRefused("an encoder takes no steps and gives no logits")
    if not encoder and options.pooling != "none":
        raise ImportRefused("a decoder gives logits, which are not pooled")


def import_language(
    path: Path,
    samples: dict[str, np.ndarray],
    options: LanguageOptions,
    progress: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Import a language model: read, observe, lower, validate, compare.

    Parameters
    ----------
    samples : one array of token ids, see `check_sequences`
    progress : told each stage as it begins, and "" at the end

    Raises
    ------
    ImportRefused : see the readers
    InvalidModel : the model is beyond what the engine accepts
    """
    progress(f"reading {path.name}")
    checkpoint = read_checkpoint(path)
    check_options(checkpoint, options)
    sequences = check_sequences(samples, checkpoint, options.maximum_tokens)
    seen = observe(checkpoint, sequences, progress)
    model, watched = lower_language(checkpoint, seen, options, progress)
    data = encode_model(model)
    facts = validate(head_of(model), len(data), DEFAULT_LIMITS)
    loaded: LoadedModel = load(model, facts, select_backend(None))
    progress("comparing with the float model")
    report = compare_language(checkpoint, loaded, watched, sequences, options)
    progress("")
    report = replace(report, notes=(*checkpoint.notes, *report.notes))
    return Imported(data=data, facts=facts, report=report)
