"""Small transformers with random weights: an encoder and a decoder over token ids."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

WORDS, WIDTH, HEADS, LENGTH = 50, 32, 4, 10


def encoder(*, written_out: bool = False) -> Any:
    """Return a BERT-like encoder of two layers, which takes ids and perhaps their mask."""
    import torch
    from torch import nn

    class Attention(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.query, self.key, self.value, self.out = (nn.Linear(WIDTH, WIDTH) for _ in "qkvo")

        def forward(self, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
            def heads(y: torch.Tensor) -> torch.Tensor:
                return y.view(-1, LENGTH, HEADS, WIDTH // HEADS).transpose(1, 2)

            query, key, value = (heads(f(x)) for f in (self.query, self.key, self.value))
            if written_out:
                scores = query @ key.transpose(-1, -2) / math.sqrt(WIDTH // HEADS)
                scores = scores if bias is None else scores + bias
                y = torch.softmax(scores, -1) @ value
            else:
                y = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
            out: torch.Tensor = self.out(y.transpose(1, 2).reshape(-1, LENGTH, WIDTH))
            return out

    class Layer(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.attention = Attention()
            self.first, self.last = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.wide, self.back = nn.Linear(WIDTH, 64), nn.Linear(64, WIDTH)

        def forward(self, x: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
            x = self.first(x + self.attention(x, bias))
            y: torch.Tensor = self.last(x + self.back(nn.functional.gelu(self.wide(x))))
            return y

    class Encoder(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(WORDS, WIDTH), nn.Embedding(LENGTH, WIDTH)
            self.norm = nn.LayerNorm(WIDTH)
            self.layers = nn.ModuleList(Layer() for _ in range(2))
            self.pooler = nn.Linear(WIDTH, 12)

        def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            positions = torch.arange(ids.shape[1], device=ids.device)
            x = self.norm(self.words(ids) + self.places(positions))
            bias = None
            if mask is not None:
                bias = (1.0 - mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
            for layer in self.layers:
                x = layer(x, bias)
            y: torch.Tensor = torch.tanh(self.pooler(x[:, 0]))
            return y

    return _ready(Encoder())


def decoder() -> Any:
    """Return a GPT-like decoder of two layers: RMSNorm, rotary positions, a causal mask."""
    import torch
    from torch import nn

    half = WIDTH // HEADS // 2

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = (nn.Parameter(torch.rand(WIDTH) + 0.5) for _ in range(2))
            self.project = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
            self.out = nn.Linear(WIDTH, WIDTH, bias=False)
            self.wide, self.back = nn.Linear(WIDTH, 64), nn.Linear(64, WIDTH)
            self.register_buffer("seen", torch.tril(torch.ones(1, 1, 16, 16)))
            angles = torch.outer(torch.arange(16.0), 100 ** -(torch.arange(half) / half))
            self.register_buffer("cos", torch.cat([angles, angles], 1).cos())
            self.register_buffer("sin", torch.cat([angles, angles], 1).sin())

        def norm(self, x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
            return weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6))

        def turn(self, x: torch.Tensor) -> torch.Tensor:
            length = x.shape[2]
            turned = torch.cat([-x[..., half:], x[..., :half]], -1)
            return x * self.cos[:length] + turned * self.sin[:length]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            count, length, width = x.shape
            parts = self.project(self.norm(x, self.first)).split(width, 2)
            query, key, value = (
                part.view(count, length, HEADS, width // HEADS).transpose(1, 2) for part in parts
            )
            query, key = self.turn(query), self.turn(key)
            scores = (query @ key.transpose(-2, -1)) * (1.0 / math.sqrt(2 * half))
            scores = scores.masked_fill(self.seen[:, :, :length, :length] == 0, float("-inf"))
            y = (torch.softmax(scores, -1) @ value).transpose(1, 2)
            x = x + self.out(y.contiguous().view(count, length, width))
            wide = nn.functional.gelu(self.wide(self.norm(x, self.last)), approximate="tanh")
            out: torch.Tensor = x + self.back(wide)
            return out

    class Decoder(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(WORDS, WIDTH)
            self.blocks = nn.ModuleList(Block() for _ in range(2))
            self.norm = nn.LayerNorm(WIDTH)
            self.head = nn.Linear(WIDTH, WORDS, bias=False)

        def forward(self, ids: torch.Tensor) -> torch.Tensor:
            x = self.words(ids)
            for block in self.blocks:
                x = block(x)
            logits: torch.Tensor = self.head(self.norm(x))
            return logits

    return _ready(Decoder())


def framework_encoder() -> Any:
    """Return PyTorch's own encoder layers, which keep time first inside, with a padding mask."""
    from torch import nn

    class Encoder(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Embedding(WORDS, WIDTH)
            layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 64, batch_first=True)
            self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
            padding = None if mask is None else mask == 0
            y: torch.Tensor = self.layers(self.words(ids), src_key_padding_mask=padding).mean(1)
            return y

    return _ready(Encoder())


def _ready(module: Any) -> Any:
    """Give a module reproducible weights and put it in evaluation mode."""
    import torch

    generator = torch.Generator().manual_seed(11)
    with torch.no_grad():
        for name, value in module.named_parameters():
            if value.ndim > 1:
                value.normal_(0, 1.0 / math.sqrt(value.shape[-1]), generator=generator)
            elif "norm" not in name and "first" not in name and "last" not in name:
                value.normal_(0, 0.1, generator=generator)
    return module.eval()
