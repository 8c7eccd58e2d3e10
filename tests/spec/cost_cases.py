"""M-15 operator by operator: counts written out as products of the sizes they are made of."""

from __future__ import annotations

from typing import Any

from tests.spec.movement_cases import cut, divide_by, over
from tests.spec.operator_cases import HALF, I8, I16, I32, IDENTITY, WINDOW, Case
from tests.spec.product_cases import select, transposed
from tests.spec.refusal_cases import SYMBOLIC, value


def counted(operator: str, attributes: Case, inputs: tuple[Case, ...], **counts: Any) -> Case:
    """Make a case; a count that is one number does not depend on n."""
    polynomials = {
        name: [count, 0, 0] if isinstance(count, int) else count for name, count in counts.items()
    }
    case = {"operator": operator, "attributes": attributes, "inputs": list(inputs)}
    return {"rule": "M-15", **case, "counts": polynomials}


def cost_cases() -> list[Case]:
    x, many, image = value(I8, 2, 5), value(I8, SYMBOLIC, 5), value(I8, 1, 6, 7, 4)
    word = value(I16, 5)
    conv = {"dilations": [1, 1], "groups": 1, "bias": [], **HALF, **WINDOW}
    pool = {"kernel": [2, 3], **WINDOW}
    pad = {"before": [0, 1], "after": [0, 2], "value": 0}
    boxes = (value(I16, 9, 4), value(I8, 9))
    return [
        counted(
            "CONV2D",
            conv,
            (image, value(I8, 3, 2, 2, 4)),
            mac_conv=5 * 6 * 3 * 2 * 2 * 4,
            weight_bytes=3 * 2 * 2 * 4,
            element_heavy=5 * 6 * 3,
            rows=5 * 6 * (2 + 2),
        ),
        # 16 filters of 8 would be 6 of 7 for nothing; so would rows of 3 in fours.
        counted(
            "CONV2D",
            conv,
            (image, value(I8, 2, 2, 2, 4)),
            mac_general=5 * 6 * 2 * 2 * 2 * 4,
            weight_bytes=2 * 2 * 2 * 4,
            element_heavy=2 * 5 * 6 * 2,
            rows=5 * 6 * 2 * (4 + 8 // 3),
        ),
        counted(
            "CONV2D",
            {**conv, "dilations": [1, 3]},
            (value(I8, 1, 6, 7, 1), value(I8, 8, 2, 2, 1)),
            mac_general=5 * 4 * 8 * 2 * 2,
            weight_bytes=8 * 2 * 2,
            element_heavy=2 * 5 * 4 * 8,
            rows=5 * 4 * (2 + 2 * 2 // 2),
        ),
        counted(
            "CONV2D",
            conv,
            (value(I32, 1, 6, 7, 4, low=-9, high=9), value(I8, 3, 2, 2, 4)),
            mac_general=2 * 5 * 6 * 3 * 2 * 2 * 4,
            weight_bytes=3 * 2 * 2 * 4,
            element_heavy=2 * 5 * 6 * 3,
            rows=5 * 6 * 2 * (4 + 8 // 3),
        ),
        # A row of results reads 2,001 x 2,001 places of an image of 6 x 7.
        counted(
            "CONV2D",
            {**conv, "padding": [2_000] * 4, "dilations": [2_000, 2_000]},
            (image, value(I8, 3, 2, 2, 4)),
            mac_general=2006 * 2007 * 3 * 2 * 2 * 4,
            weight_bytes=3 * 2 * 2 * 4,
            element_heavy=2 * 2006 * 2007 * 3,
            rows=2006 * 2007 * (2 + 2 * 2 // 2),
        ),
        *(
            counted(
                "GEMM",
                {"bias": [], **HALF},
                (value(left, 2, 5, low=-9, high=9), value(right, 3, 5)),
                **{name: count * 2 * 3 * 5},
                weight_bytes=3 * 5 * (2 if right == I16 else 1),
                element_heavy=2 * 3,
                rows=2 * 2,
            )
            for left, right, name, count in (
                (I16, I8, "mac_gemm", 1),
                (I8, I16, "mac_general", 1),
                (I32, I8, "mac_general", 2),
            )
        ),
        counted(
            "CONV2D",
            {**conv, "groups": 2},
            (image, value(I8, 6, 2, 2, 2)),
            mac_general=5 * 6 * 6 * 2 * 2 * 2,
            weight_bytes=6 * 2 * 2 * 2,
            element_heavy=2 * 5 * 6 * 6,
            rows=5 * 6 * 2 * (2 * 2 * 2 + 1),
        ),
        counted(
            "CONV2D",
            {**conv, "groups": 4},
            (image, value(I8, 4, 2, 2, 1)),
            mac_grouped=5 * 6 * 4 * 2 * 2,
            weight_bytes=4 * 2 * 2,
            element_heavy=5 * 6 * 4,
            rows=5 * 6 * (2 * 2 + 3),
        ),
        counted(
            "CONV2D",
            {**conv, "groups": 4},
            (image, value(I8, 8, 2, 2, 1)),
            mac_general=5 * 6 * 8 * 2 * 2,
            weight_bytes=8 * 2 * 2,
            element_heavy=2 * 5 * 6 * 8,
            rows=5 * 6 * 2 * (4 * 2 * 2 + 1),
        ),
        counted("MAX_POOL2D", pool, (image,), element_cheap=4 * 5 * 5 * 4 * 2 * 3, rows=3 * 5 * 5),
        counted(
            "MAX_POOL2D",
            pool,
            (value(I8, 1, 6, 7, 128),),
            element_cheap=5 * 5 * 128 * 2 * 3,
            rows=3 * 5 * 5,
        ),
        counted(
            "AVG_POOL2D",
            {**pool, "count_padding": 0},
            (value(I8, 1, 6, 7, 128),),
            element_copy=5 * 5 * 128 * 2 * 3,
            element_heavy=5 * 5 * 128,
            rows=5 * 5 * (6 + 3),
        ),
        counted(
            "AVG_POOL2D",
            {**pool, "count_padding": 0},
            (image,),
            element_cheap=5 * 5 * 4 * 2 * 3,
            element_heavy=5 * 5 * 4,
            rows=5 * 5 * (6 + 3),
        ),
        counted(
            "MATMUL",
            {"transpose_b": 0, **HALF},
            (many, value(I8, 5, 3)),
            mac_general=[0, 3 * 5, 0],
            element_copy=[5 * 3, 5, 0],
            element_cheap=2 * 5 * 3,
            element_heavy=[0, 3, 0],
            rows=[0, 3, 0],
        ),
        counted(
            "CONV_TRANSPOSE2D",
            transposed(),
            (image, value(I8, 3, 2, 2, 4)),
            mac_general=6 * 7 * 4 * 2 * 2 * 3,
            weight_bytes=3 * 2 * 2 * 4,
            element_copy=6 * 7 * 2 * 2 * (4 + 3),
            element_wide=12 * 14,
            element_heavy=2 * 12 * 14 * 3,
            rows=6 * 7 * 2 * 2 * (5 + 1) + 500,
        ),
        counted(
            "CONV_TRANSPOSE2D",
            transposed(groups=2),
            (value(I8, SYMBOLIC, 6, 7, 4), value(I8, 6, 2, 2, 2)),
            mac_general=[0, 6 * 7 * 4 * 2 * 2 * 3, 0],
            weight_bytes=6 * 2 * 2 * 2,
            element_copy=[0, 6 * 7 * 2 * 2 * (4 + 6), 0],
            element_wide=[0, 12 * 14, 0],
            element_heavy=[0, 2 * 12 * 14 * 6, 0],
            rows=[500, 6 * 7 * 2 * 2 * (5 + 2), 0],
        ),
        *(counted(name, {}, (many,), element_cheap=[0, 5, 0]) for name in ("NEGATE", "ABS")),
        counted("BIT_LENGTH", {}, (many,), element_cheap=[0, 5, 0]),
        counted("MAXIMUM", {}, (x, value(I8, 5)), element_copy=10),
        counted("MINIMUM", {}, (many, value(I8, 5)), element_copy=[0, 5, 0]),
        counted("COMPARE", {"relation": 2}, (x, word), element_copy=10),
        counted("WHERE", {}, (x, word, word), element_cheap=10, rows=4_000),
        counted(
            "DIVIDE", divide_by(0), (many, word), element_wide=[0, 5, 0], element_heavy=[0, 5, 0]
        ),
        counted(
            "GATHER",
            {"axis": 0},
            (x, value(I8, SYMBOLIC)),
            element_copy=[0, 5, 0],
            element_cheap=[0, 1, 0],
        ),
        counted(
            "GATHER",
            {"axis": 1},
            (x, value(I8, SYMBOLIC)),
            element_copy=[0, 2 * 2, 0],
            element_cheap=[0, 1, 0],
        ),
        *(
            counted("TRANSPOSE", {"permutation": order}, (image,), element_copy=count)
            for order, count in (([1, 0, 2, 3], 168), ([0, 3, 1, 2], 3 * 168))
        ),
        counted("SLICE", cut([0, 0], [1, 3], [1, 1]), (x,), element_copy=3),
        counted("PAD", pad, (many,), element_copy=[0, 8, 0]),
        counted("UPSAMPLE", {"scales": [2, 3]}, (image,), element_copy=2 * 6 * 2 * 7 * 3 * 4),
        counted("TILE", {"repetitions": [2, 2]}, (x,), element_copy=3 * 40),
        counted("TILE", {"repetitions": [2, 2]}, (value(I8, 2, 8),), element_copy=64),
        counted("REPEAT", {"axis": 0, "count": 3}, (value(I8, 2, 8),), element_copy=48),
        counted("REPEAT", {"axis": 1, "count": 3}, (value(I8, 2, 8),), element_copy=2 * 48),
        counted(
            "SUM",
            {**over(0), **IDENTITY},
            (many,),
            element_copy=[0, 5, 0],
            element_heavy=5,
            rows=[0, 1, 0],
        ),
        counted(
            "MEAN",
            over(1),
            (many,),
            element_copy=[0, 5, 0],
            element_heavy=[0, 3, 0],
            rows=[0, 1, 0],
        ),
        *(
            counted(name, over(0), (x,), element_copy=10, element_cheap=10, rows=2)
            for name in ("MAX", "MIN")
        ),
        *(counted(name, over(1), (x,), element_copy=10, rows=2) for name in ("MAX", "MIN")),
        counted("MAX", over(1), (value(I8, 5, 1),), element_copy=5, rows=1),
        counted(
            "RESCALE",
            {**HALF, "multipliers": [1] * 5, "shifts": [1] * 5},
            (x,),
            element_cheap=20,
            rows=16,
        ),
        counted(
            "NON_MAX_SUPPRESSION",
            select(0, 0, 3),
            boxes,
            comparison=9 * 4 // 5,
            element_cheap=2 * 9 * 3,
        ),
        counted(
            "VALID_ROWS",
            {"column": 0, "threshold": 0},
            (many,),
            element_copy=[0, 5, 0],
            rows=[0, 1, 0],
        ),
        counted("ARGMAX", {"axis": 1}, (value(I32, 3, 4),), element_cheap=12, rows=3),
    ]
