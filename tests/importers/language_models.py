"""Tiny language models with random weights, written by the packages whose files are imported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

BERT = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 16,
    "intermediate_size": 32,
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 24,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 2,
    "vocab_size": 40,
}
LLAMA = {
    "model_type": "llama",
    "hidden_act": "silu",
    "hidden_size": 32,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "tie_word_embeddings": True,
    "vocab_size": 48,
}


def texts(seed: int, vocabulary: int, count: int = 12, length: int = 16) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, vocabulary, (count, length), dtype=np.int32)


def bert_tensors(seed: int = 1) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)

    def normal(*shape: int, size: float = 0.5) -> np.ndarray:
        return (size * generator.standard_normal(shape)).astype(np.float32)

    found: dict[str, np.ndarray] = {
        "embeddings.word_embeddings.weight": normal(40, 16),
        "embeddings.position_embeddings.weight": normal(24, 16),
        "embeddings.token_type_embeddings.weight": normal(2, 16),
        "embeddings.position_ids": np.arange(24, dtype=np.int64),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in range(2):
        at = f"encoder.layer.{layer}."
        norms += [f"{at}attention.output.LayerNorm", f"{at}output.LayerNorm"]
        dense = [(f"{at}attention.self.{name}", 16, 16) for name in ("query", "key", "value")]
        dense += [
            (f"{at}attention.output.dense", 16, 16),
            (f"{at}intermediate.dense", 32, 16),
            (f"{at}output.dense", 16, 32),
        ]
        for name, rows, columns in dense:
            found[f"{name}.weight"] = normal(rows, columns, size=columns**-0.5)
            found[f"{name}.bias"] = normal(rows, size=0.1)
    for name in norms:
        found[f"{name}.weight"] = 1 + normal(16, size=0.1)
        found[f"{name}.bias"] = normal(16, size=0.1)
    return found


def llama_tensors(seed: int = 2) -> dict[str, np.ndarray]:
    """Tensors by their GGUF names, heads in halves (not as the file pairs them)."""
    generator = np.random.default_rng(seed)

    def normal(rows: int, columns: int) -> np.ndarray:
        values: np.ndarray = columns**-0.5 * generator.standard_normal((rows, columns))
        return values.astype(np.float32)

    def ones(count: int) -> np.ndarray:
        return (1 + 0.1 * generator.standard_normal(count)).astype(np.float32)

    found = {"token_embd.weight": normal(48, 32) * 3, "output_norm.weight": ones(32)}
    for layer in range(2):
        at = f"blk.{layer}."
        found |= {
            f"{at}attn_norm.weight": ones(32),
            f"{at}attn_q.weight": normal(32, 32) * 2,
            f"{at}attn_k.weight": normal(16, 32) * 2,
            f"{at}attn_v.weight": normal(16, 32),
            f"{at}attn_output.weight": normal(32, 32),
            f"{at}ffn_norm.weight": ones(32),
            f"{at}ffn_gate.weight": normal(64, 32),
            f"{at}ffn_up.weight": normal(64, 32),
            f"{at}ffn_down.weight": normal(32, 64),
        }
    return found


def write_folder(
    folder: Path, config: dict[str, Any], tensors: dict[str, np.ndarray], **changes: Any
) -> Path:
    """Write a checkpoint as model hubs have them."""
    from safetensors.numpy import save_file

    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**config, **changes}), encoding="utf-8")
    save_file(tensors, folder / "model.safetensors")
    return folder


HUB_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}


def hub_names(tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Rename GGUF names to those of model hubs."""
    found = {}
    for name, tensor in tensors.items():
        if name.startswith("blk."):
            _, layer, part, ending = name.split(".")
            found[f"model.layers.{layer}.{HUB_NAMES[part]}.{ending}"] = tensor
        elif name == "token_embd.weight":
            found["model.embed_tokens.weight"] = tensor
        else:
            found["model.norm.weight"] = tensor
    return found


def write_gguf(path: Path, tensors: dict[str, np.ndarray], quantization: str = "F32") -> Path:
    """Write a GGUF file, its queries' and keys' rows as neighbouring pairs."""
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    writer = GGUFWriter(path, "llama")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_vocab_size(48)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    kind = GGMLQuantizationType[quantization]
    for name, tensor in tensors.items():
        stored = tensor
        if "attn_q" in name or "attn_k" in name:
            halves = tensor.reshape(-1, 2, 4, tensor.shape[1])
            stored = np.ascontiguousarray(halves.transpose(0, 2, 1, 3)).reshape(tensor.shape)
        if tensor.ndim == 2 and quantization != "F32":
            writer.add_tensor(name, quants.quantize(stored, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, stored)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
