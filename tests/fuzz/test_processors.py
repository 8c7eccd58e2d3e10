"""The same cases on older processors, emulated by qemu: the instruction sets a node may meet.

The reference solves 200 cases of each operator here; an emulated process replays them. VNNI is
beyond qemu and is tested where the machine has it. What is missing here is skipped by name.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ai_ops.backends.native_backend import MAKERS
from ai_ops.operators import OPERATORS
from tests.fuzz.backends import available
from tests.fuzz.replay import write

LONG = os.environ.get("ENGRAM_LONG") == "1"
CASES = 200
OTHER_NUMPY = "2.1.3"
QEMU = shutil.which("qemu-x86_64") or shutil.which("qemu-x86_64-static")
PROCESSORS = {
    # qemu's name: (variants that must run there, numba's name, its features)
    "Nehalem": (("native-baseline",), "nehalem", "+sse2,+sse4.2,+popcnt"),
    "Haswell": (
        ("native-baseline", "native-avx2"),
        "haswell",
        "+sse2,+sse4.2,+popcnt,+avx,+avx2,+bmi,+bmi2,+lzcnt,+fma",
    ),
    "Skylake-Server": (  # qemu emulates it without AVX-512
        ("native-avx2",),
        "skylake",
        # qemu 7.2 faults in gathers whose addresses lie between guard pages on a real processor.
        "+sse2,+sse4.2,+popcnt,+avx,+avx2,+bmi,+bmi2,+lzcnt,+fma,+adx,+prefer-no-gather",
    ),
}

pytestmark = pytest.mark.skipif(QEMU is None, reason="qemu-user is not installed")


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("processors") / "cases"
    seed = int(os.environ.get("ENGRAM_SEED", "20261124"))
    print(f"ENGRAM_SEED={seed}")
    assert write(path, CASES, seed) == CASES * len(OPERATORS)
    return path


def replay(
    cases: Path, backends: str, prefix: list[str], python: str = sys.executable, **variables: str
) -> int:
    """Replay in a process of its own; returns how many results were right."""
    command = [*prefix, python, "-m", "tests.fuzz.replay", "run", str(cases)]
    done = subprocess.run(
        [*command, "--backends", backends],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | variables,
    )
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-3_000:]
    last = done.stdout.splitlines()[-1]
    assert last.endswith("passed, 0 failed")
    return int(last.split()[0])


@pytest.mark.parametrize("processor", PROCESSORS)
def test_an_older_processor_gives_the_same_results(processor: str, cases: Path) -> None:
    variants, _, _ = PROCESSORS[processor]
    built = [name for name in variants if name in available()[0]]
    if not built:
        print("the kernels in C were not built here: the reference alone was replayed")
    assert QEMU is not None
    passed = replay(cases, ",".join(("reference", *built)), [QEMU, "-cpu", processor])
    assert passed == CASES * (len(OPERATORS) + len(built) * len(MAKERS))


@pytest.mark.skipif(
    not LONG, reason="machine code for another processor takes a minute: ENGRAM_LONG=1"
)
@pytest.mark.parametrize("processor", PROCESSORS)
def test_the_compiled_loops_of_an_older_processor_give_the_same_results(
    processor: str, cases: Path, tmp_path: Path
) -> None:
    """numba compiles for that processor here, and its machine code runs there."""
    _, name, features = PROCESSORS[processor]
    target = {
        "NUMBA_CPU_NAME": name,
        "NUMBA_CPU_FEATURES": features,
        "NUMBA_CACHE_DIR": str(tmp_path),
    }
    assert QEMU is not None
    for prefix in ([], [QEMU, "-cpu", processor]):
        assert replay(cases, "numba", prefix, **target) == CASES * len(OPERATORS)


@pytest.mark.skipif(not LONG, reason="one process for each BLAS: ENGRAM_LONG=1")
@pytest.mark.parametrize("kernel", ["Prescott", "Nehalem", "Haswell", "SkylakeX"])
def test_another_blas_gives_the_same_results(kernel: str, cases: Path) -> None:
    passed = replay(cases, "reference,numba", [], OPENBLAS_CORETYPE=kernel)
    assert passed == 2 * CASES * len(OPERATORS)


@pytest.mark.skipif(not LONG, reason="another environment is installed: ENGRAM_LONG=1")
def test_another_numpy_gives_the_same_results(cases: Path, tmp_path: Path) -> None:
    import venv

    venv.create(tmp_path, with_pip=True)
    python = tmp_path / "bin" / "python"
    wanted = [f"numpy=={OTHER_NUMPY}", "blake3==1.0.11"]
    subprocess.run([python, "-m", "pip", "install", "-q", *wanted], check=True)
    names = ["reference", *(name for name in available()[0] if name.startswith("native-"))]
    passed = replay(cases, ",".join(names), [], python=str(python))
    assert passed == CASES * (len(OPERATORS) + (len(names) - 1) * len(MAKERS))
