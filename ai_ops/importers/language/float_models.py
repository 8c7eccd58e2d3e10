"""The float models, written out in NumPy: what the integer models are measured against.

`observe(name, value)` sees every value that an integer step stands for, in the model's order; the
names are those of the accuracy report. Values of one sequence have the shape (tokens, elements).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai_ops.importers.float_run import FUNCTIONS
from ai_ops.importers.language.checkpoint import (
    BertSettings,
    Checkpoint,
    Floats,
    LlamaSettings,
)

Observe = Callable[[str, Floats], None]
Tokens = NDArray[np.integer[Any]]


def ignore(name: str, value: Floats) -> None:
    """Observe nothing."""
    del name, value


def run_float_model(checkpoint: Checkpoint, tokens: Tokens, observe: Observe = ignore) -> Floats:
    """Run one sequence.

    Parameters
    ----------
    tokens : integers (tokens,)

    Returns
    -------
    BERT class: states (tokens, width). Llama class: logits (tokens, vocabulary)
    """
    if isinstance(checkpoint.settings, BertSettings):
        return _bert(checkpoint, checkpoint.settings, tokens, observe)
    return _llama(checkpoint, checkpoint.settings, tokens, observe)


def activation(name: str) -> Callable[[Any], Any]:
    """Return an activation function of floats by its settings' name."""
    if name == "relu":
        return lambda x: np.maximum(x, 0)
    return _gelu if name == "gelu" else lambda x: FUNCTIONS[name](x, 0.0)


def _gelu(x: Any) -> Any:
    return 0.5 * x * (1 + error_function(x / math.sqrt(2)))


def error_function(x: Any) -> Any:
    """Return erf(x) within 1.5e-7. Source: Abramowitz and Stegun, formula 7.1.26."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (
        0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429)))
    )
    return np.sign(x) * (1 - series * np.exp(-x * x))


def softmax(scores: Floats) -> Floats:
    """Return the softmax over the last axis."""
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True), np.float32)


def _attend(q: Floats, k: Floats, v: Floats, heads: int, shared: int, causal: bool) -> Floats:
    """Return (tokens, heads * depth) for q of that shape, k and v of (tokens, shared * depth)."""
    count = len(q)
    depth = q.shape[1] // heads
    split_q = q.reshape(count, shared, heads // shared, depth)
    split_k, split_v = (x.reshape(count, shared, depth) for x in (k, v))
    scores = np.einsum("tgrd,sgd->grts", split_q, split_k, optimize=True) / math.sqrt(depth)
    if causal:
        scores = np.where(np.tri(count, dtype=bool), scores, -np.inf)
    mixed = np.einsum("grts,sgd->tgrd", softmax(scores), split_v, optimize=True)
    return np.asarray(mixed.reshape(count, -1), np.float32)


def _layer_norm(x: Floats, weight: Floats, bias: Floats, epsilon: float) -> Floats:
    centred = x - x.mean(-1, keepdims=True)
    deviation = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(epsilon))
    return np.asarray(centred / deviation * weight + bias, np.float32)


def _bert(checkpoint: Checkpoint, s: BertSettings, tokens: Tokens, observe: Observe) -> Floats:
    t = checkpoint.tensors
    act = activation(s.activation)

    def linear(name: str, x: Floats) -> Floats:
        return np.asarray(x @ t[f"{name}.weight"].T + t[f"{name}.bias"], np.float32)

    def norm(name: str, x: Floats) -> Floats:
        return _layer_norm(x, t[f"{name}.weight"], t[f"{name}.bias"], s.epsilon)

    x = (
        t["embeddings.word_embeddings.weight"][tokens]
        + t["embeddings.position_embeddings.weight"][: len(tokens)]
        + t["embeddings.token_type_embeddings.weight"][0]
    )
    observe("embedding", x)
    x = norm("embeddings.LayerNorm", x)
    for layer in range(s.layers):
        at = f"encoder.layer.{layer}."
        observe(f"{layer}.input", x)
        q, k, v = (linear(f"{at}attention.self.{n}", x) for n in ("query", "key", "value"))
        for name, value in (("query", q), ("key", k), ("value", v)):
            observe(f"{layer}.{name}", value)
        mixed = _attend(q, k, v, s.heads, s.heads, causal=False)
        observe(f"{layer}.mixed", mixed)
        total = linear(f"{at}attention.output.dense", mixed) + x
        observe(f"{layer}.attended", total)
        x = norm(f"{at}attention.output.LayerNorm", total)
        observe(f"{layer}.middle", x)
        hidden = linear(f"{at}intermediate.dense", x)
        observe(f"{layer}.hidden", hidden)
        hidden = np.asarray(act(hidden), np.float32)
        observe(f"{layer}.active", hidden)
        total = linear(f"{at}output.dense", hidden) + x
        observe(f"{layer}.fed", total)
        x = norm(f"{at}output.LayerNorm", total)
    observe("states", x)
    return x


def rotation(s: LlamaSettings, count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return cos and sin, float64 (count, depth / 2), of the first positions."""
    frequency = s.base ** -(np.arange(0, s.depth, 2, dtype=np.float64) / s.depth)
    angle = np.arange(count, dtype=np.float64)[:, None] * frequency
    return np.cos(angle), np.sin(angle)


def _turned(x: Floats, cos: NDArray[np.float64], sin: NDArray[np.float64]) -> Floats:
    half = cos.shape[1]
    split = x.reshape(len(x), -1, 2, half)
    first, second = split[:, :, 0], split[:, :, 1]
    c, s = cos[:, None].astype(np.float32), sin[:, None].astype(np.float32)
    turned = np.stack((first * c - second * s, first * s + second * c), axis=2)
    return turned.reshape(x.shape)


def _llama(checkpoint: Checkpoint, s: LlamaSettings, tokens: Tokens, observe: Observe) -> Floats:
    t = checkpoint.tensors
    cos, sin = rotation(s, len(tokens))

    def norm(name: str, x: Floats) -> Floats:
        root = np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(s.epsilon))
        return np.asarray(x / root * t[name], np.float32)

    x = t["token_embd.weight"][tokens]
    observe("embedding", x)
    for layer in range(s.layers):
        at = f"blk.{layer}."
        normal = norm(f"{at}attn_norm.weight", x)
        observe(f"{layer}.normal", normal)
        q, k, v = (normal @ t[f"{at}attn_{name}.weight"].T for name in "qkv")
        q, k = _turned(q, cos, sin), _turned(k, cos, sin)
        for name, value in (("query", q), ("key", k), ("value", v)):
            observe(f"{layer}.{name}", value)
        mixed = _attend(q, k, v, s.heads, s.shared_heads, causal=True)
        observe(f"{layer}.mixed", mixed)
        x = x + mixed @ t[f"{at}attn_output.weight"].T
        observe(f"{layer}.attended", x)
        normal = norm(f"{at}ffn_norm.weight", x)
        observe(f"{layer}.middle", normal)
        gate, up = normal @ t[f"{at}ffn_gate.weight"].T, normal @ t[f"{at}ffn_up.weight"].T
        observe(f"{layer}.gate", gate)
        observe(f"{layer}.up", up)
        product = np.asarray(FUNCTIONS["silu"](gate, 0.0) * up, np.float32)
        observe(f"{layer}.product", product)
        x = x + product @ t[f"{at}ffn_down.weight"].T
        observe(f"{layer}.fed", x)
    normal = norm("output_norm.weight", x)
    observe("states", normal)
    logits = normal @ t.get("output.weight", t["token_embd.weight"]).T
    observe("logits", logits)
    return np.asarray(logits, np.float32)
