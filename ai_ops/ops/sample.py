"""SAMPLE: one index drawn by its exponential among the largest, from a seed and a position.

Source: docs/spec/02-operators.md O-62.
"""

from __future__ import annotations

import struct

import numpy as np
from blake3 import blake3

from ai_ops import cost
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import check_index
from ai_ops.ops.exponential import SCORE_FIELDS, check_scale, scores, weights
from ai_ops.ops.top_k import SELECTION_PASSES, first_largest

# Hashing the seed and drawing takes as long as this many rows.
CALL_ROWS = 4_000
SEED_BYTES = 32


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take logits (V) or (1, V), seed u8 (32) and position i32 (1) to an index i32 (1)."""
    logits, seed, position = inputs
    *lead, size = logits.type.shape
    if lead not in ([], [1]) or seed.type.shape != (SEED_BYTES,):
        raise InvalidModel(ModelFault.SHAPE, "SAMPLE: logits must be (V) or (1, V), the seed (32)")
    if size == SYMBOLIC:
        raise InvalidModel(ModelFault.SYMBOLIC, "SAMPLE: the number of logits is symbolic")
    if seed.type.dtype is not DType.U8:
        raise InvalidModel(ModelFault.DTYPE, "SAMPLE: the seed must be u8")
    check_index(node, position, "position")
    top_k = node.integer("top_k")
    if not 1 <= top_k <= size:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE, f"SAMPLE: top_k is {top_k}, outside 1 to {size}"
        )
    check_scale(node)
    return (Value(type=TensorType(dtype=DType.I32, shape=(1,)), minimum=0, maximum=size - 1),)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """As TOP_K, then one exponential for each logit that is kept."""
    del outputs
    top_k = node.integer("top_k")
    return {
        "element_cheap": cost.elements(inputs[0].type, SELECTION_PASSES),
        "comparison": cost.constant(top_k * top_k.bit_length()),
        "rows": cost.constant(CALL_ROWS),
        "element_wide": cost.constant(top_k),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Keep the largest, then draw one of them."""
    del outputs
    kept = first_largest(arrays[0].reshape(-1), node.integer("top_k"))
    return (chosen(node, arrays, kept),)


def chosen(node: Node, arrays: tuple[Array, ...], kept: Array) -> Array:
    """Find where the running sum of weights first exceeds a number drawn below their sum.

    Parameters
    ----------
    arrays : tuple of arrays
        The node's inputs.
    kept : integer (top_k,)
        Indices of the largest logits, in order.
    """
    t = scores(node, arrays[0].reshape(-1)[kept].astype(np.int64))
    running = np.cumsum(weights(t[0] - t))
    drawn = draw(arrays[1].tobytes(), int(arrays[2][0]), int(running[-1]))
    return np.array([kept[int(np.argmax(running > drawn))]], DType.I32.numpy)


def draw(seed: bytes, position: int, bound: int) -> int:
    """Return a number in [0, bound) that depends on all bits of seed and position."""
    digest = blake3(seed + struct.pack("<i", position)).digest()
    return int.from_bytes(digest, "little") % bound


SAMPLE = Operator(
    name="SAMPLE",
    code=0x0508,
    arity=(3, 3),
    fields=(Field(name="top_k", element="u32"), *SCORE_FIELDS),
    infer=infer,
    work=work,
    reference=reference,
)
