"""Vectors of movement, comparisons, divisions and reductions: inputs, and what is refused."""

from __future__ import annotations

from tests.spec.operator_cases import (
    HALF,
    I8,
    I16,
    I32,
    IDENTITY,
    U8,
    Case,
    case,
    ramp,
    scaled,
    tensor,
)

I32_LOW, I32_HIGH = -(2**31), 2**31 - 1


def symbolic(axis: int, made: Case) -> Case:
    """Let dimension `axis` of an input be n."""
    return {**made, "symbolic": axis}


def sign_cases() -> list[Case]:
    ends = tensor(I32, (5,), [I32_LOW, I32_LOW + 1, -1, 0, I32_HIGH])
    small = tensor(I8, (4,), [-128, -127, 0, 127])
    return [
        case("O-22", "NEGATE", "-128 becomes 127", {}, small),
        case("O-22", "NEGATE", "the smallest i32 saturates", {}, ends),
        case("O-23", "ABS", "-128 becomes 127", {}, small),
        case("O-23", "ABS", "the smallest i32 saturates", {}, ends),
        case("O-23", "ABS", "i16", {}, tensor(I16, (3,), [-32768, -1, 32767])),
        case("O-29", "BIT_LENGTH", "0 has one bit, -2^31 has 32", {}, ends),
        case(
            "O-29",
            "BIT_LENGTH",
            "both sides of powers of two",
            {},
            tensor(I16, (8,), [-129, -128, -127, 1, 2, 255, 256, -32768]),
        ),
        case("O-29", "BIT_LENGTH", "unsigned", {}, tensor(U8, (3,), [0, 128, 255])),
    ]


def choice_cases() -> list[Case]:
    row, column = ramp(I8, (1, 3), -100, 100, 300), ramp(I8, (2, 1), -100, 200, 400)
    relations = [
        case(
            "O-26",
            "COMPARE",
            f"relation {relation}, with the same numbers in two dtypes",
            {"relation": relation},
            tensor(I8, (4,), [-1, 0, 5, 127]),
            tensor(U8, (4,), [255, 0, 6, 126]),
        )
        for relation in range(6)
    ]
    return [
        case("O-24", "MAXIMUM", "a row and a column give a table", {}, row, column),
        case("O-25", "MINIMUM", "a row and a column give a table", {}, row, column),
        *relations,
        case(
            "O-26",
            "COMPARE",
            "i32 against u8 at the ends, where a difference would wrap",
            {"relation": 4},
            tensor(I32, (2, 1), [I32_LOW, I32_HIGH]),
            tensor(U8, (2,), [0, 255]),
        ),
        case(
            "O-27",
            "WHERE",
            "anything but 0 chooses a",
            {},
            tensor(I32, (4,), [0, 1, -1, I32_LOW]),
            tensor(I8, (4,), [1, 2, 3, 4]),
            tensor(I8, (4,), [-1, -2, -3, -4]),
        ),
        case(
            "O-27",
            "WHERE",
            "the condition's few bits do not narrow what is chosen: Cortex took the result's "
            "precision from the condition, so one back end cut these to 8 bits and another did not",
            {},
            tensor(I8, (4,), [1, 1, 0, 0]),
            tensor(I16, (4,), [1000, 200, -300, 7]),
            tensor(I16, (4,), [32767, -32768, -300, 129]),
        ),
        case(
            "O-17",
            "WHERE",
            "three operands, each repeated along another dimension",
            {},
            tensor(U8, (2, 1, 1), [0, 2]),
            ramp(I16, (3, 1), -300, 300, 900),
            ramp(I16, (1, 2), 7, 1, 5),
        ),
    ]


def divide_by(rounding: int, shift: int = 0, dtype: int = I32) -> Case:
    low, high = {I8: (-128, 127), I32: (I32_LOW, I32_HIGH)}[dtype]
    clamp = {"dtype": dtype, "minimum": low, "maximum": high}
    return {"shift": shift, "rounding": rounding, **clamp}


def divide_cases() -> list[Case]:
    a = tensor(I32, (9, 1), [-7, -6, -5, -1, 0, 1, 5, 6, 7])
    b = tensor(I8, (7,), [-4, -2, -1, 0, 1, 2, 4])
    names = ("halves up", "toward zero", "down")
    return [
        *(
            case("O-28", "DIVIDE", f"{name}, every sign against every sign", divide_by(at), a, b)
            for at, name in enumerate(names)
        ),
        case(
            "O-28",
            "DIVIDE",
            "a division by zero gives 0, as in Cortex, and stops nothing",
            divide_by(1),
            tensor(I32, (3,), [I32_LOW, 0, I32_HIGH]),
            tensor(I32, (1,), [0]),
        ),
        case(
            "O-28",
            "DIVIDE",
            "the clamp holds for a division by zero too",
            {**divide_by(0), "minimum": 5, "maximum": 9},
            tensor(I32, (2,), [100, -100]),
            tensor(I32, (2,), [0, 7]),
        ),
        case(
            "O-28",
            "DIVIDE",
            "the one quotient that leaves i32 saturates",
            divide_by(2),
            tensor(I32, (2,), [I32_LOW, I32_LOW]),
            tensor(I8, (2,), [-1, 1]),
        ),
        *(
            case(
                "O-28",
                "DIVIDE",
                f"the largest shift, {name}",
                divide_by(at, shift=29),
                tensor(I32, (4,), [I32_LOW, -1, 1, I32_HIGH]),
                tensor(I32, (3, 1), [I32_LOW, 2**29 + 1, I32_HIGH]),
            )
            for at, name in enumerate(names)
        ),
        case(
            "O-28",
            "DIVIDE",
            "unsigned by signed into i8",
            divide_by(0, shift=3, dtype=I8),
            tensor(U8, (4,), [255, 128, 3, 0]),
            tensor(I8, (4,), [-128, 16, -1, -5]),
        ),
    ]


def shift_cases() -> list[Case]:
    """Cortex's clips and shifts, which had no test case there."""
    x = tensor(I32, (9,), [-13, -12, -11, -4, 0, 4, 11, 12, 13])
    return [
        case(
            "O-8",
            "RESCALE",
            "Cortex's cvm_right_shift by 3: multiplier 1, halves up",
            scaled(1, 3),
            x,
        ),
        case(
            "O-8",
            "RESCALE",
            "Cortex's cvm_left_shift by 3 to 8 bits: multiplier 2^4, shift 1, saturating",
            scaled(16, 1, I8, -127, 127),
            tensor(I8, (5,), [-128, -15, 3, 15, 16]),
        ),
        case(
            "O-9",
            "CLAMP",
            "Cortex's cvm_clip to 8 bits is symmetric",
            {"minimum": -127, "maximum": 127},
            tensor(I32, (4,), [-128, -127, 127, 128]),
        ),
    ]


def gather_cases() -> list[Case]:
    table = ramp(I16, (4, 3), -500, 100, 1200)
    return [
        case("O-30", "GATHER", "rows", {"axis": 0}, table, tensor(I32, (2, 2), [3, 0, 1, 3])),
        case(
            "O-30",
            "GATHER",
            "an index outside is clamped, a negative one does not count from the end",
            {"axis": 0},
            table,
            tensor(I32, (5,), [-1, I32_LOW, 4, I32_HIGH, 2]),
        ),
        case("O-30", "GATHER", "columns", {"axis": 1}, table, tensor(U8, (4,), [255, 2, 0, 1])),
        case(
            "O-30",
            "GATHER",
            "a middle dimension becomes two",
            {"axis": 1},
            ramp(I8, (2, 3, 2), 0, 1, 12),
            tensor(I8, (2, 1), [2, -128]),
        ),
        case(
            "O-30",
            "GATHER",
            "from a flat table, one element",
            {"axis": 0},
            tensor(I32, (3,), [7, 8, 9]),
            tensor(I16, (1,), [1]),
        ),
        case(
            "O-30",
            "GATHER",
            "an embedding of n words",
            {"axis": 0},
            table,
            symbolic(0, tensor(I32, (3,), [1, 1, 9])),
        ),
    ]


def cut(starts: list[int], sizes: list[int], strides: list[int]) -> Case:
    return {"starts": starts, "sizes": sizes, "strides": strides}


def slice_cases() -> list[Case]:
    x = ramp(I8, (4, 5), 0, 1, 20)
    many = symbolic(0, ramp(I8, (3, 2), 0, 1, 6))
    return [
        case("O-31", "SLICE", "every second column", cut([1, 0], [2, 3], [1, 2]), x),
        case("O-31", "SLICE", "backwards to the first element", cut([3, 4], [4, 3], [-1, -2]), x),
        case(
            "O-31", "SLICE", "a stride far beyond the one element", cut([2, 1], [1, 1], [9, -7]), x
        ),
        case("O-31", "SLICE", "a symbolic dimension stays", cut([0, 1], [-1, 1], [1, 1]), many),
        case("O-31", "SLICE", "the first of n", cut([0, 0], [1, 2], [1, 1]), many),
        case("O-31", "SLICE", "the last of n", cut([-1, 0], [1, 2], [1, 1]), many),
    ]


def growth_cases() -> list[Case]:
    x = ramp(I8, (2, 3), -3, 1, 6)
    image = ramp(I8, (1, 2, 2, 2), -4, 1, 8)
    return [
        case("O-32", "PAD", "uneven", {"before": [1, 0], "after": [0, 2], "value": -128}, x),
        case("O-32", "PAD", "nothing", {"before": [0, 0], "after": [0, 0], "value": 9}, x),
        case(
            "O-32",
            "PAD",
            "beside n",
            {"before": [0, 1], "after": [0, 1], "value": 127},
            symbolic(0, x),
        ),
        case("O-33", "UPSAMPLE", "rows and columns differ", {"scales": [2, 3]}, image),
        case("O-34", "TILE", "the whole tensor again", {"repetitions": [2, 2]}, x),
        case("O-34", "TILE", "n stays", {"repetitions": [1, 3]}, symbolic(0, x)),
        case("O-35", "REPEAT", "each element again", {"axis": 1, "count": 2}, x),
        case("O-35", "REPEAT", "each row again", {"axis": 0, "count": 3}, x),
    ]


def over(*axes: int, keep: int = 0) -> Case:
    return {"axes": list(axes), "keep": keep}


def reduction_cases() -> list[Case]:
    cube = ramp(I8, (2, 3, 4), -100, 37, 201)
    halves = tensor(I8, (4, 2), [1, 2, 2, 3, -1, -2, -2, -3])
    largest = symbolic(0, tensor(I32, (3,), [I32_HIGH] * 3))
    return [
        case("O-37", "SUM", "one dimension", {**over(1), **IDENTITY}, cube),
        case("O-37", "SUM", "all of them give shape (1)", {**over(0, 1, 2), **IDENTITY}, cube),
        case("O-36", "SUM", "kept as 1", {**over(0, 2, keep=1), **HALF}, cube),
        case(
            "O-37",
            "SUM",
            "a multiplier for each channel of the result",
            {
                **over(1),
                "multipliers": [2**30, 2**30, 2**31 - 1, 0],
                "shifts": [30, 31, 33, 1],
                "dtype": I16,
                "minimum": -32768,
                "maximum": 32767,
            },
            cube,
        ),
        case("O-37", "SUM", "a sum over n is clamped to i32", {**over(0), **IDENTITY}, largest),
        case(
            "O-37",
            "SUM",
            "it is the exact sum that is clamped, not its parts",
            {**over(0), **IDENTITY},
            symbolic(0, tensor(I32, (4,), [I32_HIGH, I32_HIGH, I32_LOW, -5])),
        ),
        case(
            "O-37",
            "SUM",
            "and then rescaled",
            {**over(0), **scaled(1, 25)},
            symbolic(0, tensor(I32, (3, 2), [I32_LOW, 2**25] * 3)),
        ),
        *(
            variant
            for rule, name in (("O-38", "MAX"), ("O-39", "MIN"))
            for variant in (
                case(rule, name, "two dimensions", over(0, 2), cube),
                case(rule, name, "kept as 1", over(1, keep=1), cube),
                case(rule, name, "over n", over(0), symbolic(0, halves)),
                case(rule, name, "unsigned", over(0), tensor(U8, (3,), [127, 128, 255])),
            )
        ),
        case("O-40", "MEAN", "halves up on both sides of zero", over(1), halves),
        case("O-40", "MEAN", "over n and one more", over(0, 1), symbolic(0, halves)),
        case(
            "O-40",
            "MEAN",
            "a sum over n beyond i32 keeps its mean",
            over(0),
            symbolic(0, tensor(I32, (3, 2), [I32_LOW, I32_HIGH] * 3)),
        ),
        case("O-40", "MEAN", "a global pool", over(1, 2), ramp(U8, (2, 3, 3, 2), 0, 77, 256)),
    ]


ALL = {
    "sign": sign_cases,
    "choice": choice_cases,
    "divide": divide_cases,
    "shift": shift_cases,
    "gather": gather_cases,
    "slice": slice_cases,
    "growth": growth_cases,
    "reduction": reduction_cases,
}
