"""`engram gpu check` and `engram gpu bench`, without a card and on what stands in for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from ai_ops.backends import OPTIONAL_BACKENDS
from ai_ops.backends.base import Backend
from ai_ops.backends.gpu.device import Launch
from ai_ops.backends.gpu.job import Job
from ai_ops.backends.gpu.lowering import LOWERINGS
from ai_ops.backends.gpu.movement import whole
from ai_ops.errors import BackendFault
from node import gpu_bench, gpu_check
from node.cli import main
from node.gpu_check import Finding
from node.gpu_vectors import run_vectors, source_tree
from tests.gpu.shim_device import COMPILER, ShimBackend

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "genesis" / "models" / "digits.egm"
Capture = pytest.CaptureFixture[str]
NEEDS_COMPILER = pytest.mark.skipif(COMPILER is None, reason="no C compiler for the stand-in")


@pytest.fixture
def no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> Backend:
        raise BackendFault("CuPy sees no NVIDIA card")

    monkeypatch.setitem(OPTIONAL_BACKENDS, "gpu", absent)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ShimBackend:
    backend = ShimBackend()
    monkeypatch.setitem(OPTIONAL_BACKENDS, "gpu", lambda: backend)
    return backend


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what other tests run: machine code and fuzz cases."""

    def skipped(name: str, what: str, cases: int) -> Finding:
        return Finding(what=what, verdict=gpu_check.VERIFIED, detail=f"{name} {cases}")

    monkeypatch.setattr(gpu_check, "missing_tools", lambda: "NVRTC is not here")
    monkeypatch.setattr(gpu_check, "fuzzed", skipped)


@pytest.mark.usefixtures("no_card", "quick")
def test_check_without_a_card_says_so_and_is_no_success(capsys: Capture) -> None:
    assert main(["gpu", "check", "--cases", "7"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("card: none\n")
    assert "not verified  kernels for sm_90: NVRTC is not here" in out
    assert "on a card: CuPy sees no NVIDIA card" in out
    assert "the kernels' source on this processor: gpu-shim 7" in out
    assert out.rstrip().splitlines()[-1].startswith("No card verified the backend.")


@NEEDS_COMPILER
@pytest.mark.usefixtures("stand_in")
def test_check_on_a_card_runs_vectors_and_models(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, quick: None
) -> None:
    monkeypatch.setattr(gpu_check, "machine_code", lambda: iter(()))
    monkeypatch.setattr(gpu_check, "BATCH", 1)
    code = main(["gpu", "check", str(DIGITS)])
    out = capsys.readouterr().out
    assert "card: the kernels' source on this processor" in out
    assert "digits.egm: 1 input(s), 9 steps each: every digest equals cpu" in out
    assert "verified      fuzz cases on the card: gpu 200" in out
    assert " passed, 0 failed" in out
    # Where CuPy is not installed, not everything was verified.
    installed = gpu_check.installed().verdict == gpu_check.VERIFIED
    assert code == (0 if installed else 1)


def copied(job: Job) -> list[Launch]:
    """Copy x as it lies, as no transposition may."""
    return [whole(job.inputs[0], job.outputs[0])]


@NEEDS_COMPILER
def test_check_finds_a_wrong_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOWERINGS, "TRANSPOSE", copied)
    found = gpu_check.vectors(ShimBackend())
    assert found.verdict == gpu_check.FAILED
    assert "TRANSPOSE differs" in found.detail


@NEEDS_COMPILER
def test_every_vector_runs_on_the_stand_in() -> None:
    root = source_tree()
    assert root == ROOT
    passed, failures = run_vectors(root, ShimBackend())
    assert failures == []
    assert passed > 150


@pytest.mark.usefixtures("no_card")
def test_bench_without_a_card_is_an_error(capsys: Capture) -> None:
    assert main(["gpu", "bench"]) == 4
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("engram: E-GPU-001: there is no card to time (CuPy sees no")


@NEEDS_COMPILER
@pytest.mark.usefixtures("stand_in")
def test_bench_measures_what_it_says(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """The figures of a stand-in mean nothing; that each row is computed does."""
    monkeypatch.setattr(gpu_bench, "SIDE", 128)
    monkeypatch.setattr(gpu_bench, "DEEP", 256)
    monkeypatch.setattr(gpu_bench, "IMAGES", 1)
    monkeypatch.setattr(gpu_bench, "EDGE", 8)
    monkeypatch.setattr(gpu_bench, "BATCH", 2)
    assert main(["gpu", "bench", "--seconds", "0.01", str(DIGITS)]) == 0
    out = capsys.readouterr().out
    for row in (
        "GEMM 128 x 128 x 128",
        "CONV2D 3 x 3",
        "GEMM 1 x 256 x 256",
        "one call",
        "batches",
    ):
        assert row in out
    assert "DIFFERENT" not in out
