"""Zoo models beside PyTorch and ONNX Runtime, in one run on one thread.

`python -m benchmarks.peers --models build/models` times the models that the recipes of
examples/models wrote there (LeNet-5 comes with the repository; one that is missing is said to be)
and the float networks they came from. Networks of images are quantized for ONNX Runtime statically
(QDQ, 8 bits, per channel), the others dynamically, as its guide advises. Weights of the peers' own
networks are random: they do not change the time. All digests of ours are made. Needs the extra
`import` and the package onnxscript, with which PyTorch writes ONNX.
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import argparse
import importlib.metadata
import logging
import platform
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantType,
    quantize_dynamic,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import nn
from torch.nn import functional

from ai_ops.backends import select_backend
from ai_ops.errors import BackendFault
from ai_ops.executor import load
from ai_ops.model import decode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from benchmarks.inference import MODEL, cpu_name
from benchmarks.models import microseconds
from examples.digits.train import LeNet5
from examples.models.efficientnet_lite0 import EfficientNetLite0
from examples.models.resnet_digits import ResNet

TOKENS = 128
CONTEXT = 255
OURS = ("native", "native-avx2", "numba")
COLUMNS = (*OURS, "ort float", "ort int8", "torch float")


class Layer(nn.Module):
    """One layer of an encoder, or of a decoder that has keys and values of earlier tokens."""

    def __init__(self, width: int, inner: int, heads: int, shared: int, *, gated: bool) -> None:
        super().__init__()
        self.heads, self.shared, self.depth, self.gated = heads, shared, width // heads, gated
        self.q = nn.Linear(width, width, bias=not gated)
        self.k, self.v = (nn.Linear(width, shared * self.depth, bias=not gated) for _ in range(2))
        self.o = nn.Linear(width, width, bias=not gated)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.gate = nn.Linear(width, inner, bias=False) if gated else nn.Identity()
        norm = nn.RMSNorm if gated else nn.LayerNorm
        self.first, self.second = norm(width), norm(width)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        return x.view(x.shape[0], -1, self.depth).transpose(0, 1)

    def forward(self, x: torch.Tensor, *cache: torch.Tensor) -> torch.Tensor:
        h = self.first(x)
        q, k, v = self.split(self.q(h)), self.split(self.k(h)), self.split(self.v(h))
        if cache:
            turn = torch.ones(self.depth // 2)
            q, k = (
                torch.cat([t[..., : len(turn)] * turn, t[..., len(turn) :] * turn], -1)
                for t in (q, k)
            )
            k, v = torch.cat([cache[0], k], 1), torch.cat([cache[1], v], 1)
            k, v = (t.repeat_interleave(self.heads // self.shared, 0) for t in (k, v))
        mixed = functional.scaled_dot_product_attention(q[None], k[None], v[None])[0]
        x = x + self.o(mixed.transpose(0, 1).reshape(x.shape))
        h = self.second(x)
        if self.gated:
            return x + self.down(functional.silu(self.gate(h)) * self.up(h))
        return x + self.down(functional.gelu(self.up(h)))


class Transformer(nn.Module):
    """MiniLM-L6 (mean state of a text) or SmolLM2-135M (logits of one more token)."""

    def __init__(self, *, decoder: bool) -> None:
        super().__init__()
        width, inner, layers, words = (576, 1536, 30, 49_152) if decoder else (384, 1536, 6, 30_522)
        heads, shared = (9, 3) if decoder else (12, 12)
        self.decoder = decoder
        self.words = nn.Embedding(words, width)
        self.layers = nn.ModuleList(
            Layer(width, inner, heads, shared, gated=decoder) for _ in range(layers)
        )
        self.norm = nn.RMSNorm(width) if decoder else nn.LayerNorm(width)

    def forward(self, ids: torch.Tensor, *cache: torch.Tensor) -> torch.Tensor:
        x = self.words(ids)
        for at, layer in enumerate(self.layers):
            x = layer(x, *cache[2 * at : 2 * at + 2])
        x = self.norm(x)
        return x @ self.words.weight.T if self.decoder else x.mean(0)


def text(count: int) -> tuple[torch.Tensor, ...]:
    return (torch.randint(1_000, 20_000, (count,)),)


def image(*shape: int) -> tuple[torch.Tensor, ...]:
    return (torch.rand(1, *shape),)


NETWORKS: dict[
    str, tuple[str, Callable[[], nn.Module], Callable[[], tuple[torch.Tensor, ...]], int]
] = {
    "LeNet-5": ("", LeNet5, lambda: image(1, 28, 28), 1),
    "ResNet, digits": ("resnet_digits", ResNet, lambda: image(1, 28, 28), 1),
    "EfficientNet-Lite0": ("efficientnet_lite0", EfficientNetLite0, lambda: image(3, 224, 224), 1),
    "MiniLM, 128 tokens": (
        "minilm",
        lambda: Transformer(decoder=False),
        lambda: text(TOKENS),
        TOKENS,
    ),
    "SmolLM2, a token": (
        "smollm2_step",
        lambda: Transformer(decoder=True),
        lambda: (*text(1), *(torch.rand(3, CONTEXT, 64) for _ in range(60))),
        1,
    ),
}


def ours(file: Path, n: int) -> dict[str, Callable[[], object]]:
    """Return a run of the integer model on each backend of this machine."""
    data = file.read_bytes()
    model = decode_model(data)
    facts = validate(head_of(model), len(data), DEFAULT_LIMITS)
    random, parts = np.random.default_rng(0), []
    for port in model.manifest.inputs:
        low, high = port.minimum, port.maximum
        drawn = random.integers(low, high, port.type.elements(n), endpoint=True)
        parts.append(drawn.astype(port.dtype.numpy).tobytes())
    call, rows, results = b"".join(parts), {}, []
    for name in OURS:
        try:
            loaded = load(model, facts, select_backend(name))
        except BackendFault as fault:
            print(f"left out: {fault}")
            continue
        results.append(loaded.run(call, n))
        rows[name] = lambda loaded=loaded: loaded.run(call, n)
    assert all(result == results[0] for result in results)
    return rows


class Samples(CalibrationDataReader):
    """Eight random images."""

    def __init__(self, name: str, draw: Callable[[], tuple[torch.Tensor, ...]]) -> None:
        self.left = [{name: draw()[0].numpy()} for _ in range(8)]

    def get_next(self) -> dict[str, Any] | None:
        return self.left.pop() if self.left else None


def session(file: Path, inputs: tuple[torch.Tensor, ...]) -> Callable[[], object]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    ready = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    names = [entry.name for entry in ready.get_inputs()]
    feed = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
    return lambda: ready.run(None, feed)


def peers(
    module: nn.Module, draw: Callable[[], tuple[torch.Tensor, ...]]
) -> dict[str, Callable[[], object]]:
    """Return runs of the float network, and of ONNX Runtime's own 8-bit form of it."""
    inputs = draw()
    module.eval()
    with tempfile.TemporaryDirectory() as name, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(name)
        plain, ready, small = (folder / f"{n}.onnx" for n in ("plain", "ready", "small"))
        torch.onnx.export(module, inputs, plain, dynamo=True, verbose=False)
        if inputs[0].ndim == 4:
            quant_pre_process(plain, ready)
            first = onnxruntime.InferenceSession(ready).get_inputs()[0].name
            quantize_static(ready, small, Samples(first, draw), per_channel=True)
        else:
            quantize_dynamic(plain, small, per_channel=True, weight_type=QuantType.QInt8)
        return {
            "ort float": session(plain, inputs),
            "ort int8": session(small, inputs),
            "torch float": lambda: module(*inputs),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", type=Path, default=Path("build/models"))
    parser.add_argument("--network", action="append", choices=tuple(NETWORKS))
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    logging.disable(logging.WARNING)
    packages = ("numpy", "numba", "torch", "onnxruntime")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"{cpu_name()}, one thread, Python {platform.python_version()}, {versions}")
    print(f"{'milliseconds':<20}", *(f"{name:>12}" for name in COLUMNS))
    for name in options.network or NETWORKS:
        file, make, draw, n = NETWORKS[name]
        path = options.models / f"{file}.egm" if file else Path(MODEL)
        if not path.exists():
            print(
                f"{name:<20} left out: no {path}; run examples.models.{file.partition('_step')[0]}"
            )
            continue
        rows = {**ours(path, n), **peers(make(), draw)}
        times = microseconds(rows, options.rounds)
        figures = (
            f"{times[key] / 1_000:>12.3f}" if key in times else f"{'-':>12}" for key in COLUMNS
        )
        print(f"{name:<20}", *figures, flush=True)


if __name__ == "__main__":
    main()
