"""Read a GGUF file of the Llama class: dequantized weights and the architecture's numbers."""

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers.errors import ExtraMissing, ImportRefused
from ai_ops.importers.language.checkpoint import (
    Checkpoint,
    Floats,
    LlamaSettings,
    Numbers,
    check_heads,
    check_tensors,
    finite,
    llama_shapes,
)
from ai_ops.importers.language.gguf_header import GgufHead, TensorPlace, read_head

MAXIMUM_BYTES = 4 << 30
ARCHITECTURES = ("llama",)
PLAIN = {"F32": "<f4", "F16": "<f2"}
TURNED = ("attn_q", "attn_k")
"""Matrices whose rows the file keeps as neighbouring pairs; here the halves of a head pair up."""


def read_gguf(path: Path) -> Checkpoint:
    """Read a Llama-class model.

    Raises
    ------
    ImportRefused : damaged, or an architecture, setting or quantization that is not read
    """
    if path.stat().st_size > MAXIMUM_BYTES:
        raise ImportRefused(f"{path} is larger than 4 GiB")
    with path.open("rb") as file:
        try:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except ValueError:
            raise ImportRefused(f"{path} is empty") from None
    view = memoryview(data)
    try:
        head = read_head(view)
    except ValueError as error:
        raise ImportRefused(f"{path} is a damaged GGUF file: {error}") from None
    settings = _settings(head, path)
    check_heads(settings, str(path))
    shapes = llama_shapes(settings)
    if "output.weight" in head.tensors:
        shapes["output.weight"] = (settings.vocabulary, settings.width)
    check_tensors(shapes, {n: place.shape for n, place in head.tensors.items()}, str(path))
    spare = sorted(set(head.tensors) - set(shapes))
    if spare:
        raise ImportRefused(
            f"{path} holds the tensor {spare[0]}, which changes what the model computes and is not"
            " read (biases, scaled rotary angles and experts are not)"
        )
    tensors = {name: _tensor(view, name, head.tensors[name], path) for name in shapes}
    for name in shapes:
        if any(part in name for part in TURNED):
            tensors[name] = _halves(tensors[name], settings.depth)
    return Checkpoint(settings=settings, tensors=finite(tensors, str(path)))


def _settings(head: GgufHead, path: Path) -> LlamaSettings:
    numbers = Numbers(head.settings, str(path))
    numbers.choice("general.architecture", ARCHITECTURES, None)
    numbers.choice("llama.rope.scaling.type", ["none"], "none")
    width, heads = (
        numbers.whole("llama.embedding_length"),
        numbers.whole("llama.attention.head_count"),
    )
    depth = numbers.whole("llama.attention.key_length", max(1, width // heads))
    for name in ("llama.rope.dimension_count", "llama.attention.value_length"):
        if numbers.whole(name, depth) != depth:
            raise ImportRefused(f"{path} sets {name} to another size than its heads' {depth}")
    if head.settings.get("llama.expert_count", 0):
        raise ImportRefused(f"{path} is a mixture of experts, which is not read")
    listed: Any = head.settings.get("tokenizer.ggml.tokens", [])
    vocabulary = numbers.whole("llama.vocab_size", len(listed) or None)
    return LlamaSettings(
        vocabulary=vocabulary,
        positions=numbers.whole("llama.context_length"),
        width=width,
        layers=numbers.whole("llama.block_count"),
        heads=heads,
        shared_heads=numbers.whole("llama.attention.head_count_kv", heads),
        depth=depth,
        hidden=numbers.whole("llama.feed_forward_length"),
        epsilon=numbers.real("llama.attention.layer_norm_rms_epsilon"),
        base=numbers.real("llama.rope.freq_base", 10000.0),
    )


def _tensor(data: memoryview, name: str, place: TensorPlace, path: Path) -> Floats:
    """Return a tensor as float32, its bytes checked to be there."""
    try:
        from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
        from gguf.quants import dequantize
    except ImportError:
        raise ExtraMissing("gguf") from None
    known = {kind.value: kind for kind in GGMLQuantizationType}
    if place.kind not in known:
        raise ImportRefused(f"the tensor {name} of {path} has the unknown type {place.kind}")
    kind = known[place.kind]
    block, block_bytes = GGML_QUANT_SIZES[kind]
    if place.shape[-1] % block:
        raise ImportRefused(
            f"rows of the tensor {name} of {path} do not split into {kind.name} blocks"
        )
    rows, row_bytes = int(np.prod(place.shape[:-1])), place.shape[-1] // block * block_bytes
    if place.offset + rows * row_bytes > len(data):
        raise ImportRefused(f"the tensor {name} of {path} reaches beyond the end of the file")
    raw = np.frombuffer(data, np.uint8, rows * row_bytes, place.offset)
    if kind.name in PLAIN:
        floats = raw.view(PLAIN[kind.name]).astype(np.float32)
    else:
        try:
            floats = dequantize(raw.reshape(rows, row_bytes), kind)
        except (NotImplementedError, ValueError):
            raise ImportRefused(
                f"the tensor {name} of {path} is quantized as {kind.name}, which is not read:"
                " take a file of another quantization (Q4_0, Q4_1, Q8_0, the K ones, F16)"
            ) from None
    return np.asarray(floats, np.float32).reshape(place.shape)


def _halves(weight: Floats, depth: int) -> Floats:
    """Reorder each head's rows from neighbouring pairs to two halves."""
    split = weight.reshape(-1, depth // 2, 2, weight.shape[1])
    return np.ascontiguousarray(split.transpose(0, 2, 1, 3)).reshape(weight.shape)
