"""ATen's attention in one call, as the products, mask and softmax that it stands for."""

from __future__ import annotations

import math

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.masks import MASK
from ai_ops.importers.torch_calls import BOOL, Call
from ai_ops.importers.torch_choices import stored
from ai_ops.importers.torch_resize import maker


def attention(call: Call) -> list[FloatNode]:
    """Read scaled_dot_product_attention, with a mask or none; keys may be fewer than queries."""
    make = maker(call)
    nodes: list[FloatNode] = []
    query, key, value = (call.value(name) for name in ("query", "key", "value"))
    shape, keys = call.reader.shapes[query], call.reader.shapes[key]
    rank = len(shape)
    if call.get("enable_gqa", False) and keys[-3] != shape[-3]:
        key, value = (_repeated(call, nodes, name) for name in ("key", "value"))
    scale = call.get("scale") or 1 / math.sqrt(shape[-1])
    axes = (*range(1, rank - 2), rank - 1, rank - 2)
    nodes.append(make(f"{call.name}.turned", "transpose", key, axes=axes))
    nodes.append(make(f"{call.name}.scores", "matmul", query, nodes[-1].name))
    put = call.reader.put
    nodes.append(
        make(
            f"{call.name}.scaled",
            "affine",
            nodes[-1].name,
            scale=put(call.name, np.array([scale])),
            shift=put(call.name, np.zeros(1)),
            rank=rank,
        )
    )
    nodes += _masked(call, nodes[-1].name, (shape[-2], keys[-2]))
    nodes.append(
        make(f"{call.name}.shares", "softmax", nodes[-1].name, axis=rank - 1, logarithm=False)
    )
    return [*nodes, make(call.name, "matmul", nodes[-1].name, value)]


def _repeated(call: Call, nodes: list[FloatNode], name: str) -> str:
    """Append what gives each query head its shared key head; return its name."""
    shape, make = call.reader.shapes[call.value(name)], maker(call)
    heads, axis = call.reader.shapes[call.value("query")][-3], len(shape) - 3
    each = heads // shape[axis]
    indices = tuple(at // each for at in range(heads))
    taken = make(f"{call.name}.{name}", "take", call.value(name), axis=axis, indices=indices)
    nodes.append(taken)
    return taken.name


def _masked(call: Call, scores: str, size: tuple[int, int]) -> list[FloatNode]:
    """Return the nodes that mask the scores; none without a mask."""
    make, mask = maker(call), call.get("attn_mask")
    nodes: list[FloatNode] = []
    if call.get("is_causal", False):
        causal = stored(call, np.tril(np.ones(size)), f"{call.name}.causal")
        return [causal, *_chosen(call, causal.name, scores)]
    if mask is None:
        return []
    rank, array = len(call.reader.shapes[call.name]), call.reader.constants.get(mask)
    if array is not None:
        nodes.append(stored(call, array, f"{call.name}.mask"))
        mask = nodes[-1].name
    elif len(call.reader.shapes[mask]) < rank:
        shape = call.reader.shapes[mask]
        if shape[0] != 1:
            raise call.refuse("its mask has fewer axes than its scores; unsqueeze it first")
        full = ([1] * (rank - len(shape)) + shape)[1:]
        nodes.append(make(f"{call.name}.mask", "reshape", mask, shape=tuple(full)))
        mask = nodes[-1].name
    if call.reader.dtypes.get(call.get("attn_mask")) == BOOL:
        return [*nodes, *_chosen(call, mask, scores)]
    return [*nodes, make(f"{call.name}.masked", "add", scores, mask)]


def _chosen(call: Call, seen: str, scores: str) -> list[FloatNode]:
    """Return the choice of a score where it is seen, else of a number far below."""
    unseen = stored(call, -MASK, f"{call.name}.unseen")
    return [unseen, maker(call)(f"{call.name}.masked", "where", seen, scores, unseen.name)]
