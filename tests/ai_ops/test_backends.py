"""The cpu backend equals the reference, and a machine on which it does not never uses it."""

from __future__ import annotations

import numpy as np
import pytest

from ai_ops.backends import BACKENDS, kernels, select_backend
from ai_ops.backends.cpu import COMPILED, CpuBackend, Loop
from ai_ops.backends.selftest import check_backend
from ai_ops.errors import BackendFault
from ai_ops.executor import load
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.ai_ops.models import lenet


def plain(name: str) -> Loop:
    """Leave a loop uncompiled."""
    loop: Loop = getattr(kernels, name)
    return loop


def test_lenet_equals_the_reference_digest_for_digest() -> None:
    model = lenet()
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    images = np.random.default_rng(3).integers(-128, 128, (4, 784)).astype(np.int8).tobytes()
    cpu, reference = (
        load(model, facts, select_backend(name)).run(images, 4) for name in ("cpu", "reference")
    )
    assert cpu == reference


def test_the_fastest_backend_is_chosen() -> None:
    assert select_backend().name == next(iter(BACKENDS)) == "cpu"


@pytest.mark.parametrize("name", COMPILED)
def test_a_loop_that_is_off_by_one_fails_the_self_test(name: str) -> None:
    def off_by_one(*arguments: np.ndarray) -> None:
        compiled.loops[name](*arguments)
        arguments[-1].flat[-1] ^= 1

    compiled = CpuBackend()
    backend = CpuBackend(lambda other: off_by_one if other == name else compiled.loops[other])
    with pytest.raises(BackendFault, match="self test"):
        check_backend(backend)


def test_a_machine_without_a_working_compiler_runs_the_reference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken() -> CpuBackend:
        raise ImportError("numba")

    monkeypatch.setitem(BACKENDS, "cpu", broken)
    reasons: list[str] = []
    assert select_backend(on_fault=reasons.append).name == "reference"
    assert len(reasons) == 1
    assert "numba" in reasons[0]
    with pytest.raises(BackendFault, match="numba"):
        select_backend("cpu")
    with pytest.raises(BackendFault, match="no backend 'gpu'"):
        select_backend("gpu")
