"""CONV_TRANSPOSE2D: every element of x adds its multiple of a filter to a window of the result.

It is the adjoint of CONV2D: element i of x is window i of a convolution over the result. Hence
the same geometry serves both. Source: docs/spec/02-operators.md O-21.
"""

from __future__ import annotations

import numpy as np

from ai_ops import cost
from ai_ops.dtype import Array
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Node, Value
from ai_ops.ops.conv2d import dilations_of
from ai_ops.ops.definition import LIST, Field, Operator
from ai_ops.ops.epilogue import (
    RESCALE_FIELDS,
    apply_rescale,
    check_channels,
    infer_rescaled,
)
from ai_ops.ops.window import WINDOW_FIELDS, Axis, check_image, check_window

TAP_ROWS = 5
# And finding which taps meet which results, once in a call.
CALL_ROWS = 500


def grown(node: Node, shape: tuple[int, ...], kernel: tuple[int, int]) -> tuple[Axis, Axis]:
    """Return the windows of a checked node over its result, for an input (N, H, W, C)."""
    strides, padding = node.integers("strides"), node.integers("padding")
    dilations, extra = dilations_of(node), node.integers("output_padding")
    rows, columns = (
        Axis(
            size=(shape[1 + at] - 1) * strides[at]
            + (kernel[at] - 1) * dilations[at]
            + 1
            + extra[at]
            - padding[at]
            - padding[2 + at],
            kernel=kernel[at],
            stride=strides[at],
            dilation=dilations[at],
            before=padding[at],
            after=padding[2 + at],
        )
        for at in (0, 1)
    )
    return rows, columns


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take x (N, H, W, C) and w (O, KH, KW, C / groups) to (N, OH, OW, O)."""
    x, w = inputs
    if len(w.type.shape) != 4 or w.type.symbolic:
        raise InvalidModel(
            ModelFault.SHAPE, "CONV_TRANSPOSE2D: w must be fixed (O, KH, KW, C / groups)"
        )
    filters, height, width, depth = w.type.shape
    check_image(node, x)
    check_window(node, (height, width), dilations_of(node))
    rows, columns = grown(node, x.type.shape, (height, width))
    extra = node.integers("output_padding")
    if extra[0] >= rows.stride or extra[1] >= columns.stride:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE, "CONV_TRANSPOSE2D: output_padding reaches the stride"
        )
    if min(rows.size, columns.size) < 1:
        raise InvalidModel(ModelFault.SHAPE, "CONV_TRANSPOSE2D: padding leaves no result")
    groups = node.integer("groups")
    if groups < 1 or filters % groups or x.type.shape[3] != depth * groups:
        raise InvalidModel(
            ModelFault.SHAPE,
            f"CONV_TRANSPOSE2D: {groups} groups do not divide {x.type.shape[3]} input channels "
            f"into {depth} each and {filters} filters evenly",
        )
    check_channels(node, "bias", (0, filters))
    bound = height * width * depth * x.magnitude * w.magnitude
    shape = (x.type.shape[0], rows.size, columns.size, filters)
    return (infer_rescaled(node, shape, -bound, bound, node.integers("bias")),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """H * W * O * KH * KW * C / groups multiply-accumulates; a tap reads C and writes O elements."""
    x, w = (value.type for value in inputs)
    filters, height, width, _ = w.shape
    groups = node.integer("groups")
    channels = x.shape[3]
    moved = cost.elements(x, height * width * (channels + filters))
    c0, c1, c2 = (count // channels for count in moved)
    # Each pixel of the result asks which taps reach it.
    p0, p1, p2 = (count // filters for count in cost.elements(outputs[0].type))
    return {
        "mac_general": cost.elements(x, height * width * filters // groups),
        "weight_bytes": cost.constant(w.size(1)),
        "element_copy": (c0, c1, c2),
        "element_wide": (p0, p1, p2),
        "element_heavy": cost.elements(outputs[0].type, 2),
        "rows": cost.plus(
            cost.rows(x, height * width * (TAP_ROWS + groups)), cost.constant(CALL_ROWS)
        ),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Add one tap of the kernel at a time, where it falls inside the result."""
    x, w = (array.astype(np.int64) for array in arrays)
    filters, height, width, depth = w.shape
    groups = node.integer("groups")
    rows, columns = grown(node, x.shape, (height, width))
    shape = (x.shape[0], rows.size, columns.size, groups, filters // groups)
    accumulator = np.zeros(shape, dtype=np.int64)
    grouped = x.reshape(*x.shape[:3], groups, depth)
    matrices = w.reshape(groups, filters // groups, height, width, depth)
    for p in rows.taps():
        for q in columns.taps():
            # Positions that a convolution over the result would read are those written here.
            accumulator[:, p.reads, q.reads] += np.einsum(
                "nijgk,gok->nijgo",
                grouped[:, p.writes, q.writes],
                matrices[:, :, p.index, q.index],
            )
    accumulator = accumulator.reshape(*shape[:3], filters)
    if bias := node.integers("bias"):
        accumulator += np.array(bias, dtype=np.int64)
    return (apply_rescale(node, accumulator, outputs[0]),)


CONV_TRANSPOSE2D = Operator(
    name="CONV_TRANSPOSE2D",
    code=0x0104,
    arity=(2, 2),
    fields=(
        *WINDOW_FIELDS,
        Field(name="output_padding", element="u16", count=2),
        Field(name="dilations", element="u16", count=2),
        Field(name="groups", element="u32"),
        Field(name="bias", element="i32", count=LIST),
        *RESCALE_FIELDS,
    ),
    infer=infer,
    work=work,
    reference=reference,
)
