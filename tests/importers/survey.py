"""Try to import well-known networks from both frameworks, and say what came of it.

Run by hand, ``python -m tests.importers.survey``, it prints the table "Networks tried" of the
guide. ``--torchvision`` tries that package's own networks, at full size, when it is installed.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai_ops.importers.convert import import_network
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.lowering import Options
from tests.importers.image_networks import CLASSES, IMAGE, image_networks
from tests.importers.test_transformers import CASES, export, tokens

SAMPLES = 24
TORCHVISION = (
    *("alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5"),
    *("mobilenet_v2", "mobilenet_v3_small", "regnet_y_400mf", "resnet18", "resnet50"),
    *("shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "vgg11_bn", "vit_b_16"),
)
Arrays = dict[str, NDArray[Any]]


def series_networks() -> dict[str, Callable[[], Any]]:
    """Return makers of classifiers of series of the shape (12, 5)."""
    import torch
    from torch import nn

    class Recurrent(nn.Module):  # type: ignore[misc]
        def __init__(self, kind: type[Any]) -> None:
            super().__init__()
            self.layer = kind(5, 16, batch_first=True)
            self.head = nn.Linear(16, CLASSES)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.head(self.layer(x)[0][:, -1])
            return y

    return {
        "LSTM classifier": lambda: Recurrent(nn.LSTM),
        "GRU classifier": lambda: Recurrent(nn.GRU),
    }


def networks() -> Iterator[tuple[str, Callable[[], Any], Arrays]]:
    """Yield each network's name, what makes it, and samples for it."""
    generator = np.random.default_rng(1)

    def normal(*shape: int) -> Arrays:
        return {"x": generator.normal(0, 1, (SAMPLES, *shape)).astype(np.float32)}

    for name, make in image_networks().items():
        yield name, make, normal(*IMAGE)
    for name, make in series_networks().items():
        yield name, make, normal(12, 5)
    for name, (make, masked) in CASES.items():
        yield f"transformer: {name}", make, tokens(masked)


def ready(make: Callable[[], Any]) -> Any:
    """Make a network with reproducible weights and statistics, in evaluation mode."""
    import torch
    from torch import nn

    torch.manual_seed(7)
    module = make()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.uniform_(part.running_mean, -0.2, 0.2)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return module.eval()


def outcome(module: Any, arrays: Arrays, ending: str) -> str:
    """Return the mean and lowest cosine of an import, or the sentence that refuses it."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / f"network.{ending}"
        try:
            export(module, arrays, path, symbolic=True)
        except Exception as error:  # noqa: BLE001 - the exporters raise errors of many types
            return f"not exported: {str(error).strip().splitlines()[0][:80]}"
        try:
            report = import_network(path, arrays, Options(name="survey")).report
        except ImportRefused as error:
            return f"refused: {error}"
    disagrees = [note for note in report.notes if "DISAGREES" in note]
    output = report.outputs[0]
    return disagrees[0] if disagrees else f"{output.cosine_mean:.4f} ({output.cosine_minimum:.4f})"


def main() -> None:
    """Print one row for each network."""
    parser = argparse.ArgumentParser(description="Try to import well-known networks.")
    parser.add_argument("--torchvision", action="store_true", help="try that package's networks")
    tried = networks()
    if parser.parse_args().torchvision:
        tried = _torchvision()
    print("| network | PyTorch | ONNX |\n| --- | --- | --- |")
    for name, make, arrays in tried:
        module = ready(make)
        results = [outcome(module, arrays, ending) for ending in ("pt2", "onnx")]
        print(f"| {name} | {' | '.join(results)} |", flush=True)


def _torchvision() -> Iterator[tuple[str, Callable[[], Any], Arrays]]:
    models = importlib.import_module("torchvision.models")
    x = np.random.default_rng(1).normal(0, 1, (4, 3, 224, 224)).astype(np.float32)
    for name in TORCHVISION:
        more = {"init_weights": True, "aux_logits": False} if name == "googlenet" else {}
        yield name, partial(getattr(models, name), weights=None, **more), {"x": x}


if __name__ == "__main__":
    main()
