"""One-operator models for measuring gas: every operator, ordinary and awkward shapes.

Awkward are the shapes in which time does not follow the number of elements: rows of one or four
elements, one channel, tiny windows, windows over padding, long strides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ai_ops.dtype import DType
from ai_ops.graph import Graph, Model, Port, TensorType, Value
from ai_ops.model import build_model
from ai_ops.operators import OPERATORS, make_node

I8, I16, I32, U8 = DType.I8, DType.I16, DType.I32, DType.U8
FULL = {"minimum": -128, "maximum": 127}
TO_I8 = {"dtype": 1, **FULL}
RESCALED = {"multipliers": (2**30,), "shifts": (40,), **TO_I8}
PAIR = {"multiplier_a": 2**30, "shift_a": 31, "multiplier_b": 2**30, "shift_b": 31}
PLAIN = {"strides": (1, 1), "padding": (0, 0, 0, 0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operand:
    """An input: dtype, shape, interval, and whether it is a weight."""

    dtype: DType
    shape: tuple[int, ...]
    low: int
    high: int
    weight: bool = False


def x(*shape: int, dtype: DType = I8, low: int | None = None, high: int | None = None) -> Operand:
    low = dtype.minimum if low is None else low
    return Operand(dtype=dtype, shape=shape, low=low, high=dtype.maximum if high is None else high)


def w(*shape: int, dtype: DType = I8) -> Operand:
    return Operand(dtype=dtype, shape=shape, low=dtype.minimum, high=dtype.maximum, weight=True)


Case = tuple[str, str, tuple[Operand, ...], Mapping[str, object]]


def per_channel(count: int) -> dict[str, object]:
    return {**RESCALED, "multipliers": (2**30,) * count, "shifts": (40,) * count}


def products() -> Iterator[Case]:
    for rows, depth, units in (
        (1, 16, 10), (1, 256, 120), (1, 1024, 1024), (1, 4096, 4096), (128, 384, 384),
        (128, 384, 1536), (3136, 16, 16), (20_000, 1, 1), (20_000, 3, 2), (2_000, 64, 1),
        (64, 4096, 16), (1, 100_000, 1),
    ):  # fmt: skip
        name = f"{rows}x{depth}x{units}"
        yield "GEMM", name, (x(rows, depth), w(units, depth)), {"bias": (), **per_channel(units)}
    for name, left, right in (
        ("i32", x(128, 384, dtype=I32, low=-8_000, high=8_000), w(384, 384)),
        ("i16 and i16", x(128, 384, dtype=I16, low=-100, high=100), w(384, 384, dtype=I16)),
        ("two activations", x(128, 384), x(384, 384)),
        ("i16 and i8", x(128, 384, dtype=I16, low=-8_000, high=8_000), w(384, 384)),
        ("two activations, one row", x(1, 384), x(384, 384)),
    ):
        yield "GEMM", f"128x384x384 {name}", (left, right), {"bias": (), **per_channel(384)}
    for rows, depth, units in ((1, 576, 1536), (128, 384, 384), (2_000, 1, 2), (20_000, 3, 2)):
        operands = (
            x(rows, depth), x(rows, 1, dtype=I32, low=1, high=32_767), w(units, depth),
        )  # fmt: skip
        fields = {"bias": (), **per_channel(units), "shifts": (36,) * units}
        yield "GEMM_DYNAMIC", f"{rows}x{depth}x{units}", operands, fields
    for lead, rows, depth, columns, transposed in (
        ((), 128, 64, 128, 1), ((), 128, 128, 64, 0), ((12,), 64, 32, 64, 1), ((5_000,), 1, 2, 1, 0),
        ((), 1, 1024, 1024, 0), ((), 10_000, 1, 1, 0),
    ):  # fmt: skip
        b = (*lead, columns, depth) if transposed else (*lead, depth, columns)
        yield (
            "MATMUL", f"{lead} {rows}x{depth}x{columns} {transposed}",
            (x(*lead, rows, depth), x(*b)), {"transpose_b": transposed, **RESCALED},
        )  # fmt: skip
    for size, channels, filters, kernel, groups, stride in (
        (28, 1, 6, 5, 1, 1), (56, 64, 64, 3, 1, 1), (14, 256, 256, 3, 1, 1), (56, 64, 256, 1, 1, 1),
        (112, 3, 32, 3, 1, 2), (56, 96, 96, 3, 96, 1), (28, 64, 64, 3, 4, 1), (224, 1, 1, 1, 1, 1),
        (112, 1, 1, 3, 1, 1), (7, 960, 960, 3, 960, 1), (7, 960, 160, 1, 1, 1), (1, 16, 16, 1, 1, 1),
        (2, 1, 1, 1, 1, 1), (64, 4, 4, 3, 2, 1), (64, 2, 2, 1, 2, 1), (1, 960, 40, 1, 1, 1),
        (56, 16, 16, 5, 16, 2), (28, 512, 1, 3, 1, 1), (28, 64, 2, 3, 1, 1), (112, 3, 3, 1, 1, 1),
        (56, 8, 8, 1, 1, 1), (56, 1, 8, 3, 1, 1), (56, 128, 128, 1, 4, 1), (14, 16, 512, 1, 1, 1),
        (56, 4, 16, 1, 1, 1),
    ):  # fmt: skip
        pad = kernel // 2
        fields = {
            "strides": (stride, stride), "padding": (pad,) * 4, "dilations": (1, 1),
            "groups": groups, "bias": (), **per_channel(filters),
        }  # fmt: skip
        yield (
            "CONV2D", f"{kernel}x{kernel} {channels}->{filters} @{size}/{stride} g{groups}",
            (x(1, size, size, channels), w(filters, kernel, kernel, channels // groups)), fields,
        )  # fmt: skip
    for size, channels, filters, kernel, dilation in (
        (56, 64, 64, 3, 2), (28, 1, 1, 16, 4), (28, 1, 8, 16, 4), (28, 1, 32, 16, 4),
        (14, 32, 32, 9, 16), (1, 64, 64, 9, 64), (28, 1, 1, 16, 1), (28, 2, 16, 16, 1),
    ):  # fmt: skip
        pad = (kernel - 1) * dilation // 2
        fields = {
            "strides": (1, 1), "padding": (pad,) * 4, "dilations": (dilation, dilation),
            "groups": 1, "bias": (), **per_channel(filters),
        }  # fmt: skip
        yield (
            "CONV2D", f"{kernel}x{kernel}/{dilation} {channels}->{filters} @{size}",
            (x(1, size, size, channels), w(filters, kernel, kernel, channels)), fields,
        )  # fmt: skip
    for size, channels, filters, kernel, groups, stride in (
        (28, 64, 32, 2, 1, 2), (14, 128, 64, 4, 1, 2), (64, 1, 1, 2, 1, 2), (28, 16, 16, 3, 16, 2),
        (1, 4, 4, 2, 1, 2),
    ):  # fmt: skip
        fields = {
            "strides": (stride, stride), "padding": (0,) * 4, "output_padding": (0, 0),
            "dilations": (1, 1), "groups": groups, "bias": (), **per_channel(filters),
        }  # fmt: skip
        yield (
            "CONV_TRANSPOSE2D", f"{kernel}x{kernel} {channels}->{filters} @{size}/{stride} g{groups}",
            (x(1, size, size, channels), w(filters, kernel, kernel, channels // groups)), fields,
        )  # fmt: skip
    for queries, keys, heads, shared, depth in (
        (128, 128, 12, 12, 32), (1, 512, 9, 3, 64), (64, 64, 4, 4, 32), (2, 2, 1, 1, 1),
        (200, 200, 1, 1, 1), (1, 2_000, 1, 1, 1), (1_000, 1, 8, 8, 2),
    ):  # fmt: skip
        fields = {
            "heads": heads, "kv_heads": shared, "causal": 0, "probability_bits": 8,
            "multiplier": 2**30, "shift": 33, **RESCALED, "shifts": (38,),
        }  # fmt: skip
        kv = x(keys, shared * depth)
        yield (
            "ATTENTION", f"{queries}x{keys} {heads}/{shared}x{depth}",
            (x(queries, heads * depth), kv, kv), fields,
        )  # fmt: skip


SHAPES = ((16,), (1, 4_096), (56, 56, 64), (448, 448, 1), (50_000, 4))


def pointwise() -> Iterator[Case]:
    clamp32 = {"dtype": 3, "minimum": -(2**31), "maximum": 2**31 - 1}
    table = tuple(range(-128, 128))
    for shape in SHAPES:
        name = "x".join(map(str, shape))
        yield "ADD", name, (x(*shape), x(*shape)), {**PAIR, **TO_I8}
        yield "SUB", name, (x(*shape, dtype=I16), x(*shape)), {**PAIR, **TO_I8}
        yield "MUL", name, (x(*shape), x(*shape)), {"multiplier": 2**30, "shift": 38, **TO_I8}
        yield "RESCALE", name, (x(*shape),), RESCALED
        yield "RESCALE", f"{name} i32 channels", (x(*shape, dtype=I32),), per_channel(shape[-1])
        yield "CLAMP", name, (x(*shape),), {"minimum": 0, "maximum": 6}
        yield "TABLE8", name, (x(*shape),), {"dtype": 1, "table": table}
        fields = {"table": tuple(range(-256, 257)), **RESCALED, "shifts": (46,)}
        yield "TABLE16", name, (x(*shape, dtype=I16),), fields
        for operator in ("NEGATE", "ABS", "BIT_LENGTH"):
            yield operator, name, (x(*shape),), {}
        for operator in ("MAXIMUM", "MINIMUM"):
            yield operator, name, (x(*shape), x(*shape)), {}
        yield "COMPARE", name, (x(*shape), x(*shape)), {"relation": 2}
        yield "WHERE", name, (x(*shape, low=0, high=1), x(*shape), x(*shape)), {}
        yield (
            "DIVIDE", name, (x(*shape), x(*shape)), {"shift": 8, "rounding": 0, **TO_I8},
        )  # fmt: skip
    image = (56, 56, 64)
    yield "ADD", "a repeated row", (x(*image), w(64)), {**PAIR, **TO_I8}
    yield "ADD", "a repeated column", (x(*image), x(56, 56, 1)), {**PAIR, **TO_I8}
    yield "ADD", "row and column", (x(448, 1), x(1, 448)), {**PAIR, **TO_I8}
    yield "ADD", "i32", (x(*image, dtype=I32), x(*image, dtype=I32)), {**PAIR, **clamp32}
    yield "DIVIDE", "i32", (x(*image, dtype=I32),) * 2, {"shift": 16, "rounding": 0, **clamp32}


def movement() -> Iterator[Case]:
    for shape in ((1, 1, 1, 16), (1, 56, 56, 64), (1, 448, 448, 1), (1, 8, 25_000, 1)):
        name = "x".join(map(str, shape))
        yield "RESHAPE", name, (x(*shape),), {"shape": (shape[1] * shape[2] * shape[3],)}
        yield "TRANSPOSE", f"{name} 0312", (x(*shape),), {"permutation": (0, 3, 1, 2)}
        yield "TRANSPOSE", f"{name} 3210", (x(*shape),), {"permutation": (3, 2, 1, 0)}
        yield "CONCAT", f"{name} last", (x(*shape), x(*shape)), {"axis": 3}
        yield "CONCAT", f"{name} rows", (x(*shape), x(*shape)), {"axis": 1}
        ones = (1,) * 4
        starts = tuple(size - 1 for size in shape)
        fields: Mapping[str, object] = {"starts": (0,) * 4, "sizes": shape, "strides": ones}
        yield "SLICE", f"{name} all", (x(*shape),), fields
        fields = {"starts": starts, "sizes": shape, "strides": (-1,) * 4}
        yield "SLICE", f"{name} backwards", (x(*shape),), fields
        sides = {"before": (0, 1, 1, 0), "after": (0, 1, 1, 0), "value": 0}
        yield "PAD", name, (x(*shape),), sides
        yield "TILE", name, (x(*shape),), {"repetitions": (1, 2, 1, 2)}
        yield "REPEAT", f"{name} last", (x(*shape),), {"axis": 3, "count": 3}
        yield "REPEAT", f"{name} rows", (x(*shape),), {"axis": 1, "count": 3}
        yield "UPSAMPLE", name, (x(*shape),), {"scales": (2, 2)}
    for rows, width, many in ((30_000, 384, 128), (100, 1, 50_000), (4, 50_000, 4), (4, 4, 4)):
        indexes = x(many, dtype=I32, low=0, high=rows - 1)
        yield "GATHER", f"{many} of {rows}x{width}", (w(rows, width), indexes), {"axis": 0}
    yield "GATHER", "columns", (x(2_000, 50), x(50, dtype=I32, low=0, high=49)), {"axis": 1}
    for rows, width, new in ((512, 192, 1), (4, 4, 1), (50_000, 1, 1), (512, 192, 512)):
        position = x(1, dtype=I32, low=0, high=rows)
        yield (
            "UPDATE_ROWS",
            f"{new} of {rows}x{width}",
            (x(rows, width), x(new, width), position),
            {},
        )


def windows() -> Iterator[Case]:
    for shape, kernel, stride in (
        ((1, 56, 56, 64), 2, 2), ((1, 448, 448, 1), 2, 2), ((1, 4, 4, 1), 2, 2),
        ((1, 56, 56, 64), 3, 1), ((1, 28, 28, 1), 13, 1), ((1, 7, 7, 960), 7, 1),
        ((1, 112, 112, 4), 1, 1), ((20_000, 1, 1, 1), 1, 1),
    ):  # fmt: skip
        name = f"{'x'.join(map(str, shape))} {kernel}/{stride}"
        fields = {"kernel": (kernel, kernel), "strides": (stride, stride), "padding": (0,) * 4}
        yield "MAX_POOL2D", name, (x(*shape),), fields
        yield "AVG_POOL2D", name, (x(*shape),), {**fields, "count_padding": 0}


def reductions() -> Iterator[Case]:
    for shape, axis in (
        ((16,), 0), ((1_000,), 0), ((56, 56, 64), 2), ((56, 56, 64), 0), ((50_000, 4), 1),
        ((50_000, 4), 0), ((100_000, 1), 1), ((1, 200_000), 1),
    ):  # fmt: skip
        name = f"{'x'.join(map(str, shape))} over {axis}"
        yield "ARGMAX", name, (x(*shape),), {"axis": axis}
        for operator in ("MAX", "MIN", "MEAN"):
            yield operator, name, (x(*shape),), {"axes": (axis,), "keep": 0}
        yield "SUM", name, (x(*shape),), {"axes": (axis,), "keep": 0, **RESCALED}
    for shape, k in (
        ((16,), 4),
        ((1_000,), 5),
        ((49_152,), 40),
        ((10_000, 4), 2),
        ((50_000, 1), 1),
    ):
        name = f"{'x'.join(map(str, shape))} {k}"
        yield "TOP_K", name, (x(*shape, dtype=I16),), {"k": k}
    for size, k in ((16, 4), (1_000, 1_000), (49_152, 40)):
        operands = (
            x(size, dtype=I32, low=-100, high=100),
            x(32, dtype=U8),
            x(1, dtype=I32, low=0, high=99),
        )
        fields = {"top_k": k, "multiplier": 2**30, "shift": 50}
        yield "SAMPLE", f"{k} of {size}", operands, fields
    for rows, most in ((4, 2), (100, 10), (1_000, 100), (5_000, 50)):
        boxed = (x(rows, 4, dtype=I16, low=0, high=30_000), x(rows))
        fields = {"score_threshold": -129, "iou_threshold": 30_000, "maximum_outputs": most}
        yield "NON_MAX_SUPPRESSION", f"{most} of {rows}", boxed, fields
    for rows, width in ((4, 2), (1_000, 85), (50_000, 1)):
        yield "VALID_ROWS", f"{rows}x{width}", (x(rows, width),), {"column": 0, "threshold": 0}


def rows() -> Iterator[Case]:
    for shape in ((1, 16), (128, 384), (1, 49_152), (50_000, 4), (100_000, 1), (2_000, 64)):
        name = "x".join(map(str, shape))
        scale = {"multiplier": 2**30, "shift": 30, "one": 127, "dtype": 1}
        yield "SOFTMAX", name, (x(*shape),), scale
        yield "DYNAMIC_QUANTIZE", name, (x(*shape, dtype=I16, low=-32_767),), {}
        if shape[1] <= 16_384:
            fields = {"epsilon": 5, "shift": 20, **TO_I8}
            norm = {"gamma": (500,) * shape[1], **fields}
            yield "RMS_NORM", name, (x(*shape, dtype=I16),), norm
            yield "LAYER_NORM", name, (x(*shape, dtype=I16),), {**norm, "beta": (7,) * shape[1]}
    for count, heads, half in ((128, 9, 32), (1, 9, 32), (10_000, 1, 1)):
        tables = (w(512, half, dtype=I16),) * 2
        operands = (x(count, heads * 2 * half, dtype=I16), *tables)
        yield "ROPE", f"{count}x{heads}x{2 * half}", operands, {"interleaved": 0}
        yield "ROPE", f"{count}x{heads}x{2 * half} pairs", operands, {"interleaved": 1}


def all_cases() -> list[Case]:
    made = (products(), pointwise(), movement(), windows(), reductions(), rows())
    return [case for group in made for case in group]


def model_of(case: Case) -> Model:
    """Build the model of a case; its weights are random."""
    operator, name, operands, fields = case
    inputs = [operand for operand in operands if not operand.weight]
    weights = [operand for operand in operands if operand.weight]
    ordered = [*inputs, *weights]
    taken: set[int] = set()
    ids = []
    for operand in operands:  # equal operands are different values
        at = next(at for at, other in enumerate(ordered) if other is operand and at not in taken)
        taken.add(at)
        ids.append(at)
    node = make_node(operator, tuple(ids), **fields)  # type: ignore[arg-type]
    values = tuple(
        Value(
            type=TensorType(dtype=operand.dtype, shape=operand.shape),
            minimum=operand.low,
            maximum=operand.high,
        )
        for operand in operands
    )
    results = OPERATORS[operator].infer(node, values)
    graph = Graph(
        weights=tuple(TensorType(dtype=item.dtype, shape=item.shape) for item in weights),
        nodes=(node,),
        outputs=tuple(range(len(ordered), len(ordered) + len(results))),
    )
    return build_model(
        name=name,
        inputs=tuple(
            _port(f"x{at}", item.dtype, item.shape, item.low, item.high)
            for at, item in enumerate(inputs)
        ),
        outputs=tuple(
            _port(f"y{at}", out.type.dtype, out.type.shape, out.minimum, out.maximum)
            for at, out in enumerate(results)
        ),
        graph=graph,
        weights=np.random.default_rng(2).bytes(graph.weight_bytes),
    )


def input_of(model: Model) -> bytes:
    """Draw an input inside the declared ranges; boxes so that suppression takes longest."""
    if model.graph.nodes[0].operator == "NON_MAX_SUPPRESSION":
        return many_boxes(model)
    random = np.random.default_rng(1)
    return b"".join(
        random.integers(port.minimum, port.maximum, port.type.elements(1), endpoint=True)
        .astype(port.dtype.numpy)
        .tobytes()
        for port in model.manifest.inputs
    )


def _port(name: str, dtype: DType, shape: tuple[int, ...], low: int, high: int) -> Port:
    return Port(
        name=name,
        dtype=dtype,
        shape=shape,
        scale_mantissa=1,
        scale_exponent=0,
        minimum=low,
        maximum=high,
    )


def many_boxes(model: Model) -> bytes:
    """All boxes but one short of the limit lie apart; the rest cover the last of them."""
    rows = model.manifest.inputs[0].shape[0]
    most = model.graph.nodes[0].integer("maximum_outputs")
    at = np.minimum(np.arange(rows), most - 2)
    left, top = at % 300 * 100, at // 300 * 100
    boxes = np.stack([left, top, left + 50, top + 50], axis=1).astype("<i2")
    scores = np.linspace(127, -128, rows).astype("i1")
    return boxes.tobytes() + scores.tobytes()
