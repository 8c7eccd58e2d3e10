"""The structs of src/kernels.h, member by member: the same names in the same order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array
from ai_ops.native.library import address_of

EPILOGUE = ("bias", "multiplier", "shift", "minimum", "maximum", "dtype", "fits")
STRUCTS: dict[str, tuple[str, ...]] = {
    "gemm_step": (
        "rows_fixed",
        "rows_unit",
        "depth",
        "units",
        "x_dtype",
        "w_dtype",
        "path",
        "block_rows",
        "panels",
        "raw_bias",
        *EPILOGUE,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A filled struct and the arrays that it points into."""

    values: Wide
    keeps: tuple[Array, ...]


def make_step(struct: str, **members: int | Array | None) -> Step:
    """Fill a struct; an array stands for its address, None for NULL.

    Parameters
    ----------
    struct : str
        A key of `STRUCTS`.
    **members : int, array or None
        Every member of it.
    """
    names = STRUCTS[struct]
    assert sorted(names) == sorted(members), (struct, sorted(members))
    values = np.zeros(len(names), np.int64)
    keeps = []
    for position, name in enumerate(names):
        member = members[name]
        if isinstance(member, int):
            values[position] = member
        elif member is not None:
            values[position] = address_of(member)
            keeps.append(member)
    return Step(values=values, keeps=tuple(keeps))
