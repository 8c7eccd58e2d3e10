"""Self-test cases of element-wise choices, movement, reductions, activations' products and boxes."""

from __future__ import annotations

from ai_ops.backends.selftest_case import Case, rescaled
from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, AttributeValue
from ai_ops.operators import make_node

Shape = tuple[int, ...]


def _case(operator: str, *types: tuple[DType, Shape], **attributes: AttributeValue) -> Case:
    return Case(node=make_node(operator, tuple(range(len(types))), **attributes), types=types)


def _matmul(x: DType, a: Shape, b: Shape, turned: int, columns: int, out: DType) -> Case:
    fields = rescaled(columns, 40, out)
    return _case("MATMUL", (x, a), (DType.I8, b), transpose_b=turned, **fields)


def _conv_transpose(channels: int, filters: int, groups: int, dilation: int, stride: int) -> Case:
    node = make_node(
        "CONV_TRANSPOSE2D",
        (0, 1),
        strides=(stride, 2),
        padding=(1, 0, 0, 1),
        output_padding=(stride - 1, 1),
        dilations=(1, dilation),
        groups=groups,
        bias=tuple(range(filters)),
        **rescaled(filters, 40, DType.I8),
    )
    x, w = (2, 5, 4, channels), (filters, 3, 2, channels // groups)
    return Case(node=node, types=((DType.I8, x), (DType.I8, w)), weight=True)


def _divide(shift: int, rounding: int, a: DType, b: DType, out: DType) -> Case:
    clamp = {"dtype": out.code, "minimum": out.minimum, "maximum": out.maximum}
    return _case("DIVIDE", (a, (3, 41)), (b, (41,)), shift=shift, rounding=rounding, **clamp)


def _boxes(threshold: int, *classes: tuple[DType, Shape]) -> Case:
    return _case(
        "NON_MAX_SUPPRESSION",
        (DType.I16, (37, 4)),
        (DType.I8, (37,)),
        *classes,
        score_threshold=-100,
        iou_threshold=threshold,
        maximum_outputs=20,
    )


BYTES, WORDS, WIDE = (DType.I8, (3, 67)), (DType.I16, (3, 67)), (DType.I32, (3, 67))
UNSIGNED = (DType.U8, (3, 67))
IMAGE = (DType.I8, (2, 5, 4, 7))

LINE_CASES = (
    _matmul(DType.I8, (2, 3, 70), (2, 70, 9), 0, 9, DType.I8),
    _matmul(DType.I16, (2, 1, 2, 33), (3, 9, 33), 1, 9, DType.I32),
    _conv_transpose(6, 16, 1, 1, 2),
    _conv_transpose(6, 4, 2, 3, 1),  # few filters, many gaps
    _conv_transpose(6, 6, 6, 1, 3),  # depthwise
    *(_divide(0, rounding, DType.I16, DType.I8, DType.I16) for rounding in range(3)),
    *(_divide(29, rounding, DType.I32, DType.I32, DType.I32) for rounding in range(3)),
    *(_case(name, given) for name in ("NEGATE", "ABS") for given in (BYTES, WORDS, WIDE)),
    *(_case("BIT_LENGTH", given) for given in (BYTES, UNSIGNED, WORDS, WIDE)),
    *(_case(name, WORDS, WORDS) for name in ("MAXIMUM", "MINIMUM")),
    *(_case("COMPARE", BYTES, UNSIGNED, relation=relation) for relation in range(6)),
    _case("WHERE", BYTES, WORDS, (DType.I16, (67,))),
    _case("SUM", IMAGE, axes=(1, 2), keep=0, **rescaled(7, 34, DType.I8)),
    _case("SUM", IMAGE, axes=(1, 3), keep=1, **rescaled(1, 34, DType.I32)),
    _case("SUM", (DType.I32, (SYMBOLIC, 9)), axes=(0,), keep=0, **rescaled(9, 40, DType.I16)),
    _case("SUM", BYTES, axes=(1,), keep=0, **rescaled(1, 34, DType.I16)),
    *(_case("MEAN", IMAGE, axes=axes, keep=0) for axes in ((1, 2), (3,), (0, 2))),
    *(_case(name, IMAGE, axes=(1, 2), keep=0) for name in ("MAX", "MIN")),
    _case("GATHER", (DType.I16, (9, 5)), (DType.I8, (33,)), axis=0),
    _case("SLICE", IMAGE, starts=(1, 0, 3, 6), sizes=(1, 2, 4, 3), strides=(1, 3, -1, -2)),
    _case("PAD", IMAGE, before=(0, 1, 2, 0), after=(1, 0, 3, 1), value=-128),
    _case("UPSAMPLE", IMAGE, scales=(2, 3)),
    _case("TILE", BYTES, repetitions=(2, 3)),
    _case("REPEAT", BYTES, axis=1, count=3),
    _boxes(20_000),
    _boxes(0, (DType.I32, (37,))),
    _case("VALID_ROWS", (DType.I8, (37, 5)), column=3, threshold=-7),
)
