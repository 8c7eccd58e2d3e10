"""The digest of a step: what validators compare operator by operator.

Source: docs/spec/03-models.md M-20.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from blake3 import blake3

from ai_ops.dtype import Array, DType

# Merkle leaves begin with 0x00 and nodes with 0x01: no step digest can pass for either.
STEP_PREFIX = b"\x02"
# Up to so many bytes a copy takes less time than a second call, after which chunks straddle.
SMALL = 2**16


def step_header(
    index: int, operator_code: int, outputs: Sequence[tuple[DType, tuple[int, ...]]]
) -> bytes:
    """Describe a step: 0x02, u32 index, u16 operator, u8 count; each output's dtype and shape.

    Parameters
    ----------
    index : int
        Position of the node in the graph.
    operator_code : int
    outputs : sequence of (DType, shape)
        Concrete shapes. Each is u8 dtype, u8 rank, u64 a dimension; all numbers little-endian.
    """
    parts = [STEP_PREFIX, struct.pack("<IHB", index, operator_code, len(outputs))]
    for dtype, shape in outputs:
        parts.append(struct.pack(f"<BB{len(shape)}Q", dtype.code, len(shape), *shape))
    return b"".join(parts)


def step_digest(header: bytes, outputs: Sequence[Array]) -> bytes:
    """BLAKE3 over the header and the bytes of each output, in order.

    Parameters
    ----------
    header : bytes
        From `step_header`.
    outputs : sequence of arrays
        In their little-endian dtypes; hashed in row-major order.
    """
    if len(outputs) == 1 and outputs[0].nbytes <= SMALL:
        return blake3(header + outputs[0].tobytes()).digest()
    hasher = blake3(header)
    for output in outputs:
        hasher.update(np.ascontiguousarray(output).data.cast("B"))
    return hasher.digest()
