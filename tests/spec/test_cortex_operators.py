"""The table of docs/operators-from-cortex.md: complete, and true where it names attributes."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ai_ops.dtype import Array, DType
from ai_ops.graph import AttributeValue, TensorType, Value
from ai_ops.operators import OPERATORS, make_node

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operators-from-cortex.md"
ROW = re.compile(r"^\| (\w+) \| `(\w+)` \| (.*)\|$", re.MULTILINE)
Attributes = dict[str, AttributeValue]
I32: Attributes = {"dtype": 3, "minimum": -(2**31), "maximum": 2**31 - 1}
ONE: Attributes = {"multipliers": (2**30,), "shifts": (30,), **I32}
TERMS: Attributes = {
    "multiplier_a": 2**30,
    "shift_a": 30,
    "multiplier_b": 2**30,
    "shift_b": 30,
    **I32,
}


def rows() -> list[tuple[str, str, str]]:
    return ROW.findall(PAGE.read_text(encoding="utf-8"))


def test_each_of_the_37_is_there_once() -> None:
    names = [name for name, _, _ in rows()]
    assert len(names) == len(set(names)) == 37


def test_every_operator_named_exists() -> None:
    for _, operator, how in rows():
        assert {operator, *re.findall(r"`([A-Z0-9_]+)`", how)} <= set(OPERATORS)


def apply(
    operator: str,
    arrays: tuple[Array, ...],
    attributes: Attributes,
    limit: int = 2**31,
) -> Array:
    """Run an operator's definition; `limit` narrows the inputs' intervals."""
    node = make_node(operator, tuple(range(len(arrays))), **attributes)
    values = []
    for array in arrays:
        dtype = next(d for d in DType if d.numpy == array.dtype)
        low, high = max(dtype.minimum, -limit), min(dtype.maximum, limit)
        tensor = TensorType(dtype=dtype, shape=array.shape)
        values.append(Value(type=tensor, minimum=low, maximum=high))
    definition = OPERATORS[operator]
    outputs = definition.infer(node, tuple(values))
    return definition.reference(node, arrays, outputs)[0]


def to_precision(v: int, p: int) -> int:
    most: int = 2 ** (p - 1) - 1
    return max(-most, min(most, v))


def symmetric(p: int) -> Attributes:
    return {"minimum": -(2 ** (p - 1) - 1), "maximum": 2 ** (p - 1) - 1}


def toward_zero(a: int, b: int) -> int:
    if b == 0:
        return 0
    size: int = abs(a) // abs(b)
    return size if (a < 0) == (b < 0) else -size


PAIRS: list[tuple[str, str, Attributes, Callable[[int, int], int]]] = [
    ("broadcast_add", "ADD", {**TERMS}, lambda a, b: a + b),
    ("elemwise_sub", "SUB", {**TERMS}, lambda a, b: a - b),
    ("broadcast_mul", "MUL", {"multiplier": 2**30, "shift": 30, **I32}, lambda a, b: a * b),
    ("broadcast_max", "MAXIMUM", {}, max),
    ("broadcast_div", "DIVIDE", {"shift": 0, "rounding": 1, **I32}, toward_zero),
    ("broadcast_greater", "COMPARE", {"relation": 4}, lambda a, b: int(a > b)),
]


@pytest.mark.parametrize(("name", "operator", "attributes", "means"), PAIRS)
def test_pairs(
    name: str, operator: str, attributes: Attributes, means: Callable[[int, int], int]
) -> None:
    assert {cortex: ours for cortex, ours, _ in rows()}[name] == operator
    random = Random(37)
    a, b = ([random.randint(-9, 9) * random.choice((1, 997)) for _ in range(400)] for _ in "ab")
    arrays = tuple(np.array(side, "<i4") for side in (a, b))
    got = apply(operator, arrays, attributes, limit=9_000)
    assert got.tolist() == [means(p, q) for p, q in zip(a, b, strict=True)]


@pytest.mark.parametrize("s", [1, 3, 16, 29])
@pytest.mark.parametrize("p", [2, 8, 31])
def test_shifts_and_clips(s: int, p: int) -> None:
    random = Random(s * 37 + p)
    ends = [-(2**31), 2**31 - 1, -1, 0, 1]
    x = ends + [random.randint(-(2**31), 2**31 - 1) >> random.randint(0, 30) for _ in range(300)]
    arrays = (np.array(x, "<i4"),)
    fields: Attributes = {"dtype": 3, **symmetric(p)}
    left = apply("RESCALE", arrays, {"multipliers": (2 ** (s + 1),), "shifts": (1,), **fields})
    assert left.tolist() == [to_precision(v << s, p) for v in x]
    right = apply("RESCALE", arrays, {"multipliers": (1,), "shifts": (s,), **fields})
    assert right.tolist() == [to_precision(((v >> (s - 1)) + 1) >> 1, p) for v in x]
    clipped = apply("CLAMP", arrays, symmetric(p))
    assert clipped.tolist() == [to_precision(v, p) for v in x]


def test_boxes_row_by_row() -> None:
    """Rows are id, score and corners; kept ones come first, the rest is -1."""
    random = Random(3737)
    for _ in range(60):
        count, percent = random.randint(1, 12), random.randint(1, 99)
        table = []
        for _ in range(count):
            x, y = random.randint(0, 9), random.randint(0, 9)
            corners = [x, y, x + random.randint(1, 9), y + random.randint(1, 9)]
            table.append([random.randint(0, 1), random.randint(0, 20), *corners])
        assert by_composition(table, percent) == by_cortex(table, percent)


def by_composition(table: list[list[int]], percent: int) -> list[list[int]]:
    given, count = np.array(table, "<i2"), len(table)

    def columns(first: int, width: int) -> Array:
        cut: Attributes = {"starts": (0, first), "sizes": (count, width), "strides": (1, 1)}
        return apply("SLICE", (given,), cut)

    ids, scores = (apply("RESHAPE", (columns(at, 1),), {"shape": (count,)}) for at in (0, 1))
    kept = apply(
        "NON_MAX_SUPPRESSION",
        (columns(2, 4), scores, apply("RESCALE", (ids,), ONE)),
        {
            "score_threshold": -(2**31),
            "iou_threshold": (percent * 2**16 - 1) // 100,
            "maximum_outputs": count,
        },
    )
    found = apply("GATHER", (given, kept), {"axis": 0})
    column = apply("RESHAPE", (kept,), {"shape": (count, 1)})
    real = apply("COMPARE", (column, np.zeros((1,), "<i4")), {"relation": 5})
    chosen: list[list[int]] = apply("WHERE", (real, found, np.full((1,), -1, "<i2")), {}).tolist()
    return chosen


def by_cortex(table: list[list[int]], percent: int) -> list[list[int]]:
    kept: list[list[int]] = []
    for row in sorted(table, key=lambda row: -row[1]):
        if all(row[0] != other[0] or share(row, other) < percent for other in kept):
            kept.append(row)
    return kept + [[-1] * 6] * (len(table) - len(kept))


def share(a: list[int], b: list[int]) -> int:
    """Return the shared area in whole percent of the union."""
    wide = max(0, min(a[4], b[4]) - max(a[2], b[2]))
    shared = wide * max(0, min(a[5], b[5]) - max(a[3], b[3]))
    areas = sum((r[4] - r[2]) * (r[5] - r[3]) for r in (a, b))
    return shared * 100 // (areas - shared)
