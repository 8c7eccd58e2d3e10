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

from ai_ops.backends.gpu.source import kernel_source

ADVICE = "pip install 'engram-node[gpu-ci]'"
# Turing has no 32-deep instruction: its products are four smaller ones.
TENSOR_CORES = {
    "sm_75": "IMMA.8816.S8.S8",
    "sm_80": "IMMA.16832.S8.S8",
    "sm_90": "IMMA.16832.S8.S8",
}
"""What a tensor-core product is called on each card that the kernels are checked for."""
DOT_PRODUCT = "IDP.4A.S8.S8"
ON_TENSOR_CORES = (
    "product_rows_128",
    "product_dynamic_rows_128",
    "product_patches_128",
    "product_rows_64",
    "product_dynamic_rows_64",
    "product_patches_64",
    "product_strided_64",
    "product_dynamic_strided_64",
    "product_halves_64",
    "product_pixels_64",
)
BY_DOT_PRODUCTS = (
    "narrow_one",
    "narrow_four",
    "narrow_dynamic_one",
    "narrow_dynamic_four",
    "convolve_grouped",
    "convolve_depthwise",
    "convolve_transposed",
    "attend",
)
LOCAL_MEMORY = ("LDL", "STL")
FLOAT = ("FADD", "FMUL", "FFMA", "DADD", "DMUL", "DFMA")
"""Sums and products. The assembler's own integer division estimates a reciprocal, and it loads
constants with a half-precision instruction; neither is arithmetic of ours."""

_INSTRUCTION = re.compile(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)")
_FUNCTION = re.compile(r"^\.text\.(\w+):")
_KERNEL = re.compile(r"^(?:KERNEL|PRODUCT)\((\w+), (?!threads|x_kind)", re.MULTILINE)


def missing_tools() -> str | None:
    """Say what keeps the kernels from being compiled and read here, or None."""
    try:
        from cupy.cuda import nvrtc

        nvrtc.getVersion()
    except Exception as error:  # noqa: BLE001 - a missing library shows in many ways
        return f"NVRTC is not here ({' '.join(str(error).split())[:120]}): {ADVICE}"
    if disassembler() is None:
        return f"nvdisasm is not here: {ADVICE}"
    return None


@cache
def disassembler() -> Path | None:
    """Find nvdisasm in NVIDIA's wheels."""
    found = importlib.util.find_spec("nvidia")
    for folder in found.submodule_search_locations or () if found else ():
        for path in sorted(Path(folder).glob("*/bin/nvdisasm")):
            return path
    return None


def kernel_names() -> frozenset[str]:
    """Return the names of all kernels in the source."""
    return frozenset(_KERNEL.findall(kernel_source()))


@cache
def instructions(architecture: str) -> dict[str, Counter[str]]:
    """Compile for a card and count each kernel's instructions by their names.

    Parameters
    ----------
    architecture : str
        For example "sm_90".

    Raises
    ------
    BackendFault
        The source does not compile.
    """
    from ai_ops.backends.gpu.cuda import compile_kernels

    tool = disassembler()
    assert tool is not None
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(compile_kernels(architecture))
        file.flush()
        done = subprocess.run([tool, file.name], capture_output=True, text=True, check=True)  # noqa: S603 - a tool of our own environment
    counts: dict[str, Counter[str]] = {}
    name = ""
    for line in done.stdout.splitlines():
        if at := _FUNCTION.match(line):
            name = at[1]
        elif name and (found := _INSTRUCTION.match(line)):
            counts.setdefault(name, Counter())[found[1]] += 1
    return counts


def shortcomings(architecture: str, counts: dict[str, Counter[str]]) -> tuple[str, ...]:
    """Say what the machine code of a card in `TENSOR_CORES` lacks or should not have."""
    found = [f"{name} is missing" for name in sorted(kernel_names() - set(counts))]
    for names, wanted, least in (
        (ON_TENSOR_CORES, TENSOR_CORES[architecture], 16),
        (BY_DOT_PRODUCTS, DOT_PRODUCT, 4),
    ):
        found += [
            f"{name} has {counts[name][wanted]} {wanted}, not {least}"
            for name in names
            if name in counts and counts[name][wanted] < least
        ]
    for name, count in counts.items():
        plain = {instruction.partition(".")[0] for instruction in count}
        found += [f"{name} uses local memory ({word})" for word in LOCAL_MEMORY if word in plain]
        found += [f"{name} computes in floating point ({word})" for word in FLOAT if word in plain]
    return tuple(found)
