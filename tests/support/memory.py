"""Peak memory of a piece of work, measured in this process.

Address space (RLIMIT_AS) would say little: a compiler, thread stacks and libraries map gigabytes
that are never touched. What a machine runs out of is resident memory, whose peak Linux keeps and
lets be reset; `tracemalloc` sees Python's and NumPy's part exactly, on any system.
"""

from __future__ import annotations

import ctypes
import gc
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def traced_peak(work: Callable[[], object]) -> int:
    """Return the most bytes that Python and NumPy hold at once, beyond those held before."""
    gc.collect()
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def resident_peak(work: Callable[[], object]) -> int | None:
    """Return by how much resident memory rises at most; None where the peak cannot be reset.

    What was freed before goes back to the system first, so that no old page hides a new one.
    """
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        RESET.write_text("5", encoding="ascii")
        before = _field("VmRSS")
    except (AttributeError, OSError):
        return None
    work()
    return _field("VmHWM") - before


def _field(name: str) -> int:
    found = re.search(rf"{name}:\s+(\d+) kB", STATUS.read_text(encoding="ascii"))
    if found is None:
        raise OSError(f"{STATUS} has no {name}")
    return int(found[1]) * 1024
