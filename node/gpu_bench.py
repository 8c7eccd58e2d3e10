"""Times of the gpu backend on a card: products beside cuBLAS, memory, digests, models."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.backends.gpu.backend import GpuBackend, Placed, SingleNode
from ai_ops.backends.gpu.cublas import CublasProduct
from ai_ops.dtype import Array, DType
from ai_ops.errors import BackendFault
from ai_ops.executor import Call, LoadedModel, load
from ai_ops.graph import Node, TensorType, Value
from ai_ops.operators import OPERATORS, make_node
from node.gpu_check import random_calls
from node.model_file import read_model

SIDE = 4_096
DEEP = 16_384
IMAGES, EDGE, CHANNELS = 32, 56, 64
BATCH = 64
TERA, GIGA = 10**12, 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table."""

    what: str
    figure: str
    detail: str = ""


def measurements(backend: object, models: Sequence[Path], seconds: float) -> Iterator[Row]:
    """Yield one row after another.

    Parameters
    ----------
    backend : GpuBackend
        On a card.
    models : sequence of Path
    seconds : float
        Each figure is the best of repetitions over this time.
    """
    assert isinstance(backend, GpuBackend)
    yield from square(backend, seconds)
    yield convolution(backend, seconds)
    yield one_row(backend, seconds)
    for path in models:
        yield from model(path, backend, seconds)


def best(work: Callable[[], None], wait: Callable[[], None], seconds: float) -> float:
    """Return the shortest time of one `work`, in seconds, over groups that wait once."""
    work()
    wait()
    start = time.perf_counter()
    work()
    wait()
    group = max(1, int(0.05 / max(time.perf_counter() - start, 1e-6)))
    shortest = float("inf")
    end = time.perf_counter() + seconds
    while True:
        start = time.perf_counter()
        for _ in range(group):
            work()
        wait()
        now = time.perf_counter()
        shortest = min(shortest, (now - start) / group)
        if now >= end:
            return shortest


def random_array(*shape: int) -> Array:
    """Draw i8 elements, the same ones every time."""
    return np.random.default_rng(20261124).integers(-128, 128, shape, np.int8)


def placed(backend: GpuBackend, node: Node, x: Array, w: Array) -> Placed:
    """Bring one node with a weight to the card."""
    values = tuple(
        Value(
            type=TensorType(dtype=DType.I8, shape=array.shape),
            minimum=DType.I8.minimum,
            maximum=DType.I8.maximum,
        )
        for array in (x, w)
    )
    outputs = OPERATORS[node.operator].infer(node, values)
    return SingleNode(backend.device, node, values, outputs, {1: w}).placed((x, w))


def dense(dtype: DType) -> Node:
    """Return a GEMM that hands its sums on as they are, clamped to `dtype`."""
    return make_node(
        "GEMM",
        (0, 1),
        bias=(),
        multipliers=(2**30,),
        shifts=(30,),
        dtype=dtype.code,
        minimum=dtype.minimum,
        maximum=dtype.maximum,
    )


def square(backend: GpuBackend, seconds: float) -> Iterator[Row]:
    """Time the large product, ours and cuBLAS's, and compare them element by element."""
    x, w = random_array(SIDE, SIDE), random_array(SIDE, SIDE)[::-1].copy()
    operations = 2 * SIDE**3
    ours = placed(backend, dense(DType.I8), x, w)
    own = operations / best(ours.launch, ours.wait, seconds)
    yield Row(
        what=f"GEMM {SIDE} x {SIDE} x {SIDE}, rescaled to i8", figure=f"{own / TERA:.0f} TOPS"
    )
    try:
        library = CublasProduct(SIDE, SIDE, SIDE)
    except BackendFault as fault:
        yield Row(what="cuBLAS gemmEx", figure="not here", detail=str(fault))
        return
    device, queue = backend.device, backend.device.queue()
    memories = [device.allocate(size * SIDE * SIDE) for size in (1, 1, 4)]
    for memory, array in zip(memories, (x, w), strict=False):
        queue.upload(memory.address, array.data.cast("B"))
    theirs = operations / best(lambda: library(*memories), library.wait, seconds)
    yield Row(
        what="the same by cuBLAS gemmEx, to i32",
        figure=f"{theirs / TERA:.0f} TOPS",
        detail=f"ours is {own / theirs:.0%} of it",
    )
    exact = placed(backend, dense(DType.I32), x, w)
    exact.launch()
    (y,) = exact.outputs
    same = exact.queue.download(y.place.address, y.size) == queue.download(
        memories[2].address, 4 * SIDE * SIDE
    )
    yield Row(
        what=f"both products, all {SIDE * SIDE:,} sums", figure="equal" if same else "DIFFERENT"
    )


def convolution(backend: GpuBackend, seconds: float) -> Row:
    """Time a convolution of a ResNet's first stage."""
    shape = (IMAGES, EDGE, EDGE, CHANNELS)
    node = make_node(
        "CONV2D",
        (0, 1),
        strides=(1, 1),
        padding=(1, 1, 1, 1),
        dilations=(1, 1),
        groups=1,
        bias=(),
        multipliers=(2**30,),
        shifts=(40,),
        dtype=DType.I8.code,
        minimum=DType.I8.minimum,
        maximum=DType.I8.maximum,
    )
    ours = placed(backend, node, random_array(*shape), random_array(CHANNELS, 3, 3, CHANNELS))
    operations = 2 * IMAGES * EDGE * EDGE * CHANNELS * 9 * CHANNELS
    figure = operations / best(ours.launch, ours.wait, seconds)
    what = f"CONV2D 3 x 3, {CHANNELS} to {CHANNELS}, {IMAGES} x {EDGE} x {EDGE}"
    return Row(what=what, figure=f"{figure / TERA:.0f} TOPS")


def one_row(backend: GpuBackend, seconds: float) -> Row:
    """Time a matrix times one row: how fast weights are read."""
    ours = placed(backend, dense(DType.I8), random_array(1, DEEP), random_array(DEEP, DEEP))
    rate = DEEP * DEEP / best(ours.launch, ours.wait, seconds)
    return Row(
        what=f"GEMM 1 x {DEEP} x {DEEP}", figure=f"{rate / GIGA:.0f} GB/s", detail="of weights"
    )


def model(path: Path, backend: GpuBackend, seconds: float) -> Iterator[Row]:
    """Time a model call by call and in batches, digests and copies included, beside `cpu`."""
    file = read_model(path)
    calls = random_calls(file, BATCH)
    here = load(file.model, file.facts, backend)
    there = load(file.model, file.facts, select_backend("cpu"))
    if here.run_batch(calls[:2]) != there.run_batch(calls[:2]):
        yield Row(what=path.name, figure="DIFFERENT", detail="run `engram gpu check`")
        return
    slow = _single(there, calls[0], seconds)
    fast = _single(here, calls[0], seconds)
    yield Row(
        what=f"{path.name}, one call, n = {calls[0].n}",
        figure=f"{fast * 1000:.2f} ms",
        detail=f"cpu, one thread: {slow * 1000:.2f} ms ({slow / fast:.1f} times)",
    )
    each = best(lambda: _discard(here.run_batch(calls)), lambda: None, seconds) / len(calls)
    yield Row(
        what=f"{path.name}, batches of {BATCH}, per call",
        figure=f"{each * 1000:.2f} ms",
        detail=f"{slow / each:.1f} times cpu, one thread",
    )


def _single(loaded: LoadedModel, call: Call, seconds: float) -> float:
    return best(lambda: _discard(loaded.run(call.data, call.n)), lambda: None, seconds)


def _discard(result: object) -> None:
    del result
