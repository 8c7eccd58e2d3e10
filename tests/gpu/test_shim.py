"""The kernels' source on this processor: self test, vectors, whole models, batches.

The fuzz cases of every operator run on it too (tests/fuzz).
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

from ai_ops.backends.gpu import runner
from ai_ops.backends.gpu.device import NOWHERE, Launch, Place
from ai_ops.backends.gpu.job import Job, Tensor
from ai_ops.backends.gpu.lowering import LOWERINGS, ON_THE_HOST
from ai_ops.backends.gpu.products import FEW_TILES, TILES
from ai_ops.backends.gpu.schedule import prepared
from ai_ops.backends.gpu.source import FOLDER, PARTS
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.backends.selftest import check_backend
from ai_ops.dtype import DType
from ai_ops.errors import BackendFault
from ai_ops.executor import Call, Cancellation, Cancelled, load
from ai_ops.model import encode_model, head_of
from ai_ops.operators import OPERATORS, make_node
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.ai_ops.random_graphs import UNITS, random_input, random_model
from tests.fuzz.cases import make_case
from tests.fuzz.check import difference, expected_of
from tests.gpu.shim_device import COMPILER, ShimBackend, ShimDevice, ShimQueue

if COMPILER is None:
    pytest.skip("no C compiler: the kernels' source is not run", allow_module_level=True)

MODELS = 5_000 if os.environ.get("ENGRAM_LONG") == "1" else 40
FIRST_SEED = int(os.environ.get("ENGRAM_SEED", "20261124"))


@pytest.fixture
def backend() -> ShimBackend:
    return ShimBackend()


def test_every_part_of_the_source_is_compiled() -> None:
    assert sorted(PARTS) == sorted(path.name for path in Path(FOLDER).iterdir())


@pytest.mark.parametrize("tile", TILES)
def test_the_self_test_passes(tile: int) -> None:
    backend = ShimBackend(tile=tile)
    check_backend(backend)
    reached = set(backend.shim.launches)
    # The self test is worth its time only if it reaches each way to multiply.
    ways = {f"product_rows_{tile}", f"product_patches_{tile}", f"product_dynamic_rows_{tile}"}
    ways |= {
        "product_strided_64",
        "product_halves_64",
        "product_pixels_64",
        "product_any",
        "attend",
    }
    ways |= {"narrow_one", "narrow_dynamic_four", "convolve_depthwise", "convolve_grouped"}
    assert ways <= reached


def test_tiles_are_large_where_there_are_many() -> None:
    def kernel_of(rows: int) -> str:
        x = Tensor(dtype=DType.I8, shape=(rows, 64), locate=lambda: NOWHERE)
        w = Tensor(dtype=DType.I8, shape=(256, 64), locate=lambda: NOWHERE)
        y = Tensor(dtype=DType.I8, shape=(rows, 256), locate=lambda: NOWHERE)
        node = make_node(
            "GEMM",
            (0, 1),
            bias=(),
            multipliers=(1,),
            shifts=(1,),
            dtype=1,
            minimum=-128,
            maximum=127,
        )
        job = Job(
            node=node,
            values=(),
            inputs=(x, w),
            outputs=(y,),
            weights={},
            keep=lambda _, make: Place(address=make().size),
            keep_here=lambda _, make: Place(address=make().size),
        )
        (launch,) = LOWERINGS["GEMM"](job)
        return launch.kernel

    assert kernel_of(128 * (FEW_TILES // 2)) == "product_rows_128"
    assert kernel_of(128 * (FEW_TILES // 2 - 1)) == "product_rows_64"


@pytest.mark.parametrize("operator", ["GEMM", "CONV2D"])
def test_large_tiles_on_fuzz_cases(operator: str) -> None:
    """The fuzz cases elsewhere are small and take small tiles."""
    backend = ShimBackend(tile=128)
    for index in range(150):
        case = make_case(operator, FIRST_SEED, index)
        assert difference(case, backend, expected_of(case)) is None, f"case {index}"
    assert any(name.endswith("_128") for name in backend.shim.launches)


def drawn(seed: int) -> tuple[Any, Any, list[Call]]:
    model = random_model(seed)
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    random = Random(seed)
    calls = []
    for _ in range(3):
        n = random.randint(1, UNITS) if facts.symbolic else 1
        calls.append(Call(data=random_input(model, n, random), n=n))
    return model, facts, calls


def test_random_models_alone_in_batches_and_replayed(backend: ShimBackend) -> None:
    for seed in range(FIRST_SEED, FIRST_SEED + MODELS):
        model, facts, calls = drawn(seed)
        try:
            expected = load(model, facts, ReferenceBackend()).run_batch(calls)
            loaded = load(model, facts, backend)
            assert loaded.run_batch(calls) == expected
            for _ in range(2):
                for call, want in zip(calls, expected, strict=True):
                    assert loaded.run(call.data, call.n) == want
        except BaseException:
            print(f"failing seed: ENGRAM_SEED={seed}")
            raise
    assert backend.shim.replays > MODELS // 4
    backend.shim.check()


def test_a_missing_kernel_runs_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONV2D", "ADD", "TRANSPOSE"):
        monkeypatch.delitem(LOWERINGS, name)
    for seed in range(5):
        model, facts, calls = drawn(seed)
        expected = load(model, facts, ReferenceBackend()).run_batch(calls)
        assert load(model, facts, ShimBackend()).run_batch(calls) == expected


def test_the_least_recently_used_model_goes(backend: ShimBackend) -> None:
    loaded = []
    for seed in (1, 2, 3):
        model, facts, calls = drawn(seed)
        loaded.append((load(model, facts, backend), calls[0]))
    sizes = []
    for one, call in loaded:
        before = backend.cache.bytes
        one.run(call.data, call.n)
        sizes.append(backend.cache.bytes - before)
    backend.cache.capacity = sum(sizes) - 1
    first, call = loaded[0]
    want = first.run(call.data, call.n)
    # The first model was used last; the second is the oldest.
    assert backend.cache.trim(first.runner)
    assert backend.cache.bytes == sizes[0] + sizes[2]
    assert loaded[1][0].run(loaded[1][1].data, loaded[1][1].n) is not None
    assert first.run(call.data, call.n) == want
    assert backend.cache.bytes <= backend.cache.capacity


def test_a_model_larger_than_the_bound_is_a_fault(backend: ShimBackend) -> None:
    model, facts, calls = drawn(4)
    backend.cache.capacity = 100
    with pytest.raises(BackendFault, match="100 are allowed"):
        load(model, facts, backend).run(calls[0].data, calls[0].n)


def symbolic_model() -> tuple[Any, Any]:
    for seed in range(1_000):
        model, facts, _ = drawn(seed)
        if facts.symbolic:
            return model, facts
    raise AssertionError("no symbolic model among 1,000")


def test_many_shapes_of_one_model_keep_a_bounded_number_of_plans(
    monkeypatch: pytest.MonkeyPatch, backend: ShimBackend
) -> None:
    monkeypatch.setattr(runner, "MOST_IDLE", 2)
    model, facts = symbolic_model()
    loaded = load(model, facts, backend)
    expected = load(model, facts, ReferenceBackend())
    random = Random(1)
    sizes = []
    for n in (1, 2, 3, 1, 2, 3):
        data = random_input(model, n, random)
        assert loaded.run(data, n) == expected.run(data, n)
        sizes.append(backend.cache.bytes)
    assert sizes[4] == sizes[1]  # n = 1 and 2 again: what n = 3 took is given back
    # And where only one shape fits, the others go.
    backend.cache.capacity = sizes[1] - 1
    for n in (1, 2, 3):
        data = random_input(model, n, random)
        assert loaded.run(data, n) == expected.run(data, n)
        assert backend.cache.bytes <= backend.cache.capacity


def test_threads_share_a_model(backend: ShimBackend) -> None:
    model, facts, calls = drawn(6)
    expected = load(model, facts, ReferenceBackend()).run_batch(calls)
    loaded = load(model, facts, backend)

    def work(at: int) -> bool:
        call = calls[at % len(calls)]
        return loaded.run(call.data, call.n) == expected[at % len(calls)]

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(40)))


def test_a_lost_device_is_a_fault_and_leaves_nothing_counted(
    backend: ShimBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, facts, calls = drawn(7)
    loaded = load(model, facts, backend)
    want = loaded.run(calls[0].data, calls[0].n)
    before = backend.cache.bytes

    def lost(*_: object) -> None:
        raise RuntimeError("the card fell off the bus")

    with monkeypatch.context() as patch:
        patch.setattr(ShimQueue, "launch", lost)
        with pytest.raises(BackendFault, match="fell off"):
            loaded.run(calls[0].data, calls[0].n)
    assert backend.cache.bytes < before
    assert loaded.run(calls[0].data, calls[0].n) == want
    assert backend.cache.bytes == before


def test_a_run_can_be_cancelled(backend: ShimBackend) -> None:
    model, facts, calls = drawn(5)
    cancellation = Cancellation()
    cancellation.cancel()
    loaded = load(model, facts, backend)
    with pytest.raises(Cancelled):
        loaded.run(calls[0].data, calls[0].n, cancellation)
    assert loaded.run(calls[0].data, calls[0].n) is not None


@pytest.mark.parametrize("size", [0, 1, 3, 4, 63, 64, 65, 1023, 1024, 1025, 2049, 9 * 1024, 70_001])
@pytest.mark.parametrize("header", [11, 28, 40])
def test_blake3(size: int, header: int) -> None:
    """Two results behind a header of any length against the BLAKE3 package."""
    device = ShimDevice()
    queue = device.queue()
    data = blake3(size.to_bytes(4, "little")).digest(length=header + 2 * size + 3)
    total = header + 2 * size + 3
    chunks = -(-total // 1024)
    head, first, second = (device.allocate(max(n, 4)) for n in (header, size, size + 3))
    values, table, digest = device.allocate(32 * chunks), device.allocate(8), device.allocate(32)
    queue.upload(head.address, data[:header])
    queue.upload(first.address, data[header : header + size])
    queue.upload(second.address, data[header + size :])
    queue.upload(table.address, np.array([0, chunks], np.int32).tobytes())
    places = [Place(address=memory.address) for memory in (head, first, second)]
    nowhere = [Place(address=0)] * 6
    hashing = Launch(
        kernel="hash_chunks",
        blocks=-(-chunks // 128),
        threads=128,
        pointers=(*places, *nowhere, Place(address=values.address)),
        integers=(chunks, 0, header, 2, size, size + 3, *(0,) * 6, 0),
    )
    joining = Launch(
        kernel="hash_parents",
        blocks=1,
        threads=128,
        pointers=tuple(Place(address=memory.address) for memory in (table, values, digest)),
        integers=(),
    )
    for work in prepared([hashing, joining], 0):
        queue.launch(work, 1)  # type: ignore[arg-type]
    assert queue.download(digest.address, 32) == blake3(data).digest()


def test_the_shim_names_a_barrier_that_not_all_threads_reach() -> None:
    """The stand-in must notice what would hang a card."""
    device = ShimDevice()
    launch = Launch(kernel="shim_bad_barrier", blocks=1, threads=64, pointers=(), integers=())
    (work,) = prepared([launch], 0)
    with pytest.raises(BackendFault, match="33 of 64 threads reached a barrier"):
        device.queue().launch(work, 1)  # type: ignore[arg-type]


def test_every_operator_has_a_kernel_or_is_listed_as_left_to_the_host() -> None:
    assert set(LOWERINGS) | set(ON_THE_HOST) >= set(OPERATORS)
    assert not set(LOWERINGS) & set(ON_THE_HOST)
