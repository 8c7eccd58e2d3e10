"""The blocks of well-known image networks at small width, with random weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

IMAGE = (3, 32, 32)
CLASSES = 10


def image_networks() -> dict[str, Callable[[], Any]]:
    """Return makers of modules that take images of the shape `IMAGE`."""
    import torch
    from torch import nn

    functional = nn.functional

    def conv(i: int, o: int, size: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
        layer = nn.Conv2d(i, o, size, stride, size // 2, groups=groups, bias=False)
        return nn.Sequential(layer, nn.BatchNorm2d(o))

    def head(width: int) -> nn.Sequential:
        return nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(width, CLASSES)
        )

    class Squeeze(nn.Module):  # type: ignore[misc]
        def __init__(self, width: int, gate: nn.Module) -> None:
            super().__init__()
            self.down, self.up, self.gate = nn.Conv2d(width, 4, 1), nn.Conv2d(4, width, 1), gate

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.up(torch.relu(self.down(functional.adaptive_avg_pool2d(x, 1))))
            return x * self.gate(y)

    class Sum(nn.Module):  # type: ignore[misc]
        """A block added to what it reads, or to a shortcut of that."""

        def __init__(self, block: nn.Module, short: nn.Module | None = None) -> None:
            super().__init__()
            self.block, self.short = block, short or nn.Identity()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.short(x) + self.block(x)
            return y

    def inverted(width: int, out: int, act: Callable[[], nn.Module], *more: nn.Module) -> nn.Module:
        block = nn.Sequential(
            *(conv(width, 3 * width, 1), act(), conv(3 * width, 3 * width, 3, 1, 3 * width)),
            *(act(), *more, conv(3 * width, out, 1)),
        )
        return Sum(block) if width == out else block

    def basic(i: int, o: int, stride: int) -> nn.Module:
        short = None if i == o else conv(i, o, 1, stride)
        block = nn.Sequential(conv(i, o, 3, stride), nn.ReLU(inplace=True), conv(o, o))
        return nn.Sequential(Sum(block, short), nn.ReLU(inplace=True))

    def bottleneck(i: int, o: int, stride: int) -> nn.Module:
        block = nn.Sequential(
            *(conv(i, o // 4, 1), nn.ReLU(inplace=True), conv(o // 4, o // 4, 3, stride)),
            *(nn.ReLU(inplace=True), conv(o // 4, o, 1)),
        )
        short = None if i == o and stride == 1 else conv(i, o, 1, stride)
        return nn.Sequential(Sum(block, short), nn.ReLU(inplace=True))

    class Shuffle(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.branch = nn.Sequential(
                *(conv(8, 8, 1), nn.ReLU(), conv(8, 8, 3, 1, 8), conv(8, 8, 1), nn.ReLU())
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            left, right = x.chunk(2, 1)
            y = torch.cat([left, self.branch(right)], 1)
            count, channels, height, width = y.shape
            y = y.view(count, 2, channels // 2, height, width).transpose(1, 2)
            return y.reshape(count, channels, height, width)

    class Dense(nn.Module):  # type: ignore[misc]
        def __init__(self, width: int) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                nn.Sequential(nn.BatchNorm2d(n), nn.ReLU(), nn.Conv2d(n, 8, 3, 1, 1))
                for n in (width, width + 8, width + 16)
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.layers:
                x = torch.cat([x, layer(x)], 1)
            return x

    class Fire(nn.Module):  # type: ignore[misc]
        def __init__(self, i: int, o: int) -> None:
            super().__init__()
            self.squeeze = nn.Conv2d(i, o // 4, 1)
            self.one, self.three = nn.Conv2d(o // 4, o, 1), nn.Conv2d(o // 4, o, 3, 1, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = torch.relu(self.squeeze(x))
            return torch.cat([torch.relu(self.one(y)), torch.relu(self.three(y))], 1)

    class UNet(nn.Module):  # type: ignore[misc]
        def __init__(self, mode: str) -> None:
            super().__init__()
            self.mode = mode
            self.first = nn.Sequential(conv(3, 8), nn.ReLU())
            self.down = nn.Sequential(nn.MaxPool2d(2), conv(8, 16), nn.ReLU())
            self.up = nn.ConvTranspose2d(16, 8, 2, 2)
            self.thin = nn.Conv2d(16, 8, 1)
            self.last = nn.Sequential(conv(16, 8), nn.ReLU(), nn.Conv2d(8, 2, 1))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = self.first(x)
            deep = self.down(first)
            if self.mode == "transposed":
                deep = self.up(deep)
            else:
                deep = self.thin(functional.interpolate(deep, scale_factor=2, mode=self.mode))
            y: torch.Tensor = self.last(torch.cat([first, deep], 1))
            return y

    class ConvNext(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.depth, self.norm = nn.Conv2d(16, 16, 7, 1, 3, groups=16), nn.LayerNorm(16)
            self.wide, self.back = nn.Linear(16, 64), nn.Linear(64, 16)
            self.scale = nn.Parameter(torch.full((16,), 0.5))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.norm(self.depth(x).permute(0, 2, 3, 1))
            y = self.scale * self.back(functional.gelu(self.wide(y)))
            return x + y.permute(0, 3, 1, 2)

    class Patches(nn.Module):  # type: ignore[misc]
        """Patches as tokens, with or without a class token."""

        def __init__(self, body: nn.Module, token: bool) -> None:
            super().__init__()
            self.patch, self.body, self.norm = nn.Conv2d(3, 32, 8, 8), body, nn.LayerNorm(32)
            self.token = nn.Parameter(torch.randn(1, 1, 32)) if token else None
            self.places = nn.Parameter(torch.randn(1, 17 if token else 16, 32) / 4)
            self.head = nn.Linear(32, CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.patch(x).flatten(2).transpose(1, 2)
            if self.token is not None:
                y = torch.cat([self.token.expand(x.shape[0], -1, -1), y], 1)
            y = self.norm(self.body(y + self.places))
            out: torch.Tensor = self.head(y.mean(1) if self.token is None else y[:, 0])
            return out

    class Mixer(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.LayerNorm(32), nn.LayerNorm(32)
            self.tokens = nn.Sequential(nn.Linear(16, 24), nn.GELU(), nn.Linear(24, 16))
            self.channels = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = x + self.tokens(self.first(x).transpose(1, 2)).transpose(1, 2)
            y: torch.Tensor = x + self.channels(self.last(x))
            return y

    class Windows(nn.Module):  # type: ignore[misc]
        """Attention in shifted windows of 4 x 4 pixels, as in Swin."""

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.project, self.out = (
                nn.LayerNorm(16),
                nn.Linear(16, 48),
                nn.Linear(16, 16),
            )

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            count, channels, height, width = x.shape
            y = torch.roll(self.norm(x.permute(0, 2, 3, 1)), (-2, -2), (1, 2))
            y = y.view(count, height // 4, 4, width // 4, 4, channels).permute(0, 1, 3, 2, 4, 5)
            y = y.reshape(count * (height // 4) * (width // 4), 16, channels)
            parts = self.project(y).reshape(-1, 16, 3, 2, channels // 2).permute(2, 0, 3, 1, 4)
            y = functional.scaled_dot_product_attention(parts[0], parts[1], parts[2])
            y = self.out(y.transpose(1, 2).reshape(-1, 16, channels))
            y = y.view(count, height // 4, width // 4, 4, 4, channels).permute(0, 1, 3, 2, 4, 5)
            y = torch.roll(y.reshape(count, height, width, channels), (2, 2), (1, 2))
            return x + y.permute(0, 3, 1, 2)

    class Yolo(nn.Module):  # type: ignore[misc]
        """A neck with concatenation and the decoding of boxes in a grid."""

        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(conv(3, 16, 3, 4), nn.SiLU())
            self.down = nn.Sequential(conv(16, 16, 3, 2), nn.SiLU())
            self.detect = nn.Conv2d(32, 2 * 9, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = self.first(x)
            deep = functional.interpolate(self.down(first), scale_factor=2)
            y = self.detect(torch.cat([first, deep], 1)).view(-1, 2, 9, 8, 8).permute(0, 1, 3, 4, 2)
            rows, columns = torch.meshgrid(torch.arange(8), torch.arange(8), indexing="ij")
            grid = torch.stack([columns, rows], 2).view(1, 1, 8, 8, 2)
            y = y.sigmoid()
            centre = (y[..., :2] * 2 - 0.5 + grid) / 8
            return torch.cat([centre, (y[..., 2:4] * 2) ** 2 / 4, y[..., 4:]], -1).view(-1, 128, 9)

    def layers(width: int, *blocks: nn.Module) -> nn.Module:
        return nn.Sequential(conv(3, width, 3, 2), nn.ReLU(), *blocks)

    encoder = nn.TransformerEncoderLayer
    return {
        "MobileNetV2": lambda: nn.Sequential(
            *(conv(3, 8, 3, 2), nn.ReLU6(), inverted(8, 8, nn.ReLU6), inverted(8, 16, nn.ReLU6)),
            *(conv(16, 32, 1), nn.ReLU6(), head(32)),
        ),
        "MobileNetV3": lambda: nn.Sequential(
            *(conv(3, 8, 3, 2), nn.Hardswish()),
            inverted(8, 8, nn.Hardswish, Squeeze(24, nn.Hardsigmoid())),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 32), nn.Hardswish()),
            *(nn.Dropout(0.2, inplace=True), nn.Linear(32, CLASSES)),
        ),
        "EfficientNet": lambda: nn.Sequential(
            *(conv(3, 8, 3, 2), nn.SiLU(inplace=True)),
            inverted(8, 8, nn.SiLU, Squeeze(24, nn.Sigmoid())),
            head(8),
        ),
        "ResNet-18": lambda: layers(
            8, nn.MaxPool2d(3, 2, 1), basic(8, 8, 1), basic(8, 16, 2), head(16)
        ),
        "ResNet-50": lambda: layers(16, bottleneck(16, 32, 1), bottleneck(32, 64, 2), head(64)),
        "VGG": lambda: nn.Sequential(
            *(nn.Conv2d(3, 8, 3, 1, 1), nn.ReLU(True), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3, 1, 1)),
            *(nn.ReLU(True), nn.MaxPool2d(2), nn.AdaptiveAvgPool2d((4, 4)), nn.Flatten()),
            *(nn.Linear(256, 32), nn.ReLU(True), nn.Dropout(), nn.Linear(32, CLASSES)),
        ),
        "ShuffleNet": lambda: layers(16, Shuffle(), Shuffle(), head(16)),
        "DenseNet": lambda: layers(8, Dense(8), conv(32, 16, 1), nn.AvgPool2d(2), head(16)),
        "SqueezeNet": lambda: layers(
            16, Fire(16, 16), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(32, 16), head(32)
        ),
        "UNet, transposed": lambda: UNet("transposed"),
        "UNet, bilinear": lambda: UNet("bilinear"),
        "ConvNeXt": lambda: nn.Sequential(nn.Conv2d(3, 16, 4, 4), ConvNext(), ConvNext(), head(16)),
        "Vision Transformer": lambda: Patches(
            encoder(32, 4, 64, activation="gelu", batch_first=True, norm_first=True), token=True
        ),
        "MLP-Mixer": lambda: Patches(nn.Sequential(Mixer(), Mixer()), token=False),
        "Swin": lambda: nn.Sequential(nn.Conv2d(3, 16, 4, 4), Windows(), Windows(), head(16)),
        "YOLO head": Yolo,
    }
