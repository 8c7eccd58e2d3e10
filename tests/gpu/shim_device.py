"""A device without a card: the kernels' source compiled by gcc, memory from NumPy.

Memory has guard bytes before and behind it, checked when it is given back and on demand, and
starts with a pattern, so that a kernel that reads what nobody wrote is seen.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from blake3 import blake3

from ai_ops.backends.gpu.backend import GpuBackend
from ai_ops.backends.gpu.device import LAYOUT, Prepared
from ai_ops.backends.gpu.source import kernel_source
from ai_ops.errors import BackendFault

FOLDER = Path(__file__).parent / "shim"
GUARD = 256
GUARD_BYTE = 0xA5
FRESH_BYTE = 0x5C
COMPILER = shutil.which("gcc") or shutil.which("cc")
FLAGS = ("-O2", "-Wall", "-Wextra", "-shared", "-fPIC")


@cache
def shim_library() -> ctypes.CDLL:
    """Load the kernels for this processor, built once for each text and user."""
    texts = [kernel_source(), *(path.read_text("utf-8") for path in sorted(FOLDER.iterdir()))]
    name = blake3("\n".join(texts).encode()).hexdigest()[:24]
    library = Path(tempfile.gettempdir()) / f"engram-shim-{os.getuid()}" / f"{name}.so"
    library.parent.mkdir(mode=0o700, exist_ok=True)
    assert library.parent.stat().st_uid == os.getuid()
    if not library.exists():
        build(library)
    return opened(str(library))


def opened(path: str) -> ctypes.CDLL:
    """Load a library that `build` made."""
    loaded = ctypes.CDLL(path)
    loaded.shim_launch.restype = ctypes.c_char_p
    loaded.shim_arguments_bytes.restype = ctypes.c_ulong
    assert loaded.shim_arguments_bytes() == LAYOUT.size
    return loaded


def build(library: Path, flags: tuple[str, ...] = (), extra: str = "") -> None:
    """Compile the kernels, and more of them in `extra`, for this processor."""
    assert COMPILER is not None
    with tempfile.TemporaryDirectory(dir=library.parent) as name:
        folder = Path(name)
        (folder / "kernels.h").write_text(kernel_source() + extra, encoding="utf-8")
        made = folder / "shim.so"
        command = [COMPILER, *FLAGS, *flags, f"-I{folder}", f"-I{FOLDER}", str(FOLDER / "shim.c")]
        subprocess.run([*command, "-o", str(made)], check=True, stderr=subprocess.PIPE)
        made.replace(library)  # at once, for others may be building the same


class ShimMemory:
    def __init__(self, size: int) -> None:
        self.size = size
        self._bytes = np.full(size + 3 * GUARD, GUARD_BYTE, np.uint8)
        first = int(self._bytes.ctypes.data) + GUARD
        self.address = first + -first % GUARD
        self._start = self.address - int(self._bytes.ctypes.data)
        self._bytes[self._start : self._start + size] = FRESH_BYTE

    def check(self) -> None:
        before, behind = self._bytes[: self._start], self._bytes[self._start + self.size :]
        assert (before == GUARD_BYTE).all(), "a kernel wrote before its memory"
        assert (behind == GUARD_BYTE).all(), "a kernel wrote behind its memory"


class ShimQueue:
    def __init__(self, device: ShimDevice) -> None:
        self.device = device

    def upload(self, address: int, data: bytes | memoryview) -> None:
        source = np.frombuffer(data, np.uint8)
        ctypes.memmove(address, source.ctypes.data, source.nbytes)

    def download(self, address: int, size: int) -> bytes:
        self.device.check()
        return ctypes.string_at(address, size)

    def launch(self, work: Prepared, calls: int) -> None:
        library = shim_library()
        self.device.launches.append(work.kernel)
        threads = ctypes.c_uint.in_dll(library, f"{work.kernel}_threads").value
        assert work.threads <= threads, f"{work.kernel} is compiled for {threads} threads"
        grid = (ctypes.c_uint * 3)(work.blocks, 1, calls)
        fault = library.shim_launch(
            getattr(library, work.kernel), grid, ctypes.c_uint(work.threads), work.arguments
        )
        if fault:
            raise BackendFault(f"{work.kernel}: {fault.decode()}")

    def wait(self) -> None:
        self.device.check()

    def record(self, work: Sequence[Prepared]) -> Callable[[], None]:
        def replay() -> None:
            self.device.replays += 1
            for item in work:
                self.launch(item, 1)

        return replay


class ShimDevice:
    """What a test may look at: the kernels launched, graphs replayed, memory alive."""

    name = "the kernels' source on this processor"

    def __init__(self, limit: int = 2**30) -> None:
        self.limit = limit
        self.launches: list[str] = []
        self.replays = 0
        self._memory: list[ShimMemory] = []

    def allocate(self, size: int) -> ShimMemory:
        if size > self.limit:
            raise BackendFault(f"the card has no {size} bytes left")
        memory = ShimMemory(size)
        self._memory = [memory, *self._memory[:15]]
        return memory

    def check(self) -> None:
        """Assert the guards of the youngest allocations."""
        for memory in self._memory:
            memory.check()

    def queue(self) -> ShimQueue:
        return ShimQueue(self)


class ShimBackend(GpuBackend):
    """The whole backend above a device that is no card."""

    name = "gpu-shim"

    def __init__(self, capacity: int = 2**30, tile: int = 0) -> None:
        self.shim = ShimDevice()
        super().__init__(self.shim, capacity, tile)
