"""Tiles of products equal plain sums at every edge, on the instructions of each target."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from ai_ops.backends.numba_backend import NO_TILES, NumbaBackend, compile_loop, source_of
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.backends.selftest_case import rescaled
from ai_ops.dtype import Array, DType
from ai_ops.graph import Node, TensorType, Value
from ai_ops.operators import OPERATORS, make_node

TARGETS = {  # numba's name of a processor: (its features, width of its tiles)
    "nehalem": ("+sse2,+sse4.2,+popcnt", 0),
    "haswell": ("+sse2,+sse4.2,+popcnt,+avx,+avx2,+bmi,+bmi2,+lzcnt,+fma", 256),
}
PROCESSOR = Path("/proc/cpuinfo")
HAS_AVX2 = PROCESSOR.exists() and "avx2" in PROCESSOR.read_text()
X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="tiles are x86 instructions")


@pytest.fixture(scope="module")
def backend() -> NumbaBackend:
    return NumbaBackend(compile_loop)


def value_of(array: Array, dtype: DType) -> Value:
    return Value(
        type=TensorType(dtype=dtype, shape=array.shape),
        minimum=int(array.min()),
        maximum=int(array.max()),
    )


def compare(
    backend: NumbaBackend, node: Node, arrays: tuple[Array, ...], dtypes: tuple[DType, ...]
) -> None:
    values = tuple(value_of(a, d) for a, d in zip(arrays, dtypes, strict=True))
    outputs = OPERATORS[node.operator].infer(node, values)
    weights = {len(arrays) - 1: arrays[-1]}
    kernel = backend.prepare(node, values, outputs, weights)
    (got,) = kernel(arrays)
    (want,) = ReferenceBackend().prepare(node, values, outputs, weights)(arrays)
    assert got.dtype == want.dtype
    assert np.array_equal(got, want), (node, arrays[0].shape, arrays[-1].shape)


def drawn(random: np.random.Generator, dtype: DType, shape: tuple[int, ...]) -> Array:
    """Draw elements, half of them an end of the range: the worst sums."""
    low, high = dtype.minimum, dtype.maximum
    some = random.integers(low, high, shape, endpoint=True)
    ends = random.choice([low, high], shape)
    return np.where(random.random(shape) < 0.5, ends, some).astype(dtype.numpy)


@pytest.mark.parametrize("x", [DType.I8, DType.U8, DType.I16])
@pytest.mark.parametrize("out", [DType.I8, DType.U8, DType.I16, DType.I32])
def test_products_of_every_edge(backend: NumbaBackend, x: DType, out: DType) -> None:
    seed = int(os.environ.get("ENGRAM_SEED", "31"))
    print(f"ENGRAM_SEED={seed}")
    random = np.random.default_rng(seed)
    for rows, units in ((1, 1), (1, 33), (2, 16), (7, 17), (8, 32), (9, 15), (33, 48)):
        for depth in (1, 2, 3, 4, 5, 15, 16, 17, 64, 71):
            node = make_node(
                "GEMM", (0, 1), bias=tuple(range(-3, units - 3)), **rescaled(units, 40, out)
            )
            arrays = drawn(random, x, (rows, depth)), drawn(random, DType.I8, (units, depth))
            compare(backend, node, arrays, (x, DType.I8))


@pytest.mark.parametrize("x", [DType.I8, DType.U8, DType.I16])
def test_windows_of_every_edge(backend: NumbaBackend, x: DType) -> None:
    seed = int(os.environ.get("ENGRAM_SEED", "32"))
    print(f"ENGRAM_SEED={seed}")
    random = np.random.default_rng(seed)
    for _ in range(150):
        channels, filters = (int(n) for n in random.integers(1, 20, 2))
        kernel, strides, dilations = (random.integers(1, 4, 2) for _ in range(3))
        reach = (kernel - 1) * dilations + 1
        size = reach + random.integers(0, 9, 2)
        padding = [int(random.integers(0, reach[i % 2])) for i in range(4)]
        node = make_node(
            "CONV2D",
            (0, 1),
            strides=tuple(strides.tolist()),
            padding=tuple(padding),
            dilations=tuple(dilations.tolist()),
            groups=1,
            bias=(),
            **rescaled(filters, 40, DType.I8),
        )
        image = drawn(random, x, (int(random.integers(1, 3)), *size.tolist(), channels))
        w = drawn(random, DType.I8, (filters, *kernel.tolist(), channels))
        compare(backend, node, (image, w), (x, DType.I8))


def run_for(target: Mapping[str, str], *command: str) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | target,
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout


@X86
@pytest.mark.parametrize("name", TARGETS)
def test_the_target_chooses_the_instructions_not_this_machine(name: str) -> None:
    features, width = TARGETS[name]
    target = {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    code = "from ai_ops.backends.tile_code import tile_width; print(tile_width())"
    assert run_for(target, "-c", code) == f"{width}\n"


@X86
@pytest.mark.skipif(not HAS_AVX2, reason="no AVX2 here")
def test_tiles_of_avx2_equal_plain_sums(tmp_path: Path) -> None:
    target = {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": TARGETS["haswell"][0],
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    assert "15 passed" in run_for(target, "-m", "pytest", "-q", __file__, "-k", "edge")


def test_there_are_no_tiles_where_nothing_is_compiled() -> None:
    assert NumbaBackend(source_of).tiles == NO_TILES
    code = (
        "from ai_ops.backends.numba_backend import NO_TILES, NumbaBackend;"
        "assert NumbaBackend().tiles == NO_TILES"
    )
    run_for({"NUMBA_DISABLE_JIT": "1"}, "-c", code)
