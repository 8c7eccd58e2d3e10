"""The inputs of the vectors of O-50 to O-62; `tests.spec.plain_sequence` gives their results."""

from __future__ import annotations

from tests.spec.operator_cases import I8, I16, I32, IDENTITY, U8, Case, case, ramp, tensor

NARROW = {"dtype": I8, "minimum": -128, "maximum": 127}
WIDE = {"dtype": I16, "minimum": -32768, "maximum": 32767}
WIDEST = {"dtype": I32, "minimum": -(2**31), "maximum": 2**31 - 1}
# One unit of a score is 1/256 of a power of two.
UNIT = {"multiplier": 2**30, "shift": 30}
STEEP = {"multiplier": 2**31 - 1, "shift": 1}


def dynamic_cases() -> list[Case]:
    fields = {"multipliers": [2**30], "shifts": [48], "bias": []}
    q = ramp(I8, (2, 5), -127, 61, 255)
    w = ramp(I8, (3, 5), -128, 53, 256)
    return [
        case(
            "O-52",
            "DYNAMIC_QUANTIZE",
            "the largest of a row becomes 127, halves round up, a row of zeros stays",
            {},
            tensor(I8, (4, 4), [-128, 64, -1, 0, 0, 0, 0, 0, 2, 1, -1, -2, 127, -127, 1, 3]),
        ),
        case(
            "O-52",
            "DYNAMIC_QUANTIZE",
            "i16, and leading dimensions",
            {},
            {
                **ramp(I16, (2, 2, 3), -32767, 12_799, 65_535),
                "minimum": -32767,
                "maximum": 32767,
            },
        ),
        *(
            case(
                "O-53",
                "GEMM_DYNAMIC",
                why,
                {**fields, "bias": bias, "multipliers": m, "shifts": s, **clamp},
                q,
                {**tensor(I32, (2, 1), a), "minimum": 1, "maximum": 32767},
                w,
            )
            for why, bias, m, s, clamp, a in (
                ("the smallest and the largest factor", [], [2**31 - 1], [30], WIDEST, [1, 32767]),
                ("the smallest shift saturates", [], [2**31 - 1], [9], WIDE, [1, 32767]),
                ("the largest shift", [], [2**31 - 1], [48], WIDEST, [255, 256]),
                (
                    "for each channel, with a bias in 1/256",
                    [128, -129, 2**31 - 1],
                    [2**30, 2**29 + 1, 0],
                    [36, 38, 40],
                    NARROW,
                    [2**14 - 1, 2**14],
                ),
                ("a bias alone rounds half up", [-128, 127, 128], [0], [30], NARROW, [3, 4]),
            )
        ),
    ]


def attention(heads: int, kv_heads: int, **change: int) -> Case:
    return {
        "heads": heads,
        "kv_heads": kv_heads,
        "causal": 0,
        "probability_bits": 7,
        "multiplier": 2**30,
        "shift": 32,
        **IDENTITY,
        **change,
    }


def attention_cases() -> list[Case]:
    q = ramp(I8, (3, 4), -128, 67, 256)
    k = ramp(I8, (3, 4), -120, 71, 241)
    v = ramp(I8, (3, 4), -128, 37, 256)
    shared = ramp(I8, (5, 2), -100, 31, 201)
    rows = [
        ("one head sees all", attention(1, 1), (q, k, v)),
        ("two heads", attention(2, 2), (q, k, v)),
        ("two heads share keys and values; S is not T", attention(2, 1), (q, shared, shared)),
        ("12 bits of probability", attention(2, 2, probability_bits=12), (q, k, v)),
        ("causal", attention(2, 2, causal=1), (q, k, v)),
        (
            "causal, more keys: the last query sees all",
            attention(2, 1, causal=1),
            (q, shared, v5()),
        ),
        ("causal, fewer keys: the first queries see none", attention(1, 1, causal=1), (q, *two())),
        ("equal scores share alike", attention(1, 1, multiplier=0), (q, k, v)),
        ("the steepest scale takes the largest alone", attention(1, 1, **STEEP), (q, k, v)),
        ("the flattest scale", attention(1, 1, multiplier=1, shift=62), (q, k, v)),
    ]
    cases = [case("O-54", "ATTENTION", why, a, *given) for why, a, given in rows]
    cases += [
        case(
            "O-54",
            "ATTENTION",
            f"length {length}" + ", causal" * (length % 2),
            attention(2, 2, causal=length % 2),
            *(q, k, v, tensor(I32, (1,), [length])),
        )
        for length in (-5, 0, 1, 2, 3, 2**31 - 1)
    ]
    cases.append(
        case(
            "O-54",
            "ATTENTION",
            "a batch, and a rescale for each element of a row",
            attention(2, 1)
            | {
                "multipliers": [2**30, 2**29, 2**31 - 1, 0],
                "shifts": [38, 30, 40, 5],
                **NARROW,
            },
            ramp(I8, (2, 2, 4), -128, 59, 256),
            ramp(I8, (2, 3, 2), -90, 43, 181),
            ramp(I8, (2, 3, 2), -128, 101, 256),
        )
    )
    return cases


def v5() -> Case:
    return ramp(I8, (5, 2), 127, -51, 256) | {"data": [127, -128, 3, -4, 50, -60, 7, 8, -90, 100]}


def two() -> tuple[Case, Case]:
    return ramp(I8, (2, 4), -77, 29, 150), ramp(I8, (2, 4), -128, 36, 256)


def row_cases() -> list[Case]:
    near = tensor(I16, (2, 6), [0, 1, 2, 255, 256, 257, -32768, 32767, 0, -1, -256, -512])
    far = tensor(I32, (1, 4), [-(2**31), 2**31 - 1, 0, -1])
    share = {"one": 32767, "dtype": I16}
    return [
        case("O-55", "SOFTMAX", "near and far below the largest", {**UNIT, **share}, near),
        case("O-50", "SOFTMAX", "scores are clamped", {**STEEP, **share}, far),
        case(
            "O-50",
            "SOFTMAX",
            "every entry of the table, one step apart",
            {**UNIT, "one": 2**31 - 1, "dtype": I32},
            tensor(I16, (1, 257), list(range(257))),
        ),
        case(
            "O-50",
            "SOFTMAX",
            "shifts up to 31 and beyond",
            {**UNIT, "one": 2**31 - 1, "dtype": I32},
            tensor(I32, (1, 5), [0, -256 * 15, -256 * 16, -256 * 31, -256 * 33]),
        ),
        case(
            "O-55",
            "SOFTMAX",
            "equal elements, u8 shares",
            {**UNIT, "one": 255, "dtype": U8},
            tensor(I8, (2, 1, 3), [5, 5, 5, -128, -128, -128]),
        ),
        *norm_cases(),
    ]


def bounded(data: list[int], *shape: int) -> Case:
    return {**tensor(I32, shape, data), "minimum": -(2**21), "maximum": 2**21}


def norm_cases() -> list[Case]:
    fine = {"gamma": [2**12], "epsilon": 0, "shift": 12}
    corner = bounded([-(2**21), 2**21, -(2**21), 2**21, 0, 0, 0, 0, 1, 0, 0, 0], 3, 4)
    return [
        case(
            "O-56",
            "LAYER_NORM",
            "the mean rounds half up, a constant row gives 0",
            {**fine, "beta": [], **WIDE},
            ramp(I8, (3, 4), 1, 0, 1) | {"data": [1, 2, 3, 4, -128, -128, -128, -128, 0, 1, 0, 1]},
        ),
        case(
            "O-56",
            "LAYER_NORM",
            "the ends of the interval, the widest factors",
            {
                "gamma": [2**31 - 1, -(2**31), 1, -1],
                "beta": [2**60 - 1, -(2**60) + 1, 0, 1],
                "epsilon": 0,
                "shift": 40,
                **WIDEST,
            },
            corner,
        ),
        case(
            "O-51",
            "LAYER_NORM",
            "a large epsilon, squares and their neighbours",
            {"gamma": [2**20], "beta": [], "epsilon": 2**60, "shift": 1, **WIDEST},
            corner,
        ),
        *(
            case(
                "O-51",
                "RMS_NORM",
                f"the root of {epsilon}",
                {"gamma": [1], "epsilon": epsilon, "shift": 1, **WIDEST},
                tensor(I8, (2, 1), [0, 1]),
            )
            for epsilon in (0, 1, 3, 4, 8, 2**40 - 1, 2**40, 2**60 - 4097, 2**60 - 1)
        ),
        case("O-57", "RMS_NORM", "no mean is taken", {**fine, **WIDE}, ramp(I8, (2, 4), 5, 3, 9)),
        case(
            "O-57",
            "RMS_NORM",
            "for each channel",
            {"gamma": [1, -2, 3, -4], "epsilon": 5, "shift": 3, **NARROW},
            corner,
        ),
    ]


def curve_cases() -> list[Case]:
    table = [((i * 7_919) % 65_536) - 32_768 for i in range(513)]
    x = tensor(I16, (2, 5), [-32768, -32767, -32641, -32640, -1, 0, 1, 127, 128, 32767])
    cos = ramp(I16, (3, 2), 32767, -9_000, 1) | {
        "data": [32767, 32767, 17_000, -32768, -32768, 0],
    }
    sin = tensor(I16, (3, 2), [0, 1, -32768, 32767, -32768, 32767])
    turn = tensor(I16, (4, 8), [(v * 9_973) % 65_536 - 32_768 for v in range(32)])
    steep = tensor(I16, (1, 4), [-32768, -32768, -32768, 32767])
    return [
        case("O-58", "TABLE16", "points and lines between them", {"table": table, **IDENTITY}, x),
        case(
            "O-58",
            "TABLE16",
            "for each channel, to i8",
            {
                "table": [64 * (256 - i) - (i == 0) for i in range(513)],
                "multipliers": [2**30, 2**30, 2**29, 2**31 - 1, 0],
                "shifts": [45, 44, 43, 46, 7],
                **NARROW,
            },
            x,
        ),
        case("O-59", "ROPE", "halves of two heads", {"interleaved": 0}, turn, cos, sin),
        case("O-59", "ROPE", "neighbours", {"interleaved": 1}, turn, cos, sin),
        *(
            case(
                "O-59",
                "ROPE",
                f"offset {offset}",
                {"interleaved": 0},
                tensor(I8, (2, 2, 4), [-128, 127, 5, -6, 100, -100, 1, 2] * 2),
                cos,
                sin,
                tensor(I32, (1,), [offset]),
            )
            for offset in (-(2**31), -1, 1, 2**31 - 1)
        ),
        case(
            "O-59",
            "ROPE",
            "sums of 2^31 are not cut to 32 bits",
            {"interleaved": 1},
            steep,
            tensor(I16, (1, 2), [-32768, -32768]),
            tensor(I16, (1, 2), [32767, -32768]),
        ),
    ]


def choice_cases() -> list[Case]:
    cache = ramp(I8, (4, 2), 0, 1, 8)
    rows = tensor(I8, (2, 2), [-1, -2, -3, -4])
    seed = tensor(U8, (32,), [(7 * i + 3) % 256 for i in range(32)])
    logits = tensor(I32, (8,), [300, -5, 299, 300, 44, -(2**31), 2**20, 2**20])
    return [
        *(
            case(
                "O-60",
                "UPDATE_ROWS",
                f"position {position}",
                {},
                cache,
                rows,
                tensor(I32, (1,), [position]),
            )
            for position in (-(2**31), 0, 1, 2, 3, 2**31 - 1)
        ),
        case(
            "O-61",
            "TOP_K",
            "among equals the lowest index first",
            {"k": 3},
            tensor(I16, (3, 5), [1, 5, 5, 5, 5, -1, -2, -3, -4, -5, 0, 0, 300, 44, 300]),
        ),
        case("O-61", "TOP_K", "all of an i32 row", {"k": 8}, logits),
        case("O-61", "TOP_K", "one", {"k": 1}, tensor(U8, (1, 1), [7])),
        *(
            case(
                "O-62",
                "SAMPLE",
                f"{top_k} kept at position {position}",
                {"top_k": top_k, "multiplier": 2**30, "shift": shift},
                logits,
                seed,
                tensor(I32, (1,), [position]),
            )
            for top_k, shift, position in (
                (1, 30, 0),
                (2, 30, 0),
                (2, 30, 1),
                (8, 62, 2),
                (8, 62, 3),
                (8, 62, -1),
                (8, 50, 2**31 - 1),
                (5, 42, -(2**31)),
            )
        ),
        case(
            "O-62",
            "SAMPLE",
            "a row of logits",
            {"top_k": 3, **UNIT},
            ramp(I8, (1, 7), -100, 61, 201),
            seed,
            tensor(I32, (1,), [12]),
        ),
    ]


ALL = {
    "dynamic": dynamic_cases,
    "attention": attention_cases,
    "rows": row_cases,
    "curves": curve_cases,
    "choices": choice_cases,
}
