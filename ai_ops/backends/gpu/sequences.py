"""Lowering of the operators on sequences: attention, softmax, norms, quantized rows, positions."""

from __future__ import annotations

import numpy as np

from ai_ops.backends.gpu.device import NOWHERE, Launch
from ai_ops.backends.gpu.job import Job, clamp_of, over_elements, over_rows
from ai_ops.dtype import Array
from ai_ops.ops.exponential import EXPONENTIAL

QUERY_THREADS = 128


def _exponential() -> Array:
    return np.array(EXPONENTIAL, np.uint16)


def lower_softmax(job: Job) -> list[Launch]:
    """SOFTMAX."""
    (x,), (y,) = job.inputs, job.outputs
    row = x.shape[-1]
    places = (x.place, job.keep("exponential", _exponential), y.place)
    integers = (
        row,
        x.dtype.code,
        y.dtype.code,
        job.node.integer("multiplier"),
        job.node.integer("shift"),
        job.node.integer("one"),
    )
    return [over_rows("softmax_rows", x.elements // row, row, places, integers)]


def lower_norm(job: Job) -> list[Launch]:
    """LAYER_NORM and RMS_NORM."""
    (x,), (y,) = job.inputs, job.outputs
    row, node = x.shape[-1], job.node
    gamma = node.integers("gamma")
    centred = node.operator == "LAYER_NORM"
    beta = node.integers("beta") if centred else ()
    offset = job.keep("beta", lambda: np.array(beta, np.int64)) if beta else NOWHERE
    places = (x.place, job.keep("gamma", lambda: np.array(gamma, np.int32)), offset, y.place)
    integers = (
        *(row, x.dtype.code, y.dtype.code, *clamp_of(node)),
        *(node.integer("shift"), node.integer("epsilon"), int(centred), len(gamma)),
    )
    return [over_rows("normalize_rows", x.elements // row, row, places, integers)]


def lower_dynamic_quantize(job: Job) -> list[Launch]:
    """DYNAMIC_QUANTIZE."""
    (x,), (q, a) = job.inputs, job.outputs
    row = x.shape[-1]
    places = (x.place, q.place, a.place)
    return [over_rows("quantize_rows", x.elements // row, row, places, (row, x.dtype.code))]


def lower_top_k(job: Job) -> list[Launch]:
    """TOP_K."""
    (x,), (values, indexes) = job.inputs, job.outputs
    row = x.shape[-1]
    places = (x.place, values.place, indexes.place)
    integers = (row, x.dtype.code, job.node.integer("k"))
    return [over_rows("top_rows", x.elements // row, row, places, integers)]


def lower_attention(job: Job) -> list[Launch]:
    """ATTENTION."""
    q, k, v = job.inputs[:3]
    (y,), node = job.outputs, job.node
    heads = node.integer("heads")
    channels = len(node.integers("multipliers"))
    length = job.inputs[3].place if len(job.inputs) > 3 else NOWHERE
    places = (
        *(q.place, k.place, v.place, length),
        *(job.keep("exponential", _exponential), job.scales(channels), y.place),
    )
    integers = (
        *(q.shape[-2], k.shape[-2], heads, node.integer("kv_heads"), q.shape[-1] // heads),
        *(node.integer("causal"), (1 << node.integer("probability_bits")) - 1),
        *(node.integer("multiplier"), node.integer("shift")),
        *(y.dtype.code, *clamp_of(node), channels),
    )
    return [
        Launch(
            kernel="attend",
            blocks=q.elements // q.shape[-1] * heads,
            threads=QUERY_THREADS,
            pointers=places,
            integers=integers,
        )
    ]


def lower_rope(job: Job) -> list[Launch]:
    """ROPE."""
    x, cosines, sines = job.inputs[:3]
    (y,) = job.outputs
    offset = job.inputs[3].place if len(job.inputs) > 3 else NOWHERE
    places = (x.place, cosines.place, sines.place, offset, y.place)
    integers = (
        *(x.elements, x.dtype.code, x.shape[-2], x.shape[-1]),
        *(cosines.shape[1], cosines.shape[0], job.node.integer("interleaved")),
    )
    return [over_elements("turn_pairs", x.elements, places, integers)]
