"""Makers of the `native` kernels that reduce: pools, SUM, MEAN, MAX, MIN, ARGMAX."""

from __future__ import annotations

import numpy as np

from ai_ops.backends.native_elementwise import OPERANDS, rescale_members
from ai_ops.backends.native_site import NativeSite, counted, elements_of, product_of
from ai_ops.dtype import Array
from ai_ops.native.library import NativeKernel
from ai_ops.native.steps import make_step
from ai_ops.ops.max_pool2d import kernel_of

KINDS = {"SUM": 0, "MEAN": 1, "MAX": 2, "MIN": 3}
"""`enum reduction` of src/reductions.h."""

TOTAL_BYTES = 8


def make_pool(site: NativeSite) -> NativeKernel:
    """Make MAX_POOL2D or AVG_POOL2D."""
    x, y = site.inputs[0].type, site.outputs[0].type
    images = counted(x.shape[0])
    mean = site.node.operator == "AVG_POOL2D"
    rows, columns = kernel_of(site.node)
    down, right = site.node.integers("strides")
    top, left, _, _ = site.node.integers("padding")
    made = make_step(
        "pool_step",
        {
            "images_fixed": images[0],
            "images_unit": images[1],
            "height": x.shape[1],
            "width": x.shape[2],
            "channels": x.shape[3],
            "out_height": y.shape[1],
            "out_width": y.shape[2],
            "kernel_rows": rows,
            "kernel_columns": columns,
            "stride_rows": down,
            "stride_columns": right,
            "top": top,
            "left": left,
            "dtype": x.dtype.code,
            "mean": int(mean),
            "count_padding": site.node.integer("count_padding") if mean else 0,
        },
    )
    return site.kernel("pool2d", made)


def make_reduction(site: NativeSite) -> NativeKernel:
    """Make SUM, MEAN, MAX or MIN; scratch holds a total for each result."""
    x, y = site.inputs[0].type, site.outputs[0].type
    axes = site.node.integers("axes")
    rows = np.zeros((len(x.shape), 2 + OPERANDS), np.int64)
    for axis, size in enumerate(x.shape):
        rows[axis, :2] = counted(size)
        rows[axis, 2] = axis not in axes
    members: dict[str, int | Array | None] = {
        "rank": len(x.shape),
        "shape": rows,
        "kind": KINDS[site.node.operator],
        "x_dtype": x.dtype.code,
        "dtype": y.dtype.code,
        "channels": 1,
        "multiplier": None,
        "shift": None,
        "minimum": 0,
        "maximum": 0,
    }
    if site.node.operator == "SUM":
        members.update(rescale_members(site))
    fixed, unit = elements_of(y)
    made = make_step("reduce_step", members)
    return site.kernel("reduce", made, TOTAL_BYTES * fixed, TOTAL_BYTES * unit)


def make_argmax(site: NativeSite) -> NativeKernel:
    """Make ARGMAX."""
    x, axis = site.inputs[0].type, site.node.integer("axis")
    outer, inner = product_of(x.shape[:axis]), product_of(x.shape[axis + 1 :])
    made = make_step(
        "argmax_step",
        {
            "outer_fixed": outer[0],
            "outer_unit": outer[1],
            "inner_fixed": inner[0],
            "inner_unit": inner[1],
            "size": x.shape[axis],
            "dtype": x.dtype.code,
        },
    )
    return site.kernel("argmax", made)
