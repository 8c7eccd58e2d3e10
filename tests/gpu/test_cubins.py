"""The machine code for cards: every kernel compiles, uses the units it was written for, and keeps
everything in registers. No card runs it here."""

from __future__ import annotations

from collections import Counter

import pytest

from ai_ops.backends.gpu.machine_code import (
    BY_DOT_PRODUCTS,
    DOT_PRODUCT,
    ON_TENSOR_CORES,
    TENSOR_CORES,
    instructions,
    kernel_names,
    missing_tools,
    shortcomings,
)

REASON = missing_tools()
if REASON is not None:
    pytest.skip(REASON, allow_module_level=True)


@pytest.mark.parametrize("architecture", TENSOR_CORES)
def test_kernels_use_the_units_they_were_written_for(architecture: str) -> None:
    counts = instructions(architecture)
    assert set(counts) == kernel_names()
    assert shortcomings(architecture, counts) == ()
    # Copies past the registers exist from Ampere on.
    copies = [name for name in counts["product_rows_64"] if name.startswith("LDGSTS")]
    assert bool(copies) is (architecture != "sm_75")


def test_what_is_missing_is_named() -> None:
    """The check must be able to fail: each kind of fault is planted once."""
    good = {name: Counter({TENSOR_CORES["sm_90"]: 64}) for name in ON_TENSOR_CORES}
    good |= {name: Counter({DOT_PRODUCT: 4}) for name in BY_DOT_PRODUCTS}
    good |= {name: Counter({"IADD3": 1}) for name in kernel_names() - set(good)}
    assert shortcomings("sm_90", good) == ()
    for name, count, words in (
        ("product_rows_64", Counter({"IMMA.8816.S8.S8": 64}), "product_rows_64 has 0"),
        ("attend", Counter({DOT_PRODUCT: 3}), "attend has 3"),
        ("hash_chunks", Counter({"STL.64": 1}), "hash_chunks uses local memory"),
        ("hash_chunks", Counter({"FFMA.FTZ": 1}), "hash_chunks computes in floating point"),
    ):
        (found,) = shortcomings("sm_90", {**good, name: count})
        assert words in found
    less = {name: count for name, count in good.items() if name != "attend"}
    assert shortcomings("sm_90", less) == ("attend is missing",)
