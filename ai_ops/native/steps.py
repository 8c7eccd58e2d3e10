"""The structs of src/kernels.h, member by member: the same names in the same order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ai_ops.arithmetic import Wide
from ai_ops.dtype import Array
from ai_ops.native.library import address_of

EPILOGUE = ("bias", "multiplier", "shift", "channel_step", "minimum", "maximum", "dtype", "fits")
PRODUCT = (
    "path",
    "x_dtype",
    "w_dtype",
    "segments",
    "depth",
    "units",
    "unit_stride",
    "depth_stride",
    "w_offsets",
    "panels",
    "raw_bias",
)
WINDOW = (
    "images_fixed",
    "images_unit",
    "height",
    "width",
    "channels",
    "out_height",
    "out_width",
    "stride_rows",
    "stride_columns",
    "top",
    "left",
    "reach",
    "band_width",
    "band_rows",
    "y_first",
    "y_column",
    "y_row",
    "y_image",
    "offsets",
)
GEMM = ("rows_fixed", "rows_unit", "block_rows", *PRODUCT, *EPILOGUE)
PARTS: dict[str, tuple[str, ...]] = {"epilogue": EPILOGUE, "product": PRODUCT, "window": WINDOW}
"""Structs that are members of others."""

STRUCTS: dict[str, tuple[str, ...]] = {
    "pack_step": ("groups", *PRODUCT),
    "gemm_step": GEMM,
    "dynamic_step": (*GEMM, "fine_bias"),
    "matmul_step": (
        "rows_fixed",
        "rows_unit",
        "units_fixed",
        "units_unit",
        "block_rows",
        "rank",
        "y_sizes",
        "a_sizes",
        "b_sizes",
        *PRODUCT,
        *EPILOGUE,
    ),
    "conv_step": (*WINDOW, "groups", *PRODUCT, *EPILOGUE),
    "depthwise_step": (*WINDOW, "x_dtype", "taps", "weights", *EPILOGUE),
    "transpose_step": ("phases", "steps"),
}
Members = dict[str, int | Array | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A filled struct and the arrays that it points into."""

    values: Wide
    keeps: tuple[Array, ...]


def make_step(struct: str, *parts: Members) -> Step:
    """Fill a struct; an array stands for its address, None for NULL.

    Parameters
    ----------
    struct : str
        A key of `STRUCTS`.
    *parts : dict of str to int, array or None
        Together every member of it, none twice.
    """
    names = STRUCTS[struct]
    members = {name: value for part in parts for name, value in part.items()}
    assert sorted(names) == sorted(name for part in parts for name in part), struct
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
