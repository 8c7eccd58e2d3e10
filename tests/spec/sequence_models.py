"""Models of operators on sequences: what they cost, and the digest of a step with two results."""

from __future__ import annotations

import struct

from blake3 import blake3

from tests.spec.model_cases import I8, I16, I32, Case, assemble, i32s, node, number, port, u32s
from tests.spec.plain import divide

U8 = 4
DYNAMIC_QUANTIZE = 0x0105
CLAMP_I8 = (i32s(-128), i32s(127))
RESCALED = (u32s(1), b"\x01", b"\x01", *CLAMP_I8)
SCORE = (u32s(1), b"\x01")


def encoder() -> bytes:
    """Take x (n, 4) through one node of each kind that keeps rows, and one token drawn beside."""
    nodes = [
        node(0x0105, (0,)),  # 8, 9: q (n, 4), a (n, 1)
        node(0x0106, (8, 9, 4), b"", u32s(1), b"\x1e", b"\x01", *CLAMP_I8),  # 10: (n, 8)
        node(0x0604, (10, 5, 5), b"\x00"),  # 11: (n, 8)
        node(  # 12: (n, 8), 4 heads, 2 of keys and values
            0x0107, (11, 6, 6, 1), b"\x04\x00", b"\x02\x00", b"\x00", b"\x07", *SCORE, *RESCALED
        ),
        node(  # 13: (n, 8), 4 heads of n keys
            0x0107, (12, 11, 11), b"\x04\x00", b"\x04\x00", b"\x01", b"\x0c", *SCORE, *RESCALED
        ),
        node(0x0602, (13,), i32s(1), b"", bytes(8), b"\x01", b"\x02", *CLAMP_I8),  # 14: i16
        node(0x030F, (14,), bytes(2 * 513), *RESCALED),  # 15
        node(0x0603, (15,), i32s(1), bytes(8), b"\x01", b"\x01", *CLAMP_I8),  # 16
        node(0x0601, (16,), *SCORE, i32s(127), b"\x01"),  # 17
        node(0x0507, (17,), u32s(3)),  # 18, 19: (n, 3)
        node(0x0508, (7, 2, 1), u32s(5), *SCORE),  # 20: (1)
        node(0x040A, (7, 3, 20)),  # 21: (9)
    ]
    weights = [(I8, (8, 4)), (I16, (6, 1)), (I8, (10, 4)), (I8, (9,))]
    return assemble(
        [
            [[number(dtype), i32s(*shape)] for dtype, shape in weights],
            nodes,
            u32s(18, 19, 21),
        ],
        weights=bytes(32 + 12 + 40 + 9),
        inputs=[
            port(b"x", I16, (-1, 4), -32767, 32767),
            port(b"length", I32, (1,), 0, 10),
            port(b"seed", U8, (32,), 0, 255),
            port(b"row", I8, (2,), -128, 127),
        ],
        outputs=[
            port(b"values", I8, (-1, 3), 0, 127),
            port(b"indices", I32, (-1, 3), 0, 7),
            port(b"cache", I8, (9,), -128, 127),
        ],
    )


ENCODER_COUNTS = {
    "steps": [2 * 12 + 3 + 2 + 2, 0, 0],
    # Two attentions and SAMPLE; DYNAMIC_QUANTIZE, GEMM_DYNAMIC, ROPE; 4 heads twice; two norms;
    # SOFTMAX.
    "rows": [2 * 1_000 * 4 + 4_000 + 500, 2 + 8 + 1 + 2 * 14 * 4 + 2 * 24 + 2, 0],
    "mac_gemm": [0, 8 * 4, 0],
    # Heads of depth 2: n * 10 pairs, then n * n.
    "mac_general": [0, 2 * 2 * 4 * 10, 2 * 2 * 4],
    "weight_bytes": [32, 0, 0],
    # The cache; keys (10, 4), then (n, 8).
    "element_copy": [9 + 4 * 40, 4 * 8, 0],
    "element_heavy": [0, 8 + 2 * 8 + 8 + 8, 0],
    # SAMPLE of 9; q twice, TOP_K of 8.
    "element_cheap": [24 * 9, 2 * 4 + 24 * 8, 0],
    # Exponentials of attention; LAYER_NORM, TABLE16, RMS_NORM; SOFTMAX twice; 5 tokens kept.
    "element_wide": [5, 4 * 10 + 8 + 8 + 8 + 2 * 8, 4],
    # 5 of 3 bits; 3 of 2 bits.
    "comparison": [5 * 3, 3 * 2, 0],
    "digest_bytes": [4 + 9, (4 + 4) + 8 + 8 + 8 + 8 + 16 + 8 + 8 + 8 + (3 + 12), 0],
}


def fact_cases() -> list[Case]:
    return [{"rule": "M-15", "model": encoder().hex(), "counts": ENCODER_COUNTS}]


def two_results() -> bytes:
    return assemble(
        [[], [node(DYNAMIC_QUANTIZE, (0,))], u32s(1, 2)],
        weights=b"",
        inputs=[port(b"x", I8, (-1, 2), -128, 127)],
        outputs=[port(b"q", I8, (-1, 2), -127, 127), port(b"a", I32, (-1, 1), 1, 128)],
    )


def run_cases() -> list[Case]:
    """M-20: one digest over both results."""
    rows = [(5, -3), (0, 0), (-128, 127)]
    largest = [max(1, *(abs(v) for v in row)) for row in rows]
    q = [divide(127 * v, most) for row, most in zip(rows, largest, strict=True) for v in row]
    packed = struct.pack("<6b", *q), struct.pack("<3i", *largest)
    header = b"\x02" + struct.pack("<IHB", 0, DYNAMIC_QUANTIZE, 2)
    header += struct.pack("<BB2Q", I8, 2, 3, 2) + struct.pack("<BB2Q", I32, 2, 3, 1)
    return [
        {
            "rule": "M-20",
            "why": "two results",
            "model": two_results().hex(),
            "input": struct.pack("<6b", *(v for row in rows for v in row)).hex(),
            "units": 3,
            "output": b"".join(packed).hex(),
            "steps": [blake3(header + b"".join(packed)).hexdigest()],
        }
    ]


def validation_refusals() -> list[Case]:
    """M-13: the second result of a node must have a reader too."""
    model = assemble(
        [[], [node(DYNAMIC_QUANTIZE, (0,))], u32s(1)],
        weights=b"",
        inputs=[port(b"x", I8, (-1, 2), -128, 127)],
        outputs=[port(b"q", I8, (-1, 2), -127, 127)],
    )
    return [{"rule": "M-13", "why": "an unused second result", "model": model.hex(), "fault": 205}]
