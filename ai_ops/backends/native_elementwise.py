"""Makers of the `native` kernels that compute element by element (src/elementwise.h)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from ai_ops.arithmetic import Wide, rescale
from ai_ops.backends.native_site import NativeSite, counted
from ai_ops.dtype import Array, DType
from ai_ops.native.library import NativeKernel
from ai_ops.native.steps import make_step
from ai_ops.ops.table16 import STEP_BITS

OPERANDS = 3


def make_rescale(site: NativeSite) -> NativeKernel:
    """Make RESCALE."""
    x = site.inputs[0]
    members = rescale_members(site)
    return _make(site, "rescale_tensor", fits=_fits(site, x.minimum, x.maximum), **members)


def make_sum(site: NativeSite) -> NativeKernel:
    """Make ADD or SUB."""
    node = site.node
    return _make(
        site,
        "add",
        multiplier=_narrow(node.integer(f"multiplier_{side}") for side in "ab"),
        shift=_wide(node.integer(f"shift_{side}") for side in "ab"),
        fits=int(_sum_fits(site)),
        option=int(node.operator == "SUB"),
        **_clamp(site),
    )


def _sum_fits(site: NativeSite) -> bool:
    """Say whether the sum or difference of the two rescaled terms is an i32."""
    sizes = [
        rescale(
            value.magnitude,
            site.node.integer(f"multiplier_{side}"),
            site.node.integer(f"shift_{side}"),
        )
        for side, value in zip("ab", site.inputs, strict=True)
    ]
    return sum(sizes) < DType.I32.maximum


def make_mul(site: NativeSite) -> NativeKernel:
    """Make MUL."""
    a, b = site.inputs
    corners = [p * q for p in (a.minimum, a.maximum) for q in (b.minimum, b.maximum)]
    pair = (site.node.integer("multiplier"), site.node.integer("shift"))
    ends = (rescale(min(corners), *pair), rescale(max(corners), *pair))
    return _make(
        site,
        "multiply_tensors",
        fits=int(_is_i32(*ends)),
        multiplier=_narrow([site.node.integer("multiplier")]),
        shift=_wide([site.node.integer("shift")]),
        **_clamp(site),
    )


def make_clamp(site: NativeSite) -> NativeKernel:
    """Make CLAMP."""
    return _make(site, "clamp_tensor", **_clamp(site))


def make_sign(site: NativeSite) -> NativeKernel:
    """Make NEGATE or ABS, which saturate."""
    name = "negate" if site.node.operator == "NEGATE" else "absolute"
    return _make(site, name, maximum=site.outputs[0].type.dtype.maximum)


def make_plain(name: str) -> Callable[[NativeSite], NativeKernel]:
    """Return the maker of an operator without fields."""

    def make(site: NativeSite) -> NativeKernel:
        return _make(site, name)

    return make


def make_compare(site: NativeSite) -> NativeKernel:
    """Make COMPARE."""
    return _make(site, "compare", option=site.node.integer("relation"))


def make_divide(site: NativeSite) -> NativeKernel:
    """Make DIVIDE."""
    return _make(
        site,
        "divide_tensors",
        shift=_wide([site.node.integer("shift")]),
        option=site.node.integer("rounding"),
        **_clamp(site),
    )


def make_table8(site: NativeSite) -> NativeKernel:
    """Make TABLE8: the sign bit turns the bytes of an i8 into places of the table."""
    return _make(
        site,
        "table8",
        table=np.array(site.node.integers("table"), DType.I16.numpy),
        option=0x80 if site.inputs[0].type.dtype is DType.I8 else 0,
    )


def make_table16(site: NativeSite) -> NativeKernel:
    """Make TABLE16."""
    points = site.node.integers("table")
    table = np.array(points, np.int64)
    pairs = ((table[:-1] & 0xFFFF) | (table[1:] << 16)).astype(DType.I32.numpy)
    fits = _fits(site, min(points) << STEP_BITS, max(points) << STEP_BITS)
    return _make(site, "table16", table=pairs, fits=fits, **rescale_members(site))


def _fits(site: NativeSite, low: int, high: int) -> int:
    """Return 1 where every value of an interval is an i32 after it was rescaled."""
    # All channels at once: a loop over them took most of the time of a load.
    multipliers, shifts = (
        np.array(site.node.integers(name), np.int64) for name in ("multipliers", "shifts")
    )
    least, most = (rescale(np.array(end, np.int64), multipliers, shifts) for end in (low, high))
    return int(_is_i32(int(least.min()), int(most.max())))


def _is_i32(low: int, high: int) -> bool:
    return DType.I32.minimum <= low and high <= DType.I32.maximum


def rescale_members(site: NativeSite) -> dict[str, int | Array | None]:
    """Return the members that stand for a node's rescale fields."""
    multipliers = site.node.integers("multipliers")
    return {
        "channels": len(multipliers),
        "multiplier": _narrow(multipliers),
        "shift": _wide(site.node.integers("shifts")),
        **_clamp(site),
    }


def result_rows(site: NativeSite) -> Wide:
    """Describe the result's dimensions: fixed and unit size, then which operands repeat them."""
    shape = site.outputs[0].type.shape
    rows = np.zeros((len(shape), 2 + OPERANDS), np.int64)
    for axis, size in enumerate(shape):
        rows[axis, :2] = counted(size)
        for position, value in enumerate(site.inputs):
            own = axis - len(shape) + len(value.type.shape)
            rows[axis, 2 + position] = own >= 0 and (value.type.shape[own] == size)
    return rows


def _make(site: NativeSite, name: str, **members: int | Array | None) -> NativeKernel:
    dtypes = [value.type.dtype.code for value in site.inputs]
    dtypes += [0] * (OPERANDS - len(dtypes))
    every: Mapping[str, int | Array | None] = {
        "rank": len(site.outputs[0].type.shape),
        "shape": result_rows(site),
        "dtype": site.outputs[0].type.dtype.code,
        **{f"dtype_{position}": dtype for position, dtype in enumerate(dtypes)},
        "channels": 1,
        "multiplier": None,
        "shift": None,
        "minimum": 0,
        "maximum": 0,
        "fits": 0,
        "option": 0,
        "table": None,
    }
    return site.kernel(name, make_step("elementwise_step", {**every, **members}))


def _clamp(site: NativeSite) -> dict[str, int | Array | None]:
    return {name: site.node.integer(name) for name in ("minimum", "maximum")}


def _narrow(values: Iterable[int]) -> Array:
    return np.array(tuple(values), DType.I32.numpy)


def _wide(values: Iterable[int]) -> Array:
    return np.array(tuple(values), np.int64)
