"""Read a safetensors checkpoint beside its `config.json`: BERT- and Llama-class models."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.importers.archive import parse_json
from ai_ops.importers.errors import ExtraMissing, ImportRefused
from ai_ops.importers.language.checkpoint import (
    BertSettings,
    Checkpoint,
    Floats,
    LlamaSettings,
    Numbers,
    bert_shapes,
    check_heads,
    check_tensors,
    finite,
    llama_shapes,
)

MAXIMUM_BYTES = 4 << 30
MAXIMUM_CONFIG_BYTES = 1 << 20
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}
PREFIXES = ("bert.", "model.", "0.auto_model.")
LLAMA_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def find_checkpoint(path: Path) -> tuple[Path, Path]:
    """Return (weights, configuration) of a folder or a `.safetensors` file.

    Raises
    ------
    ImportRefused : one of them is missing, or the weights are in several files
    """
    folder = path if path.is_dir() else path.parent
    weights = folder / "model.safetensors" if path.is_dir() else path
    if path.is_dir() and not weights.is_file():
        if (folder / "model.safetensors.index.json").is_file():
            raise ImportRefused(
                f"{path} splits its weights into several files: join them into one"
                " model.safetensors with safetensors.numpy.load_file and save_file"
            )
        raise ImportRefused(f"{path} holds no model.safetensors")
    config = folder / "config.json"
    if not config.is_file():
        raise ImportRefused(f"there is no config.json beside {weights}: it names the architecture")
    return weights, config


def read_safetensors(path: Path) -> Checkpoint:
    """Read a BERT- or Llama-class checkpoint.

    Parameters
    ----------
    path : a folder with `config.json` and `model.safetensors`, or the latter

    Raises
    ------
    ImportRefused : an architecture, setting, tensor or number type that is not read
    """
    weights, config = find_checkpoint(path)
    values = _config(config)
    kind = values.get("model_type")
    if kind not in SETTINGS:
        raise ImportRefused(
            f"{config} names the architecture {str(kind)[:60]!r}, which is not read: only"
            f" {', '.join(sorted(SETTINGS))}; export other networks with torch.export"
        )
    settings = SETTINGS[kind](Numbers(values, str(config)))
    check_heads(settings, str(config))
    raw = _raw_tensors(weights)
    if isinstance(settings, BertSettings):
        shapes, names = bert_shapes(settings), {_bert_name(name): name for name in raw}
    else:
        shapes, names = llama_shapes(settings), {_llama_name(name): name for name in raw}
        if not values.get("tie_word_embeddings", False) and "output.weight" in names:
            shapes = {**shapes, "output.weight": (settings.vocabulary, settings.width)}
    check_tensors(shapes, {name: tuple(raw[names[name]]["shape"]) for name in names}, str(weights))
    tensors = {name: _tensor(names[name], raw[names[name]]) for name in shapes}
    unused = sorted(set(raw) - {names[name] for name in shapes})
    notes = (f"left out: {', '.join(unused[:6])}" + ", ..." * (len(unused) > 6),) if unused else ()
    return Checkpoint(settings=settings, tensors=finite(tensors, str(weights)), notes=notes)


def _config(path: Path) -> dict[str, Any]:
    if path.stat().st_size > MAXIMUM_CONFIG_BYTES:
        raise ImportRefused(f"{path} is larger than 1 MiB")
    try:
        values = parse_json(path.read_bytes())
    except ValueError as error:
        raise ImportRefused(f"{path} is not JSON ({type(error).__name__})") from None
    if not isinstance(values, dict):
        raise ImportRefused(f"{path} is not a JSON object")
    return values


def _raw_tensors(path: Path) -> dict[str, Mapping[str, Any]]:
    """Return dtype, shape and bytes of every tensor; the package checks that they fit the file."""
    try:
        from safetensors import SafetensorError, deserialize
    except ImportError:
        raise ExtraMissing("safetensors") from None
    if path.stat().st_size > MAXIMUM_BYTES:
        raise ImportRefused(f"{path} is larger than 4 GiB")
    parse: Any = deserialize  # declares no types of its own
    try:
        return dict(parse(path.read_bytes()))
    except SafetensorError as error:
        raise ImportRefused(f"{path} is a damaged safetensors file ({error})") from None


def _tensor(name: str, entry: Mapping[str, Any]) -> Floats:
    if entry["dtype"] not in DTYPES:
        raise ImportRefused(
            f"the tensor {name} has the number type {entry['dtype']}, which is not read: save the"
            " checkpoint as float32, float16 or bfloat16"
        )
    flat = np.frombuffer(entry["data"], DTYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":
        flat = (flat.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return np.asarray(flat.reshape(entry["shape"]), np.float32)


def _bert_name(name: str) -> str:
    for prefix in PREFIXES:
        name = name.removeprefix(prefix)
    # Checkpoints of TensorFlow's age call a norm's weight gamma and its bias beta.
    return name.replace("LayerNorm.gamma", "LayerNorm.weight").replace(
        "LayerNorm.beta", "LayerNorm.bias"
    )


def _llama_name(name: str) -> str:
    plain = name.removeprefix("model.")
    whole = {
        "embed_tokens.weight": "token_embd.weight",
        "norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    if plain in whole:
        return whole[plain]
    if not plain.startswith("layers."):
        return name
    _, layer, rest = plain.split(".", 2)
    part, _, ending = rest.rpartition(".")
    return f"blk.{layer}.{LLAMA_NAMES.get(part, part)}.{ending}"


def _bert_settings(numbers: Numbers) -> BertSettings:
    numbers.choice("position_embedding_type", ["absolute"], "absolute")
    activation = numbers.choice("hidden_act", ACTIVATIONS, "gelu")
    return BertSettings(
        vocabulary=numbers.whole("vocab_size"),
        positions=numbers.whole("max_position_embeddings"),
        types=numbers.whole("type_vocab_size", 2),
        width=numbers.whole("hidden_size"),
        layers=numbers.whole("num_hidden_layers"),
        heads=numbers.whole("num_attention_heads"),
        hidden=numbers.whole("intermediate_size"),
        epsilon=numbers.real("layer_norm_eps", 1e-12),
        activation=ACTIVATIONS[activation],
    )


def _llama_settings(numbers: Numbers) -> LlamaSettings:
    numbers.choice("hidden_act", ["silu"], "silu")
    numbers.choice("rope_scaling", [None], None)
    numbers.choice("attention_bias", [False], False)
    numbers.choice("mlp_bias", [False], False)
    width, heads = numbers.whole("hidden_size"), numbers.whole("num_attention_heads")
    return LlamaSettings(
        vocabulary=numbers.whole("vocab_size"),
        positions=numbers.whole("max_position_embeddings", 2048),
        width=width,
        layers=numbers.whole("num_hidden_layers"),
        heads=heads,
        shared_heads=numbers.whole("num_key_value_heads", heads),
        depth=numbers.whole("head_dim", max(1, width // heads)),
        hidden=numbers.whole("intermediate_size"),
        epsilon=numbers.real("rms_norm_eps", 1e-6),
        base=numbers.real("rope_theta", 10000.0),
    )


SETTINGS: dict[str, Callable[[Numbers], BertSettings | LlamaSettings]] = {
    "bert": _bert_settings,
    "llama": _llama_settings,
}
