"""ATTENTION: each query's mean of the values, weighted by the exponential of its scores.

Never more than one block of scores exists at a time: memory does not grow with T * S.
Source: docs/spec/02-operators.md O-54.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from ai_ops import cost
from ai_ops.arithmetic import Wide, divide
from ai_ops.dtype import Array, DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, Value
from ai_ops.ops.definition import Field, Operator
from ai_ops.ops.epilogue import (
    RESCALE_FIELDS,
    apply_rescale,
    check_accumulator,
    check_index,
    infer_rescaled,
)
from ai_ops.ops.exponential import SCORE_FIELDS, SCORE_LIMIT, check_scale, scores, weights

PROBABILITY_BITS = (7, 12)
# Setting out one head of one matrix takes as long as this many rows.
MATRIX_ROWS = 1_000
KEYS_MAXIMUM = 65_536
FRACTION_BITS = 8
BLOCK_ELEMENTS = 2**18


@dataclass(frozen=True, slots=True, kw_only=True)
class Heads:
    """How the last dimensions split: `count` heads of `depth`, in groups that share keys."""

    count: int
    shared: int  # heads of keys and values
    depth: int


def heads_of(node: Node, width: int) -> Heads:
    """Read the heads of a checked node whose queries have `width` elements."""
    count = node.integer("heads")
    return Heads(count=count, shared=node.integer("kv_heads"), depth=width // count)


def infer(node: Node, inputs: tuple[Value, ...]) -> tuple[Value, ...]:
    """Take q (..., T, H*D), k and v (..., S, G*D) to (..., T, H*D); only T and S may be -1."""
    q, k, v = inputs[:3]
    heads = _check_shapes(node, q, k, v)
    if any(value.type.dtype is not DType.I8 for value in (q, k, v)):
        raise InvalidModel(ModelFault.DTYPE, "ATTENTION: q, k and v must be i8")
    for length in inputs[3:]:
        check_index(node, length, "length")
    least, most = PROBABILITY_BITS
    if node.integer("causal") not in {0, 1}:
        raise InvalidModel(ModelFault.ATTRIBUTE_VALUE, "ATTENTION: causal is not 0 or 1")
    if not least <= node.integer("probability_bits") <= most:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE, f"ATTENTION: probability_bits is outside {least} to {most}"
        )
    check_scale(node)
    bound = heads.depth * q.magnitude * k.magnitude
    check_accumulator(node, -bound, bound)
    one = 1 << FRACTION_BITS
    # A mean lies between its values; a query that sees no key gives 0.
    ends = (one * min(v.minimum, 0), one * max(v.maximum, 0))
    return (infer_rescaled(node, q.type.shape, *ends),)


def _check_shapes(node: Node, q: Value, k: Value, v: Value) -> Heads:
    count, shared = node.integer("heads"), node.integer("kv_heads")
    shape = q.type.shape
    if not (
        len(shape) == len(k.type.shape) >= 2
        and k.type.shape == v.type.shape
        and shape[:-2] == k.type.shape[:-2]
    ):
        raise InvalidModel(
            ModelFault.SHAPE,
            f"ATTENTION: q {shape}, k {k.type.shape} and v {v.type.shape} do not fit",
        )
    width, shared_width = shape[-1], k.type.shape[-1]
    if SYMBOLIC in {width, shared_width}:
        raise InvalidModel(ModelFault.SYMBOLIC, "ATTENTION: a head has symbolic depth")
    if count < 1 or shared < 1 or count % shared or width % count:
        raise InvalidModel(
            ModelFault.SHAPE,
            f"ATTENTION: {width} elements do not split into {count} heads, "
            f"{shared} of keys and values",
        )
    if shared_width != shared * (width // count):
        raise InvalidModel(
            ModelFault.SHAPE, f"ATTENTION: k has {shared_width} elements for {shared} heads"
        )
    if k.type.shape[-2] > KEYS_MAXIMUM:
        raise InvalidModel(
            ModelFault.SHAPE, f"ATTENTION: {k.type.shape[-2]} keys are above {KEYS_MAXIMUM}"
        )
    return Heads(count=count, shared=shared, depth=width // count)


def work(node: Node, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> cost.Work:
    """Two products of depth D for each pair of a query and a key, and one exponential."""
    q, k = inputs[0].type, inputs[1].type
    width, heads = q.shape[-1], node.integer("heads")
    pairs = cost.product(q.shape[:-1], k.shape[-2:-1])
    return {
        "mac_general": cost.times(pairs, 2 * width),
        "element_wide": cost.times(pairs, heads),
        "element_heavy": cost.elements(outputs[0].type),
        "element_copy": cost.elements(k, 4),
        "rows": cost.plus(
            cost.rows(q, 14 * heads), cost.times(cost.product(q.shape[:-2]), MATRIX_ROWS * heads)
        ),
    }


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Head by head, in blocks of queries."""
    q, k, v = (array.astype(np.int64) for array in arrays[:3])
    queries, keys = q.shape[-2], k.shape[-2]
    valid = min(max(int(arrays[3][0]), 0), keys) if len(arrays) > 3 else keys
    heads = heads_of(node, q.shape[-1])
    batch = prod(q.shape[:-2])
    split_q = q.reshape(batch, queries, heads.count, heads.depth)
    split_k, split_v = (x.reshape(batch, keys, heads.shared, heads.depth) for x in (k, v))
    means = np.zeros(split_q.shape, np.int64)
    block = max(1, BLOCK_ELEMENTS // keys)
    for b in range(batch):
        for head in range(heads.count):
            shared = head // (heads.count // heads.shared)
            for start in range(0, queries, block):
                rows = slice(start, start + block)
                # Query i sees the keys below this many.
                seen = np.full((len(split_q[b, rows]), 1), valid, np.int64)
                if node.integer("causal"):
                    positions = np.arange(queries, dtype=np.int64)[rows, None]
                    seen = np.minimum(seen, positions + valid - queries + 1)
                means[b, rows, head] = _means(
                    node, split_q[b, rows, head], split_k[b, :, shared], split_v[b, :, shared], seen
                )
    return (apply_rescale(node, means.reshape(q.shape), outputs[0]),)


def _means(node: Node, q: Wide, k: Wide, v: Wide, seen: Wide) -> Wide:
    """Return the means, in 1/256: q (T, D), k and v (S, D), seen (T, 1) to (T, D)."""
    visible = np.arange(len(k), dtype=np.int64) < seen
    t = scores(node, q @ k.T)
    largest = np.where(visible, t, -SCORE_LIMIT).max(axis=1, keepdims=True)
    z = weights(np.where(visible, largest - t, 0))
    top = (1 << node.integer("probability_bits")) - 1
    p = np.where(visible, (top * z + (1 << 14)) >> 15, 0)
    total = np.maximum(1, p.sum(axis=1, keepdims=True))
    return divide((p @ v) << FRACTION_BITS, total)


ATTENTION = Operator(
    name="ATTENTION",
    code=0x0107,
    arity=(3, 4),
    fields=(
        Field(name="heads", element="u16"),
        Field(name="kv_heads", element="u16"),
        Field(name="causal", element="u8"),
        Field(name="probability_bits", element="u8"),
        *SCORE_FIELDS,
        *RESCALE_FIELDS,
    ),
    infer=infer,
    work=work,
    reference=reference,
)
