"""Every backend equals the reference, and a machine on which it does not never uses it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache

import numpy as np
import pytest

from ai_ops.backends import BACKENDS, CHOICES, select_backend
from ai_ops.backends.numba_backend import COMPILED, NumbaBackend, compile_loop, source_of
from ai_ops.backends.selftest import check_backend
from ai_ops.backends.site import Loop
from ai_ops.errors import BackendFault
from ai_ops.executor import load
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.ai_ops.models import lenet
from tests.support.backends import started


@pytest.mark.parametrize("name", [name for name in BACKENDS if name != "reference"])
def test_lenet_equals_the_reference_digest_for_digest(name: str) -> None:
    model = lenet()
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    images = np.random.default_rng(3).integers(-128, 128, (4, 784)).astype(np.int8).tobytes()
    results = [load(model, facts, started(which)).run(images, 4) for which in (name, "reference")]
    assert results[0] == results[1]


def test_the_fastest_backend_is_chosen() -> None:
    works = []
    for name in BACKENDS:
        with suppress(BackendFault):
            works.append(select_backend(name).name)
    assert works[-2:] == ["numba", "reference"]
    assert select_backend().name == select_backend("cpu").name == works[0]
    if len(works) > 2:
        assert select_backend("native").name == works[0]


@cache
def compiled_loops() -> Mapping[str, Loop]:
    """Compile the loops, or read them from the disk, once for all tests."""
    return NumbaBackend().loops


@pytest.mark.parametrize("name", COMPILED)
def test_a_loop_that_is_off_by_one_fails_the_self_test(name: str) -> None:
    def off_by_one(*arguments: np.ndarray) -> None:
        loops[name](*arguments)
        arguments[-1].flat[-1] ^= 1

    loops = compiled_loops()
    backend = NumbaBackend(lambda other: off_by_one if other == name else loops[other])
    with pytest.raises(BackendFault, match="self test"):
        check_backend(backend)


def test_a_machine_without_any_compiler_runs_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> NumbaBackend:
        raise ImportError("numba")

    def not_built() -> NumbaBackend:
        raise BackendFault("not built")

    for name in CHOICES["native"]:
        monkeypatch.setitem(BACKENDS, name, not_built)
    monkeypatch.setitem(BACKENDS, "numba", broken)
    reasons: list[str] = []
    assert select_backend(on_fault=reasons.append).name == "reference"
    assert len(reasons) == len(CHOICES["native"]) + 1
    assert "numba" in reasons[-1]
    for name in ("numba", "cpu"):
        with pytest.raises(BackendFault, match="numba"):
            select_backend(name)
    with pytest.raises(BackendFault, match="not built"):
        select_backend("native")
    with pytest.raises(BackendFault, match="no backend 'abacus'"):
        select_backend("abacus")


def test_the_loops_are_plain_python_too() -> None:
    """What numba compiles means the same without it."""
    check_backend(NumbaBackend(source_of))


def test_where_no_cache_can_be_written_loops_are_compiled_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import numba

    njit = numba.njit

    def without_cache(*, nogil: bool, cache: bool = False) -> object:
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return njit(nogil=nogil)

    monkeypatch.setattr(numba, "njit", without_cache)
    table = np.arange(256, dtype=np.int8)
    result = np.zeros(3, np.int8)
    compile_loop("table8")(np.array([1, 2, 255], np.uint8), table, result)
    assert result.tolist() == [1, 2, -1]


def test_importing_the_engine_does_not_load_the_compiler() -> None:
    program = "import sys, ai_ops.executor, ai_ops.validate; print('numba' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


@pytest.mark.parametrize("name", ["cpu", "numba"])
def test_calls_in_many_threads_do_not_meet(name: str) -> None:
    model = lenet()
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    ready = load(model, facts, select_backend(name))
    images = [np.random.default_rng(seed).bytes(784) for seed in range(40)]
    expected = [ready.run(image, 1) for image in images]
    with ThreadPoolExecutor(max_workers=4) as pool:
        assert list(pool.map(lambda image: ready.run(image, 1), images)) == expected
