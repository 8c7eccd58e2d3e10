"""Small PyTorch networks, each with something that an importer gets wrong easily."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray


def networks() -> dict[str, tuple[Any, tuple[int, ...]]]:
    """Return networks in evaluation mode with the shape of one sample."""
    import torch
    from torch import nn

    class Flatten(nn.Module):  # type: ignore[misc]
        """Height, width and channels all differ: a wrong flatten order shows at once."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 5, (3, 2), stride=(2, 1), padding=(1, 0))
            self.dense = nn.Linear(5 * 4 * 10, 7)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.dense(torch.flatten(torch.relu(self.conv(image)), 1))
            return y

    class Residual(nn.Module):  # type: ignore[misc]
        """Batch norms to fold, a residual sum, ReLU after it, a stride-2 shortcut."""

        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Sequential(nn.Conv2d(4, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8))
            self.two = nn.Sequential(nn.Conv2d(8, 8, 3, 1, 1, bias=False), nn.BatchNorm2d(8))
            self.short = nn.Sequential(nn.Conv2d(4, 8, 1, 2, bias=False), nn.BatchNorm2d(8))
            self.head = nn.Linear(8, 6)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            y = self.two(torch.relu(self.one(image)))
            y = torch.relu(y + self.short(image))
            y = nn.functional.adaptive_avg_pool2d(y, 1).flatten(1)
            return torch.log_softmax(self.head(nn.functional.dropout(y, 0.3, self.training)), -1)

    class Mobile(nn.Module):  # type: ignore[misc]
        """Depthwise, ReLU6, Hardswish, squeeze and excitation, mean over the image."""

        def __init__(self) -> None:
            super().__init__()
            self.expand = nn.Sequential(nn.Conv2d(3, 16, 1), nn.BatchNorm2d(16), nn.ReLU6())
            self.depth = nn.Sequential(
                nn.Conv2d(16, 16, 3, 1, 1, groups=16), nn.BatchNorm2d(16), nn.Hardswish()
            )
            self.squeeze = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Conv2d(16, 4, 1),
                nn.ReLU(),
                nn.Conv2d(4, 16, 1),
                nn.Hardsigmoid(),
            )
            self.head = nn.Linear(16, 5)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            y = self.depth(self.expand(image))
            y = y * self.squeeze(y)
            out: torch.Tensor = self.head(y.mean((2, 3)))
            return out

    class Branches(nn.Module):  # type: ignore[misc]
        """Concat of branches with unlike ranges, pools of both kinds with padding, SiLU, GELU."""

        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Conv2d(2, 3, 3, padding=2, dilation=2)
            self.b = nn.Conv2d(2, 4, 1)
            self.c = nn.Conv2d(7, 6, 3, padding="same", groups=1)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            image = (image - 0.25) / 0.5
            left = nn.functional.silu(self.a(image))
            y = torch.cat([left, 5 * nn.functional.gelu(self.b(image))], 1)
            y = nn.functional.max_pool2d(y, 3, 2, 1, ceil_mode=True)
            y = nn.functional.avg_pool2d(y, 2, 2)
            return torch.tanh(self.c(y))

    class Perceptron(nn.Module):  # type: ignore[misc]
        """Dense layers only, batch norm between them, LeakyReLU, Sigmoid at the end."""

        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Linear(12, 32)
            self.norm = nn.BatchNorm1d(32)
            self.two = nn.Linear(32, 9, bias=False)

        def forward(self, features: torch.Tensor) -> torch.Tensor:
            y = nn.functional.leaky_relu(self.norm(self.one(features)), 0.2)
            return torch.sigmoid(self.two(y))

    class PoolFirst(nn.Module):  # type: ignore[misc]
        """ReLU after the pool, then a view and a transpose that must not be lost."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(2, 6, 3)
            self.dense = nn.Linear(6, 4)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            y = torch.relu(nn.functional.max_pool2d(self.conv(image), 2))
            y = y.view(-1, 6, 2 * 3).transpose(1, 2)
            out: torch.Tensor = self.dense(y)
            return out

    class Enlarge(nn.Module):  # type: ignore[misc]
        """An encoder and decoder: halves, transposed convolutions, nearest pixels, padding."""

        def __init__(self) -> None:
            super().__init__()
            self.down = nn.Conv2d(3, 8, 3, 2, 1)
            self.up = nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1)
            self.grouped = nn.ConvTranspose2d(4, 6, (2, 3), (2, 1), (0, 1), groups=2)
            self.mix = nn.Conv2d(12, 5, 3)
            self.scale = nn.Parameter(torch.rand(1, 5, 8, 11) + 0.5)

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            left, right = torch.relu(self.down(image)).chunk(2, 1)
            left = self.up(left)
            right = nn.functional.interpolate(self.grouped(right), scale_factor=(1, 2))
            y = torch.maximum(left, right)
            y = torch.cat([left - right, y], 1)
            y = nn.functional.pad(y[:, :, 1:, ::2], (2, 3, 1, 2), value=0.25)
            return self.mix(y)[:, :, :8] * self.scale

    class Tokens(nn.Module):  # type: ignore[misc]
        """One block of a transformer over a fixed length, then a mean and a sum."""

        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.LayerNorm(12), nn.LayerNorm(12)
            self.project = nn.Linear(12, 36)
            self.out = nn.Linear(12, 12)
            self.positions = nn.Parameter(torch.rand(1, 7, 12) - 0.5)
            self.wide, self.back = nn.Linear(12, 24), nn.Linear(24, 12)

        def forward(self, tokens: torch.Tensor) -> torch.Tensor:
            x = tokens + self.positions
            parts = self.project(self.first(x)).view(-1, 7, 3, 2, 6).unbind(2)
            query, key, value = (part.transpose(1, 2) for part in parts)
            y = nn.functional.scaled_dot_product_attention(query, key, value)
            x = x + self.out(y.transpose(1, 2).reshape(-1, 7, 12))
            x = x + self.back(nn.functional.gelu(self.wide(self.last(x))))
            return torch.cat([x.mean(1), x.amax(1) + x[:, -1]], 1)

    class Recurrent(nn.Module):  # type: ignore[misc]
        """Two layers in both directions, a layer and two cells, from zeros and from states."""

        def __init__(self) -> None:
            super().__init__()
            self.lstm = nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)
            self.gru = nn.GRU(8, 5, batch_first=True)
            self.long, self.short = nn.LSTMCell(5, 4), nn.GRUCell(4, 4)

        def forward(self, series: torch.Tensor) -> torch.Tensor:
            y, last = self.gru(self.lstm(series)[0])
            hidden, cell = self.long(y[:, 0], self.long(y[:, -1]))
            return torch.cat([self.short(cell, self.short(hidden)), last[-1]], 1)

    torch.manual_seed(7)
    found: dict[str, tuple[Any, tuple[int, ...]]] = {
        "flatten": (Flatten(), (3, 8, 11)),
        "residual": (Residual(), (4, 12, 10)),
        "mobile": (Mobile(), (3, 9, 7)),
        "branches": (Branches(), (2, 12, 13)),
        "perceptron": (Perceptron(), (12,)),
        "pool_first": (PoolFirst(), (2, 6, 8)),
        "enlarge": (Enlarge(), (3, 9, 16)),
        "tokens": (Tokens(), (7, 12)),
        "recurrent": (Recurrent(), (4, 3)),
    }
    for module, _ in found.values():
        for part in module.modules():
            if isinstance(part, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(part.running_mean, -0.5, 0.5)
                nn.init.uniform_(part.running_var, 0.5, 2.0)
                nn.init.uniform_(part.weight, 0.5, 1.5)
                nn.init.uniform_(part.bias, -0.5, 0.5)
        module.eval()
    return found


def samples(shape: tuple[int, ...], count: int = 48) -> NDArray[Any]:
    """Return reproducible samples in -1..1."""
    import numpy as np

    return np.random.default_rng(3).uniform(-1, 1, (count, *shape)).astype(np.float32)


def export(module: Any, array: NDArray[Any], path: Path) -> Path:
    """Write a `.pt2` file with a symbolic batch."""
    import torch

    batch = torch.export.Dim("batch", min=1, max=512)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # recurrent layers flatten their weights when they run
        program = torch.export.export(
            module, (torch.tensor(array[:2]),), dynamic_shapes=({0: batch},)
        )
    torch.export.save(program, path)
    return path
