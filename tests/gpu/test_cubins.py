"""The machine code for cards: every kernel compiles, uses the units it was written for, and keeps
everything in registers. No card runs it here."""

from __future__ import annotations

import re

import pytest

from ai_ops.backends.gpu.source import kernel_source
from tests.gpu.cubins import instructions, missing

REASON = missing()
if REASON is not None:
    pytest.skip(REASON, allow_module_level=True)

# Turing has no 32-deep instruction: its products are four smaller ones.
TENSOR_CORES = {
    "sm_75": "IMMA.8816.S8.S8",
    "sm_80": "IMMA.16832.S8.S8",
    "sm_90": "IMMA.16832.S8.S8",
}
DOT_PRODUCT = "IDP.4A.S8.S8"
ON_TENSOR_CORES = (
    "product_rows",
    "product_strided",
    "product_dynamic_rows",
    "product_dynamic_strided",
    "product_patches",
    "product_pixels",
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


def kernels() -> set[str]:
    return set(re.findall(r"^KERNEL\((\w+), \d+\)", kernel_source(), re.MULTILINE))


@pytest.mark.parametrize("architecture", TENSOR_CORES)
def test_kernels_use_the_units_they_were_written_for(architecture: str) -> None:
    counts = instructions(architecture)
    assert set(counts) == kernels()
    for name in ON_TENSOR_CORES:
        assert counts[name][TENSOR_CORES[architecture]] >= 64, name
    for name in BY_DOT_PRODUCTS:
        assert counts[name][DOT_PRODUCT] >= 4, name
    copies = [name for name in counts["product_rows"] if name.startswith("LDGSTS")]
    assert bool(copies) is (architecture != "sm_75")


@pytest.mark.parametrize("architecture", TENSOR_CORES)
def test_nothing_spills_and_nothing_is_float(architecture: str) -> None:
    for kernel, counts in instructions(architecture).items():
        for instruction in counts:
            first = instruction.partition(".")[0]
            assert first not in {"LDL", "STL"}, f"{kernel} keeps something in local memory"
            assert first not in {"FADD", "FMUL", "FFMA", "DADD", "DMUL", "DFMA"}, kernel
