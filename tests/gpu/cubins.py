"""Compiles the kernels for cards and reads the machine code; needs no card, only wheels.

`pip install 'engram-node[gpu-ci]'` brings NVRTC, CuPy's binding of it and nvdisasm.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path

INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)")
FUNCTION = re.compile(r"^\.text\.(\w+):")


def missing() -> str | None:
    """Say what keeps the kernels from being compiled and read here, or None."""
    try:
        from cupy.cuda import nvrtc

        nvrtc.getVersion()
    except Exception as error:  # noqa: BLE001 - a missing library shows in many ways
        return f"NVRTC is not here ({error}): pip install 'engram-node[gpu-ci]'"
    if disassembler() is None:
        return "nvdisasm is not here: pip install 'engram-node[gpu-ci]'"
    return None


@cache
def disassembler() -> Path | None:
    """Find nvdisasm in NVIDIA's wheels."""
    found = importlib.util.find_spec("nvidia")
    for folder in found.submodule_search_locations or () if found else ():
        for path in sorted(Path(folder).glob("*/bin/nvdisasm")):
            return path
    return None


@cache
def instructions(architecture: str) -> dict[str, Counter[str]]:
    """Compile for a card and count each kernel's instructions by their names."""
    from ai_ops.backends.gpu.cuda import compile_kernels

    tool = disassembler()
    assert tool is not None
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compile_kernels(architecture))
        file.flush()
        done = subprocess.run([tool, file.name], capture_output=True, text=True, check=True)
    counts: dict[str, Counter[str]] = {}
    name = ""
    for line in done.stdout.splitlines():
        if at := FUNCTION.match(line):
            name = at[1]
        elif name and (found := INSTRUCTION.match(line)):
            counts.setdefault(name, Counter())[found[1]] += 1
    return counts
