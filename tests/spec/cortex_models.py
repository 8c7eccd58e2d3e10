"""A model whose results depended on history in Cortex, run several times over."""

from __future__ import annotations

import struct

from tests.spec.model_cases import (
    I32,
    Case,
    assemble,
    i32s,
    node,
    number,
    port,
    step_digest,
    u32s,
)

ADD = 0x0301
ONCE = (bytes([30]), u32s(2**30), bytes([30]), bytes([I32]), i32s(-(2**31)), i32s(2**31 - 1))


def run_cases() -> list[Case]:
    """y = x + w: Cortex let the model place y on w, so that w grew with every call."""
    x, w = (1, 2, 3, 4), (10, 10, 10, 10)
    y = struct.pack("<4i", *(p + q for p, q in zip(x, w, strict=True)))
    ends = (-(2**31), 2**31 - 1)
    model = assemble(
        graph=[
            [[number(I32), i32s(4)]],
            [node(ADD, (0, 1), u32s(2**30), *ONCE)],
            u32s(2),
        ],
        weights=struct.pack("<4i", *w),
        inputs=[port(b"x", I32, (4,), *ends)],
        outputs=[port(b"y", I32, (4,), *ends)],
        units=b"\x01",
    )
    return [
        {
            "rule": "M-19",
            "why": "three equal calls have equal results: Cortex let the model file choose where a "
            "result lies, and one on a weight changed the weight (11, then 21, then 31)",
            "model": model.hex(),
            "input": struct.pack("<4i", *x).hex(),
            "units": 1,
            "calls": 3,
            "output": y.hex(),
            "steps": [step_digest(0, ADD, I32, (4,), y)],
        }
    ]
