"""Model bytes for the vectors, assembled with pyrlp, struct and BLAKE3 instead of the engine."""

from __future__ import annotations

import struct
from typing import Any

import rlp
from blake3 import blake3

Case = dict[str, Any]
I8, I16, I32 = 1, 2, 3
GEMM, CLAMP, ARGMAX = 0x0101, 0x0305, 0x0501
MAGIC = b"EGM\x01"


def i32s(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}i", *numbers)


def u32s(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}I", *numbers)


def number(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def port(
    name: bytes, dtype: int, shape: tuple[int, ...], low: int, high: int, mantissa: int = 3
) -> list[Any]:
    return [name, number(dtype), i32s(*shape), number(mantissa), i32s(-7), i32s(low), i32s(high)]


INPUT = port(b"x", I8, (-1, 2), -128, 127)
OUTPUT = port(b"y", I8, (-1, 3), 0, 127)
WEIGHT = [number(I8), i32s(3, 2)]
# y = clamp(R(x w^T + bias)): one bias, multiplier, shift for each of three channels.
DENSE = [
    number(GEMM),
    u32s(0, 1),
    i32s(1, 0, -1),
    u32s(2**30, 2**30, 2**31 - 1),
    bytes([30, 31, 62]),
    bytes([I8]),
    i32s(0),
    i32s(127),
]
GRAPH = [[WEIGHT], [DENSE], u32s(2)]
WEIGHTS = struct.pack("<6b", 1, 2, -3, 4, 127, -128)


def manifest(
    graph_bytes: int,
    *,
    magic: bytes = MAGIC,
    operator_set: bytes = b"\x01",
    name: bytes = b"three",
    inputs: list[Any] | None = None,
    outputs: list[Any] | None = None,
    units: bytes = b"\x05",
) -> list[Any]:
    return [
        magic,
        operator_set,
        name,
        [INPUT] if inputs is None else inputs,
        [OUTPUT] if outputs is None else outputs,
        units,
        number(graph_bytes),
    ]


def assemble(graph: Any = None, weights: bytes = WEIGHTS, **fields: Any) -> bytes:
    encoded: bytes = rlp.encode(GRAPH if graph is None else graph)
    head: bytes = rlp.encode(manifest(len(encoded), **fields))
    return head + encoded + weights


MODEL = assemble()


def rejected(rule: str, code: int, why: str, data: bytes) -> Case:
    return {"rule": rule, "why": why, "model": data.hex(), "fault": code}


def node(operator: int, inputs: tuple[int, ...], *attributes: bytes) -> list[bytes]:
    return [number(operator), u32s(*inputs), *attributes]


def with_dense(position: int, field: bytes) -> list[Any]:
    changed = list(DENSE)
    changed[position] = field
    return [[WEIGHT], [changed], u32s(2)]


def encoding_refusals() -> list[Case]:
    graph = rlp.encode(GRAPH)
    head = rlp.encode(manifest(len(graph)))
    return [
        rejected("M-1", 101, "no bytes", b""),
        rejected("M-1", 110, "one byte too many", MODEL + b"\x00"),
        rejected("M-1", 110, "one weight byte missing", MODEL[:-1]),
        rejected("M-1", 101, "the graph is cut", MODEL[: len(head) + 9]),
        rejected("M-1", 101, "the manifest is cut", MODEL[:40]),
        rejected(
            "M-2", 102, "a length with a leading zero", b"\xf9\x00" + head[1:] + graph + WEIGHTS
        ),
        rejected("M-2", 102, "a short list in the long form", b"\xf8\x05\x84EGM\x01"),
        rejected(
            "M-2", 102, "a single byte as a string", with_units(b"\x81\x05") + graph + WEIGHTS
        ),
        rejected("M-2", 102, "a number with a leading zero", assemble(units=b"\x00\x05")),
        rejected("M-2", 103, "a length of 4 GiB", b"\xfb\xff\xff\xff\xff" + b"\x00" * 8),
        rejected("M-2", 101, "an inner length beyond the end", b"\xc5\x88EGM\x01"),
        rejected("M-2", 109, "a string where the manifest should be", b"\x84EGM\x01"),
        rejected("M-3", 104, "another magic", assemble(magic=b"EGM\x02")),
        rejected("M-3", 105, "another operator set", assemble(operator_set=b"\x02")),
        rejected("M-3", 107, "no unit", assemble(units=b"")),
        rejected("M-3", 107, "2^31 units", assemble(units=number(2**31))),
        rejected("M-3", 106, "an empty name", assemble(name=b"")),
        rejected("M-3", 106, "65 characters", assemble(name=b"a" * 65)),
        rejected("M-3", 106, "a control character", assemble(name=b"a\x1bb")),
        rejected("M-8", 108, "dtype 0", assemble(inputs=[port(b"x", 0, (-1, 2), 0, 0)])),
        rejected("M-8", 108, "dtype 5", assemble(inputs=[port(b"x", 5, (-1, 2), 0, 0)])),
        rejected("M-8", 108, "rank 0", assemble(inputs=[port(b"x", I8, (), 0, 0)])),
        rejected("M-8", 108, "rank 9", assemble(inputs=[port(b"x", I8, (1,) * 9, 0, 0)])),
        rejected("M-8", 108, "dimension 0", assemble(inputs=[port(b"x", I8, (0, 2), 0, 0)])),
        rejected("M-8", 108, "dimension -2", assemble(inputs=[port(b"x", I8, (-2, 2), 0, 0)])),
        rejected(
            "M-8", 108, "two symbolic dimensions", assemble(inputs=[port(b"x", I8, (-1, -1), 0, 0)])
        ),
        rejected("M-8", 107, "an empty range", assemble(inputs=[port(b"x", I8, (-1, 2), 1, 0)])),
        rejected(
            "M-8",
            107,
            "a range beyond the dtype",
            assemble(inputs=[port(b"x", I8, (-1, 2), 0, 128)]),
        ),
        rejected(
            "M-8", 107, "scale 0", assemble(inputs=[port(b"x", I8, (-1, 2), 0, 1, mantissa=0)])
        ),
        rejected("M-8", 109, "a port of six fields", assemble(inputs=[INPUT[:6]])),
        rejected("M-4", 109, "a graph of two fields", assemble([[WEIGHT], [DENSE]])),
        rejected(
            "M-4", 109, "outputs of three bytes", assemble([[WEIGHT], [DENSE], b"\x02\x00\x00"])
        ),
        rejected("M-5", 201, "operator 0xffff", assemble(with_dense(0, b"\xff\xff"))),
        rejected("M-5", 202, "an attribute missing", assemble([[WEIGHT], [DENSE[:-1]], u32s(2)])),
        rejected(
            "M-5", 202, "an attribute too many", assemble([[WEIGHT], [[*DENSE, b"\x01"]], u32s(2)])
        ),
        rejected("M-5", 202, "two values for one scalar", assemble(with_dense(5, b"\x01\x01"))),
        rejected(
            "M-5", 109, "a bias of five bytes", assemble(with_dense(2, b"\x01\x00\x00\x00\x01"))
        ),
        rejected(
            "M-5",
            109,
            "a list where an attribute should be",
            assemble([[WEIGHT], [[*DENSE[:-1], [b"\x01"]]], u32s(2)]),
        ),
    ]


def with_units(raw: bytes) -> bytes:
    """Encode the manifest with `raw` bytes in the place of maximum_units."""
    items = [rlp.encode(item) for item in manifest(len(rlp.encode(GRAPH)))]
    payload = b"".join([*items[:5], raw, *items[6:]])
    return b"\xf8" + bytes([len(payload)]) + payload


def validation_refusals() -> list[Case]:
    clamp = (i32s(0), i32s(127))
    twice = [[WEIGHT], [DENSE, node(CLAMP, (2,), *clamp)], u32s(3)]
    return [
        rejected(
            "M-6",
            204,
            "a node reads its own result",
            assemble([[WEIGHT], [node(CLAMP, (2,), *clamp), DENSE], u32s(3)]),
        ),
        rejected(
            "M-6",
            204,
            "a cycle of two nodes",
            assemble([[WEIGHT], [node(CLAMP, (3,), *clamp), node(CLAMP, (2,), *clamp)], u32s(3)]),
        ),
        rejected(
            "M-6",
            204,
            "a value that does not exist",
            assemble([[WEIGHT], [[*DENSE[:1], u32s(0, 2**32 - 1), *DENSE[2:]]], u32s(2)]),
        ),
        rejected(
            "M-12",
            203,
            "GEMM with one input",
            assemble([[WEIGHT], [[*DENSE[:1], u32s(0), *DENSE[2:]]], u32s(2)]),
        ),
        rejected(
            "M-12",
            207,
            "units without a symbolic input",
            assemble(
                inputs=[port(b"x", I8, (1, 2), -128, 127)], outputs=[port(b"y", I8, (1, 3), 0, 127)]
            ),
        ),
        rejected(
            "M-12",
            207,
            "a symbolic weight",
            assemble([[[number(I8), i32s(-1, 2)]], [DENSE], u32s(2)], weights=WEIGHTS[:2]),
        ),
        rejected("M-12", 206, "no input", assemble(inputs=[])),
        rejected("M-12", 106, "two inputs of one name", assemble(inputs=[INPUT, INPUT])),
        rejected(
            "M-13",
            205,
            "an unused weight",
            assemble([[WEIGHT, WEIGHT], [DENSE], u32s(3)], weights=WEIGHTS * 2),
        ),
        rejected(
            "M-13",
            205,
            "an unused input",
            assemble(
                [[WEIGHT], [[*DENSE[:1], u32s(0, 2), *DENSE[2:]]], u32s(3)],
                inputs=[INPUT, port(b"z", I8, (1,), 0, 1)],
            ),
        ),
        rejected("M-13", 205, "an unused result", assemble([[WEIGHT], twice[1], u32s(2)])),
        rejected("M-14", 206, "two outputs, one port", assemble([[WEIGHT], twice[1], u32s(2, 3)])),
        rejected(
            "M-14",
            206,
            "an input as output",
            assemble(
                [[WEIGHT], [DENSE], u32s(2, 0)],
                outputs=[OUTPUT, port(b"z", I8, (-1, 2), -128, 127)],
            ),
        ),
        rejected(
            "M-14",
            206,
            "one value twice",
            assemble(
                [[WEIGHT], [DENSE], u32s(2, 2)], outputs=[OUTPUT, port(b"z", I8, (-1, 3), 0, 127)]
            ),
        ),
        rejected("M-14", 206, "another shape", assemble(outputs=[port(b"y", I8, (-1, 4), 0, 127)])),
        rejected(
            "M-14", 206, "another dtype", assemble(outputs=[port(b"y", I16, (-1, 3), 0, 127)])
        ),
        rejected(
            "M-14",
            206,
            "a range the result leaves",
            assemble(outputs=[port(b"y", I8, (-1, 3), 0, 126)]),
        ),
    ]


def leaf(chunk: bytes) -> bytes:
    return blake3(b"\x00" + chunk).digest()


def root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written there."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return blake3(b"\x01" + root(leaves[:split]) + root(leaves[split:])).digest()


def merkle_cases() -> list[Case]:
    cases: list[Case] = []
    for size in (1, 65_535, 65_536, 65_537, 5 * 65_536 + 1):
        data = blake3(number(size)).digest(length=size)
        leaves = [leaf(data[at : at + 65_536]) for at in range(0, size, 65_536)]
        cases.extend(
            {
                "rule": rule,
                "seed": number(size).hex(),
                "size": size,
                "leaves": [digest.hex() for digest in leaves],
                "root": root(leaves).hex(),
            }
            for rule in ("M-9", "M-10")
        )
    cases.append({"rule": "M-11", "data": MODEL.hex(), "root": root([leaf(MODEL)]).hex()})
    return cases


def dense(rows: list[tuple[int, int]]) -> list[int]:
    """The model of `MODEL`, by hand."""
    matrix = ((1, 2, 1, 2**30, 30), (-3, 4, 0, 2**30, 31), (127, -128, -1, 2**31 - 1, 62))
    return [
        max(0, min(127, ((a * p + b * q + bias) * m + 2 ** (s - 1)) // 2**s))
        for a, b in rows
        for p, q, bias, m, s in matrix
    ]


def step_digest(index: int, operator: int, dtype: int, shape: tuple[int, ...], data: bytes) -> str:
    header = b"\x02" + struct.pack("<IHBBB", index, operator, 1, dtype, len(shape))
    return blake3(header + struct.pack(f"<{len(shape)}Q", *shape) + data).hexdigest()


def run_cases() -> list[Case]:
    cases: list[Case] = []
    for rule, rows in (
        ("M-17", [(1, 2)]),
        ("M-19", [(127, -128), (-128, 127), (0, 0), (5, -6), (50, 9)]),
        ("M-20", [(3, 4), (-1, 60)]),
    ):
        output = dense(rows)
        data = struct.pack(f"<{2 * len(rows)}b", *(v for row in rows for v in row))
        packed = struct.pack(f"<{len(output)}b", *output)
        cases.append(
            {
                "rule": rule,
                "model": MODEL.hex(),
                "input": data.hex(),
                "units": len(rows),
                "output": packed.hex(),
                "steps": [step_digest(0, GEMM, I8, (len(rows), 3), packed)],
            }
        )
    ranged = assemble(inputs=[port(b"x", I8, (-1, 2), -5, 5)])
    cases += [
        {"rule": "M-17", "model": MODEL.hex(), "input": "00" * size, "units": None}
        for size in (0, 1, 3, 11, 12)
    ]
    cases += [
        {"rule": "M-18", "model": ranged.hex(), "input": data, "units": 1, "fault": 503}
        for data in ("0600", "00fa", "8000")
    ]
    return cases


def fact_cases() -> list[Case]:
    """M-15 and M-16 on the model above, whose counts are a few multiplications."""
    return [
        {
            "rule": "M-15",
            "model": MODEL.hex(),
            "counts": {
                "steps": [2, 0, 0],
                "rows": [0, 2, 0],
                "mac_gemm": [0, 6, 0],
                "weight_bytes": [6, 0, 0],
                "element_heavy": [0, 3, 0],
                "digest_bytes": [0, 3, 0],
            },
        },
        {"rule": "M-15", "model": mixed().hex(), "counts": MIXED_COUNTS},
        {
            "rule": "M-15",
            "why": "the right operand is no weight",
            "model": assemble(
                [[], [DENSE], u32s(2)],
                weights=b"",
                inputs=[INPUT, port(b"w", I8, (3, 2), -128, 127)],
            ).hex(),
            "counts": {
                "steps": [2 + 1, 0, 0],
                "rows": [0, 2 * 2, 0],
                "mac_general": [0, 6, 0],
                "weight_bytes": [6, 0, 0],
                "element_heavy": [0, 3, 0],
                "digest_bytes": [0, 3, 0],
            },
        },
        {
            "rule": "M-15",
            "why": "35 inputs joined: one node, 35 operands, 34 inputs beyond the first",
            "model": many_inputs(35).hex(),
            "counts": {
                "steps": [2 + 4 + 34, 0, 0],
                "element_copy": [35, 0, 0],
                "digest_bytes": [35, 0, 0],
            },
        },
        {"rule": "M-16", "model": MODEL.hex(), "live_bytes": 5 * 2 + 5 * 3},
    ]


def many_inputs(count: int) -> bytes:
    """Join ``count`` inputs of one element each."""
    return assemble(
        [[], [node(0x0403, tuple(range(count)), b"\x00")], u32s(count)],
        weights=b"",
        inputs=[port(b"x%d" % index, I8, (1,), -128, 127) for index in range(count)],
        outputs=[port(b"y", I8, (count,), -128, 127)],
        units=b"\x01",
    )


def mixed() -> bytes:
    """Give every class a count: x (n, 4, 4, 2) through one node of each kind."""
    window = (struct.pack("<2H", 2, 2), struct.pack("<4H", 0, 0, 0, 0))
    rescaled = (u32s(1), b"\x28", b"\x01", i32s(-128), i32s(127))
    pair = (u32s(1), b"\x28", u32s(1), b"\x28", b"\x01", i32s(-128), i32s(127))
    ones = struct.pack("<2H", 1, 1)
    nodes = [
        node(0x0102, (0, 1), *window, ones, u32s(1), b"", *rescaled),  # 3: (n, 2, 2, 3)
        node(0x0102, (0, 2), *window, ones, u32s(2), b"", *rescaled),  # 4: (n, 2, 2, 2)
        node(0x0201, (0,), struct.pack("<2H", 2, 2), *window),  # 5: (n, 2, 2, 2)
        node(0x0202, (0,), struct.pack("<2H", 2, 2), *window, b"\x00"),  # 6: (n, 2, 2, 2)
        node(0x0301, (4, 5), *pair),  # 7
        node(0x0302, (7, 6), *pair),  # 8
        node(0x0303, (8, 8), u32s(1), b"\x28", b"\x01", i32s(-128), i32s(127)),  # 9
        node(0x0304, (9,), *rescaled),  # 10
        node(0x0305, (10,), i32s(-128), i32s(127)),  # 11
        node(0x0306, (11,), b"\x01", bytes(512)),  # 12
        node(0x0402, (12,), b"\x00\x03\x01\x02"),  # 13: (n, 2, 2, 2)
        node(0x0403, (13, 3), b"\x03"),  # 14: (n, 2, 2, 5)
        node(0x0401, (14,), i32s(-1, 20)),  # 15
        node(0x0501, (15,), b"\x01"),  # 16: (n), i32
    ]
    weights = [[number(I8), i32s(3, 2, 2, 2)], [number(I8), i32s(2, 2, 2, 1)]]
    return assemble(
        [weights, nodes, u32s(16)],
        weights=bytes(24 + 8),
        inputs=[port(b"x", I8, (-1, 4, 4, 2), -128, 127)],
        outputs=[port(b"y", I32, (-1,), 0, 19)],
    )


MIXED_COUNTS = {
    "steps": [2 * 14, 0, 0],
    # Four pixels of each: a convolution (4), one depthwise (7), pools (3 and 8); ARGMAX of one row.
    "rows": [0, 4 * (4 + 7 + 3 + 8) + 1, 0],
    "mac_conv": [0, 12 * 8, 0],
    "mac_grouped": [0, 8 * 4, 0],
    "weight_bytes": [24 + 8, 0, 0],
    # The transposed and the joined tensor.
    "element_copy": [0, 3 * 8 + 20, 0],
    # Pools of 2 x 2 (largest: four times); three pairs; RESCALE, CLAMP, TABLE8 of 8; ARGMAX of 20.
    "element_cheap": [0, (4 + 1) * 8 * 4 + 3 * 2 * 8 + 3 * 8 + 20, 0],
    "element_heavy": [0, 12 + 8 + 8, 0],
    "digest_bytes": [0, 12 + 8 * 10 + 20 + 20 + 4, 0],
}


def format_cases() -> list[Case]:
    encoded = rlp.encode(GRAPH)
    cases = [
        {
            "rule": rule,
            "why": why,
            "model": MODEL.hex(),
            "manifest_bytes": len(MODEL) - len(encoded) - len(WEIGHTS),
            "graph_bytes": len(encoded),
        }
        for rule, why in (
            ("M-1", "three parts"),
            ("M-3", "the manifest's fields"),
            ("M-4", "the graph's fields"),
            ("M-7", "the weight region: 1 2 -3 4 127 -128 as w (3, 2)"),
        )
    ]
    cases.append(rejected("M-2", 103, "a manifest of 65,537 bytes, by its length", b"\xf9\xff\xfe"))
    cases.append(rejected("M-2", 101, "a manifest of 65,536 bytes, cut", b"\xf9\xff\xfd"))
    return cases


def limit_cases() -> list[Case]:
    """Each limit at the model's own figure and one below it."""
    figures = {
        "model_bytes": (401, len(MODEL)),
        "operators": (402, 1),
        "rank": (403, 2),
        "dimension": (404, 5),
        "live_bytes": (405, 25),
        "macs": (406, 5 * 6 + 5 * 3),
        "head_bytes": (407, len(MODEL) - 6),
    }
    cases: list[Case] = []
    for name, (code, figure) in figures.items():
        case = {"rule": "M-21", "model": MODEL.hex(), "limits": {name: figure}}
        cases.append(case)
        cases.append({**case, "limits": {name: figure - 1}, "fault": code})
    return cases


def two_symbolic() -> Case:
    """Add a column and a row of n elements each: the table would have n * n."""
    pair = (u32s(1), b"\x01", u32s(1), b"\x01", bytes([I8]), i32s(-128), i32s(127))
    graph = [[], [node(0x0402, (0,), b"\x01\x00"), node(0x0301, (0, 1), *pair)], u32s(2)]
    column = port(b"x", I8, (-1, 1), -128, 127)
    table = port(b"y", I8, (-1, 2), -128, 127)
    model = assemble(graph, weights=b"", inputs=[column], outputs=[table])
    return rejected("O-18", 207, "a result with two symbolic dimensions", model)
