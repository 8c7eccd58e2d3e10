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
    "elementwise_step": (
        "rank",
        "shape",
        "dtype",
        "dtype_0",
        "dtype_1",
        "dtype_2",
        "channels",
        "multiplier",
        "shift",
        "minimum",
        "maximum",
        "fits",
        "option",
        "table",
    ),
    "pool_step": (
        "images_fixed",
        "images_unit",
        "height",
        "width",
        "channels",
        "out_height",
        "out_width",
        "kernel_rows",
        "kernel_columns",
        "stride_rows",
        "stride_columns",
        "top",
        "left",
        "dtype",
        "mean",
        "count_padding",
    ),
    "move_step": (
        "rank",
        "shape",
        "from_fixed",
        "from_unit",
        "to_fixed",
        "to_unit",
        "bytes",
        "fills",
        "fill_fixed",
        "fill_unit",
        "value",
    ),
    "concat_step": (
        "count",
        "outer_fixed",
        "outer_unit",
        "runs",
    ),
    "gather_step": (
        "outer_fixed",
        "outer_unit",
        "count_fixed",
        "count_unit",
        "inner_fixed",
        "inner_unit",
        "size",
        "index_dtype",
    ),
    "update_step": (
        "rows",
        "new_rows",
        "row_bytes",
    ),
    "reduce_step": (
        "rank",
        "shape",
        "kind",
        "x_dtype",
        "dtype",
        "channels",
        "multiplier",
        "shift",
        "minimum",
        "maximum",
    ),
    "argmax_step": (
        "outer_fixed",
        "outer_unit",
        "inner_fixed",
        "inner_unit",
        "size",
        "dtype",
    ),
    "row_step": (
        "rows_fixed",
        "rows_unit",
        "row_fixed",
        "row_unit",
        "x_dtype",
        "dtype",
        "multiplier",
        "shift",
        "one",
        "centered",
        "epsilon",
        "gamma",
        "beta",
        "minimum",
        "maximum",
    ),
    "rope_step": (
        "outer_fixed",
        "outer_unit",
        "rows_fixed",
        "rows_unit",
        "heads",
        "pairs",
        "positions",
        "dtype",
        "interleaved",
        "has_offset",
    ),
    "attention_step": (
        "batch_fixed",
        "batch_unit",
        "queries_fixed",
        "queries_unit",
        "keys_fixed",
        "keys_unit",
        "heads",
        "kv_heads",
        "depth",
        "causal",
        "has_length",
        "top",
        "multiplier",
        "shift",
        "channels",
        "out_multiplier",
        "out_shift",
        "minimum",
        "maximum",
        "dtype",
    ),
    "program_step": (
        "function",
        "constants",
        "inputs",
        "outputs",
        "operands",
        "sizes",
        "header",
        "header_bytes",
        "holes",
        "places",
    ),
    "program": ("steps",),
    "digest_step": (
        "prefix",
        "prefix_bytes",
        "bytes_fixed",
        "bytes_unit",
    ),
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
