"""The kernels' text, in the order in which it is compiled as one unit."""

from __future__ import annotations

from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "kernels"
PARTS = (
    "common.cuh",
    "elementwise.cuh",
    "tensorcore.cuh",
    "dot.cuh",
    "windows.cuh",
    "movement.cuh",
    "rows.cuh",
    "attention.cuh",
    "blake3.cuh",
)
OPTIONS = ("--std=c++17", "-default-device")


@cache
def kernel_source() -> str:
    """Return the whole source; C compilers need `shim.h` of the tests beside it."""
    return "\n".join((FOLDER / part).read_text(encoding="utf-8") for part in PARTS)
