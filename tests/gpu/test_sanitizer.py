"""The kernels' source under gcc's sanitizer: what C leaves undefined, a card does otherwise.

Above all alignment: this processor reads 16 bytes from anywhere, a card stops.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.gpu.shim_device import COMPILER, build

ROOT = Path(__file__).resolve().parents[2]
SANITIZER = ("-fsanitize=undefined", "-g", "-O1")
RUN = """
import sys
from tests.gpu import shim_device
library = shim_device.opened(sys.argv[1])
shim_device.shim_library = lambda: library
from ai_ops.backends.selftest import check_backend
from ai_ops.operators import OPERATORS
from tests.fuzz.cases import make_case
from tests.fuzz.check import difference, expected_of
from tests.fuzz.generators import GENERATORS
for tile in (64, 128):
    backend = shim_device.ShimBackend(tile=tile)
    check_backend(backend)
for operator in GENERATORS:
    for index in range(15):
        case = make_case(operator, 20261124, index)
        assert difference(case, backend, expected_of(case)) is None, (operator, index)
print("ran", len(backend.shim.launches))
"""


PLANTED = """
KERNEL(planted, 32) {
  volatile u32 sink = *(const u32 *)(POINTER(const u8, 0) + 1);
  (void)sink;
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the kernels, and one with a fault, once."""
    if COMPILER is None:
        pytest.skip("no C compiler")
    path = tmp_path_factory.mktemp("sanitized") / "shim.so"
    try:
        build(path, flags=SANITIZER, extra=PLANTED)
    except subprocess.CalledProcessError:
        pytest.skip("this compiler has no sanitizer library")
    return path


def run(script: str, library: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, str(library)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_nothing_undefined_happens(library: Path) -> None:
    done = run(RUN, library)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith("ran ")
    assert "runtime error" not in done.stderr, done.stderr[:2000]


MISREAD = """
import sys
from tests.gpu import shim_device
from ai_ops.backends.gpu.device import Launch, Place
from ai_ops.backends.gpu.schedule import prepared
library = shim_device.opened(sys.argv[1])
shim_device.shim_library = lambda: library
device = shim_device.ShimDevice()
memory = device.allocate(64)
place = Place(address=memory.address)
launch = Launch(kernel="planted", blocks=1, threads=32, pointers=(place,), integers=())
device.queue().launch(prepared([launch], 0)[0], 1)
"""


def test_a_misaligned_read_would_be_seen(library: Path) -> None:
    done = run(MISREAD, library)
    assert "misaligned address" in done.stderr
