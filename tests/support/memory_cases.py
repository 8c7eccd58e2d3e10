"""Legal models that want much memory for what they declare: one operator each, worst shapes.

Widest results of small operands, longest rows, one channel, windows that are mostly gaps, products
that fill panels with zeros, sequences at their bound. `scale` is about the largest tensor's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, Model
from benchmarks.gas_cases import (
    FULL,
    PAIR,
    RESCALED,
    TO_I8,
    Case,
    many_boxes,
    model_of,
    per_channel,
    w,
    x,
)

I16, I32, U8 = DType.I16, DType.I32, DType.U8
Fields = Mapping[str, object]
WIDE: Fields = {**RESCALED, "shifts": (50,)}
CLAMP32: Fields = {"dtype": 3, "minimum": -(2**31), "maximum": 2**31 - 1}
ATTENTION: Fields = {
    "heads": 1, "kv_heads": 1, "causal": 0, "probability_bits": 8, "multiplier": 2**30,
    "shift": 33, **RESCALED, "shifts": (38,),
}  # fmt: skip


def memory_cases(scale: int) -> Iterator[tuple[str, Model, int]]:
    """Yield a name, a model and the n of the call."""
    for case in (*pointwise(scale), *movement(scale), *products(scale), *windows(scale),
                 *rows(scale)):  # fmt: skip
        yield f"{case[0]} {case[1]}", model_of(case), 1
    for case in sequences():
        # Sequences at their bound, which is above the 65,536 keys that a fixed shape may have.
        made = model_of(case)
        manifest = replace(made.manifest, maximum_units=scale // 4)
        yield f"{case[0]} {case[1]} n", replace(made, manifest=manifest), scale // 4


def pointwise(scale: int) -> Iterator[Case]:
    side = 1 << (scale.bit_length() // 2)
    row, column, whole = x(1, side), x(scale // side, 1), (scale // side, side)
    for name, a, b in (("spread", column, row), ("alike", x(*whole), x(*whole))):
        yield "ADD", name, (a, b), {**PAIR, **TO_I8}
        yield "MUL", name, (a, b), {"multiplier": 2**30, "shift": 38, **TO_I8}
        yield "DIVIDE", name, (a, b), {"shift": 8, "rounding": 0, **TO_I8}
        yield "COMPARE", name, (a, b), {"relation": 2}
        yield "MAXIMUM", name, (a, b), {}
        yield "WHERE", name, (a, b, w(1)), {}
    yield "ADD", "i32", (x(*whole, dtype=I32),) * 2, {**PAIR, **CLAMP32}
    yield "RESCALE", "plain", (x(*whole),), RESCALED
    yield "CLAMP", "plain", (x(*whole),), {"minimum": 0, "maximum": 6}
    yield "TABLE8", "plain", (x(*whole),), {"dtype": 1, "table": tuple(range(-128, 128))}
    fields: Fields = {"table": tuple(range(-256, 257)), **RESCALED, "shifts": (46,)}
    yield "TABLE16", "plain", (x(*whole, dtype=I16),), fields
    for operator in ("ABS", "BIT_LENGTH"):
        yield operator, "plain", (x(*whole),), {}


def movement(scale: int) -> Iterator[Case]:
    many = x(scale // 4, dtype=I32, low=0, high=1)
    half = 1 << (scale.bit_length() // 2 - 1)
    image = (1, scale // half // 4, half, 4)
    yield "TRANSPOSE", "plain", (x(*image),), {"permutation": (3, 2, 1, 0)}
    yield "CONCAT", "plain", (x(*image), x(*image)), {"axis": 3}
    fields: Fields = {"starts": (0, 0, 0, 3), "sizes": image, "strides": (1, 1, 1, -1)}
    yield "SLICE", "plain", (x(*image),), fields
    sides: Fields = {"before": (0, half, half // 2, 0), "after": (0, 0, half // 2, 0), "value": 1}
    yield "PAD", "plain", (x(1, 1, 1, 4),), sides
    yield "TILE", "plain", (x(1, 2, 2, 1),), {"repetitions": (1, half, scale // half // 8, 2)}
    yield "REPEAT", "plain", (x(1, 2, 2, 1),), {"axis": 2, "count": scale // 4}
    yield "UPSAMPLE", "plain", (x(1, 1, 1, 4),), {"scales": (half, scale // half // 4)}
    yield "GATHER", "rows", (w(2, 4), many), {"axis": 0}
    yield "GATHER", "columns", (x(4, 2), many), {"axis": 1}
    position = x(1, dtype=I32, low=0, high=9)
    yield "UPDATE_ROWS", "plain", (x(half, scale // half), x(1, scale // half), position), {}


def products(scale: int) -> Iterator[Case]:
    side = 1 << (scale.bit_length() // 2)
    yield "GEMM", "thin", (x(scale, 1), w(1, 1)), {"bias": (), **RESCALED}
    yield "GEMM", "of depth 1", (x(1, 1), w(scale, 1)), {"bias": (), **RESCALED}
    yield "GEMM", "of 1 unit", (x(1, 2**16), w(1, 2**16)), {"bias": (), **WIDE}
    yield "GEMM", "outer", (x(side, 1), w(side, 1)), {"bias": (), **per_channel(side)}
    yield "GEMM", "two inputs", (x(16, side), x(scale // side, side)), {"bias": (), **WIDE}
    factor = x(side, 1, dtype=I32, low=1, high=32_767)
    fields: Fields = {"bias": (), **RESCALED, "shifts": (36,)}
    yield "GEMM_DYNAMIC", "plain", (x(side, 4), factor, w(scale // side, 4)), fields
    yield "MATMUL", "thin", (x(scale // 4, 1, 4), x(scale // 4, 4, 1)), {"transpose_b": 0, **WIDE}
    yield "MATMUL", "outer", (x(side, 1), x(1, scale // side)), {"transpose_b": 0, **WIDE}
    keys = 2**16
    yield "ATTENTION", "thin heads", (x(4, 1), x(keys, 1), x(keys, 1)), ATTENTION
    yield "ATTENTION", "many keys", (x(1, 64), x(keys, 64), x(keys, 64)), ATTENTION
    few = x(16, 16)
    yield "ATTENTION", "many queries", (x(scale // 16, 16), few, few), ATTENTION


def convolution(**changes: object) -> Fields:
    fields: Fields = {
        "strides": (1, 1),
        "padding": (0,) * 4,
        "dilations": (1, 1),
        "groups": 1,
        "bias": (),
    }
    return {**fields, **WIDE, **changes}


def windows(scale: int) -> Iterator[Case]:
    side = 1 << (scale.bit_length() // 2 - 1)
    image = (1, side, scale // side // 4, 4)
    single = (1, side, scale // side, 1)
    around: Fields = {"padding": (1,) * 4}
    yield "CONV2D", "3 x 3", (x(*image), w(4, 3, 3, 4)), convolution(**around)
    yield "CONV2D", "one channel", (x(*single), w(1, 3, 3, 1)), convolution(**around)
    yield "CONV2D", "each channel", (x(*image), w(4, 3, 3, 1)), convolution(groups=4, **around)
    yield "CONV2D", "a long row", (x(1, 1, scale // 4, 1), w(1, 1, 256, 1)), convolution()
    yield "CONV2D", "two inputs", (x(1, 16, 16, 64), x(64, 3, 3, 64)), convolution()
    # Two rows of a window far apart: the rows between them are read by nobody.
    apart: Fields = convolution(
        padding=(16_383, 0, 16_383, 0), strides=(65_535, 1), dilations=(16_383, 1)
    )
    yield "CONV2D", "rows far apart", (x(1, 1, 4_096, 1), w(1, 2, 1, 1)), apart
    gaps: Fields = convolution(
        padding=(32_767,) * 4, strides=(65_535,) * 2, dilations=(32_767,) * 2
    )
    # One filter is a convolution of each channel, several are not.
    for filters in (1, 16):
        yield "CONV2D", f"mostly gaps {filters}", (x(1, 1, 1, 1), w(filters, 3, 3, 1)), gaps
    many = scale // 8
    pair = (x(1, 1, 1, 2 * many), w(many, 1, 1, 2))
    yield "CONV2D", "many groups", pair, convolution(groups=many)
    narrow = x(1, 128, 128, 1, low=0, high=1)
    yield "CONV2D", "one large window", (narrow, w(1, 128, 128, 1)), convolution()
    grown: Fields = {"output_padding": (0, 0)}
    yield (
        "CONV_TRANSPOSE2D", "2 x 2", (x(1, side, side // 2, 1), w(4, 2, 2, 1)),
        convolution(strides=(2, 2), **grown),
    )  # fmt: skip
    yield (
        "CONV_TRANSPOSE2D", "many phases", (x(1, 4, 4, 1), w(scale // 1024, 1, 1, 1)),
        convolution(strides=(8, 8), **grown),
    )  # fmt: skip
    yield (
        "CONV_TRANSPOSE2D", "mostly gaps", (x(1, 1, 1, 1), w(1, 2, 2, 1)),
        convolution(dilations=(side, side), **grown),
    )  # fmt: skip
    pool: Fields = {"kernel": (3, 3), "strides": (1, 1), "padding": (1,) * 4}
    yield "MAX_POOL2D", "plain", (x(*single),), pool
    yield "AVG_POOL2D", "plain", (x(*single),), {**pool, "count_padding": 0}


def rows(scale: int) -> Iterator[Case]:
    long, wide = (1, scale), (scale // 4, 4)
    soft: Fields = {"multiplier": 2**30, "shift": 30, "one": 127, "dtype": 1}
    for name, shape in (("one row", long), ("short rows", wide)):
        yield "SOFTMAX", name, (x(*shape),), soft
        yield "DYNAMIC_QUANTIZE", name, (x(*shape),), {}
        yield "TOP_K", name, (x(*shape),), {"k": shape[1]}
        yield "ARGMAX", name, (x(*shape),), {"axis": 1}
        yield "SUM", name, (x(*shape),), {"axes": (0,), "keep": 0, **RESCALED}
    norm: Fields = {"gamma": (500,), "epsilon": 5, "shift": 20, **TO_I8}
    yield "RMS_NORM", "plain", (x(*wide),), norm
    yield "LAYER_NORM", "plain", (x(scale // 4096, 4096),), {**norm, "beta": ()}
    tables = (w(512, 8, dtype=I16),) * 2
    yield "ROPE", "plain", (x(scale // 16, 16), *tables), {"interleaved": 1}
    logits = x(scale // 4, dtype=I32, low=-100, high=100)
    seeds = (x(32, dtype=U8), x(1, dtype=I32, low=0, high=99))
    fields: Fields = {"top_k": scale // 4, "multiplier": 2**30, "shift": 50}
    yield "SAMPLE", "plain", (logits, *seeds), fields
    boxes = x(scale // 16, 4, dtype=I16, low=0, high=30_000)
    fields = {"score_threshold": -129, "iou_threshold": 30_000, "maximum_outputs": 8}
    yield "NON_MAX_SUPPRESSION", "plain", (boxes, x(scale // 16)), fields
    yield "VALID_ROWS", "plain", (x(scale // 2, 2),), {"column": 0, "threshold": 0}


def sequences() -> Iterator[Case]:
    keys = x(SYMBOLIC, 8)
    yield "ATTENTION", "keys", (x(1, 8), keys, keys), ATTENTION
    thin = x(SYMBOLIC, 1)
    yield "ATTENTION", "thin keys", (x(1, 1), thin, thin), ATTENTION
    yield "MATMUL", "plain", (x(2, 4), x(SYMBOLIC, 4)), {"transpose_b": 1, **WIDE}
    yield "GEMM", "plain", (x(SYMBOLIC, 4), w(4, 4)), {"bias": (), **WIDE}
    soft: Fields = {"multiplier": 2**30, "shift": 30, "one": 127, "dtype": 1}
    yield "SOFTMAX", "plain", (x(1, SYMBOLIC),), soft
    yield "SUM", "plain", (x(SYMBOLIC, 4),), {"axes": (0,), "keep": 1, **RESCALED}
    yield "CLAMP", "plain", (x(SYMBOLIC, 4),), FULL


def input_at(model: Model, n: int) -> bytes:
    """Draw an input of n units inside the declared ranges."""
    if model.graph.nodes[0].operator == "NON_MAX_SUPPRESSION":
        return many_boxes(model)
    random = np.random.default_rng(1)
    return b"".join(
        random.integers(
            port.minimum, port.maximum, port.type.elements(n), port.dtype.numpy, endpoint=True
        ).tobytes()
        for port in model.manifest.inputs
    )
