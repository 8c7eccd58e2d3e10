"""CONV2D: convolution of NHWC tensors with OHWI weights, groups and dilation.

``y[n,i,j,c] = clamp(R(sum x[n, i*si - top + p*di, j*sj - left + q*dj, g*I + k] * w[c,p,q,k]
+ bias[c]))`` where g is the group of c, I the input channels of a group, and x is 0 outside.
Source: docs/spec/02-operators.md O-2.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, TensorType, Value
from ai_ops.ops.definition import LIST, Field, Operator
from ai_ops.ops.epilogue import (
    RESCALE_FIELDS,
    apply_rescale,
    check_channels,
    infer_rescaled,
)
from ai_ops.ops.window import WINDOW_FIELDS, axes, check_axes


def dilations_of(node: Node) -> tuple[int, int]:
    """Return the dilations (rows, columns)."""
    rows, columns = node.integers("dilations")
    return rows, columns


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (N, H, W, C) and w (O, KH, KW, C / groups) to (N, OH, OW, O)."""
    x, w = inputs
    if len(w.type.shape) != 4 or w.type.symbolic:
        raise InvalidModel(ModelFault.SHAPE, "CONV2D: w must be fixed (O, KH, KW, C / groups)")
    filters, height, width, depth = w.type.shape
    rows, columns = check_axes(node, x, (height, width), dilations_of(node))
    groups = node.integer("groups")
    if groups < 1 or filters % groups or x.type.shape[3] != depth * groups:
        raise InvalidModel(
            ModelFault.SHAPE,
            f"CONV2D: {groups} groups do not divide {x.type.shape[3]} input channels into "
            f"{depth} each and {filters} filters evenly",
        )
    check_channels(node, "bias", (0, filters))
    bound = height * width * depth * x.magnitude * w.magnitude
    shape = (x.type.shape[0], rows.output, columns.output, filters)
    return (infer_rescaled(node, shape, -bound, bound, node.integers("bias")),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """OH * OW * O * KH * KW * C / groups multiply-accumulates, run by run."""
    x, w = (value.type for value in inputs)
    result = outputs[0].type
    filters, height, width, depth = w.shape
    groups = node.integer("groups")
    macs = cost.elements(result, height * width * depth)
    counts: cost.Work
    if 1 < groups == filters == x.shape[3]:
        counts = {"mac_grouped": macs}
        runs, finished = height * width + 3, 1
    elif groups > 1:
        counts = {"mac_general": macs}
        runs, finished = 2 * (groups * height * width + 1), 2
    elif in_tiles(node, x, w, result.shape[2]):
        counts = {"mac_conv": macs}
        runs, finished = height + 2, 1
    else:
        counts = cost.wide_macs(macs, x, w)
        runs, finished = _runs(node, height, width, depth), 2
    return {
        **counts,
        "weight_bytes": cost.constant(w.size(1)),
        "element_heavy": cost.elements(result, finished),
        "rows": cost.rows(result, runs),
    }


def in_tiles(node: Node, x: TensorType, w: TensorType, columns: int) -> bool:
    """Say whether 16 filters by 4 elements at a time pay, for rows of `columns` results.

    At most five of six products may be padding, and the part of x that a row of results reads may
    be no more than x explains.
    """
    filters, height, width, depth = w.shape
    run = depth * (width if dilations_of(node)[1] == 1 else 1)
    size = height * width * depth
    padded = -(-filters // 16) * 16 * (size // run) * -(-run // 4) * 4
    down, right = dilations_of(node)
    reach = (height - 1) * down + 1
    across = (columns - 1) * node.integers("strides")[1] + (width - 1) * right + 1
    pixel = x.shape[3] * x.dtype.itemsize
    fits = reach * across * pixel <= 2**18 + 8 * x.shape[1] * x.shape[2] * pixel
    return cost.narrow(x, w) and size >= 8 and padded <= 6 * filters * size and fits


def _runs(node: Node, height: int, width: int, depth: int) -> int:
    """Count the runs of a window: its rows, or its places where dilation pulls them apart."""
    if dilations_of(node)[1] == 1:
        return height * (4 + min(width * depth, 16) // 3)
    return height + height * width // 2


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Add one tap of the kernel at a time; padding is never materialized."""
    x, w = (array.astype(np.int64) for array in arrays)
    filters, height, width, depth = w.shape
    groups = node.integer("groups")
    rows, columns = axes(node, x.shape, (height, width), dilations_of(node))
    shape = (x.shape[0], rows.output, columns.output, groups, filters // groups)
    accumulator = np.zeros(shape, dtype=np.int64)
    grouped = x.reshape(*x.shape[:3], groups, depth)
    matrices = w.reshape(groups, filters // groups, height, width, depth)
    for p in rows.taps():
        for q in columns.taps():
            source = grouped[:, p.reads, q.reads]
            accumulator[:, p.writes, q.writes] += np.einsum(
                "nijgk,gok->nijgo", source, matrices[:, :, p.index, q.index]
            )
    accumulator = accumulator.reshape(*shape[:3], filters)
    if bias := node.integers("bias"):
        accumulator += np.array(bias, dtype=np.int64)
    return (apply_rescale(node, accumulator, outputs[0]),)


CONV2D = Operator(
    name="CONV2D",
    code=0x0102,
    arity=(2, 2),
    fields=(
        *WINDOW_FIELDS,
        Field(name="dilations", element="u16", count=2),
        Field(name="groups", element="u32"),
        Field(name="bias", element="i32", count=LIST),
        *RESCALE_FIELDS,
    ),
    infer=infer,
    work=work,
    reference=reference,
)
