"""Makers of the `native` kernels of sequence models: rows, rotary positions, attention."""

from __future__ import annotations

import numpy as np

from ai_ops.backends.native_products import NARROW, WIDE, row_bytes
from ai_ops.backends.native_site import PANEL, NativeSite, counted, product_of
from ai_ops.dtype import Array, DType
from ai_ops.graph import SYMBOLIC
from ai_ops.native.library import NativeKernel
from ai_ops.native.steps import make_step
from ai_ops.ops.attention import heads_of

# src/attention.h: rows of scores at once, keys summed at once; lines lost to rounding.
QUERIES, KEYS = 16, 4096
SLACK_BYTES = 16 * 64
# Scratch for a key may be so many times its own bytes and its value's: heads of one or two
# elements would take fifty times.
MOST_SPREAD = 12


def make_dynamic_quantize(site: NativeSite) -> NativeKernel:
    """Make DYNAMIC_QUANTIZE."""
    return _make_rows(site, "dynamic_quantize")


def make_softmax(site: NativeSite) -> NativeKernel:
    """Make SOFTMAX; scratch holds a row of i32."""
    node = site.node
    return _make_rows(
        site,
        "softmax",
        scratch=True,
        multiplier=node.integer("multiplier"),
        shift=node.integer("shift"),
        one=node.integer("one"),
    )


def make_norm(site: NativeSite) -> NativeKernel:
    """Make LAYER_NORM or RMS_NORM; scratch holds a row of i32."""
    node = site.node
    centered = node.operator == "LAYER_NORM"
    row = site.inputs[0].type.shape[-1]
    gamma, beta = np.empty(row, DType.I32.numpy), np.zeros(row, np.int64)
    gamma[:] = node.integers("gamma")
    if centered and (entries := node.integers("beta")):
        beta[:] = entries
    return _make_rows(
        site,
        "norm",
        scratch=True,
        shift=node.integer("shift"),
        centered=int(centered),
        epsilon=node.integer("epsilon"),
        gamma=gamma,
        beta=beta,
        minimum=node.integer("minimum"),
        maximum=node.integer("maximum"),
    )


def make_rope(site: NativeSite) -> NativeKernel:
    """Make ROPE."""
    x, table = site.inputs[0].type, site.inputs[1].type
    outer, rows = product_of(x.shape[:-2]), counted(x.shape[-2])
    made = make_step(
        "rope_step",
        {
            "outer_fixed": outer[0],
            "outer_unit": outer[1],
            "rows_fixed": rows[0],
            "rows_unit": rows[1],
            "heads": x.shape[-1] // (2 * table.shape[1]),
            "pairs": table.shape[1],
            "positions": table.shape[0],
            "dtype": x.dtype.code,
            "interleaved": site.node.integer("interleaved"),
            "has_offset": int(len(site.inputs) > 3),
        },
    )
    return site.kernel("rope", made)


def make_attention(site: NativeSite) -> NativeKernel | None:
    """Make ATTENTION; None for many keys of heads that are too small for its scratch."""
    node = site.node
    q, k = site.inputs[0].type, site.inputs[1].type
    heads = heads_of(node, q.shape[-1])
    batch, queries, keys = product_of(q.shape[:-2]), counted(q.shape[-2]), counted(k.shape[-2])
    top = (1 << node.integer("probability_bits")) - 1
    multipliers = node.integers("multipliers")
    fixed, per_key = attention_scratch(site, heads.depth, NARROW if top < 256 else WIDE)
    many = k.shape[-2] == SYMBOLIC or k.shape[-2] > KEYS
    if many and per_key > MOST_SPREAD * 2 * k.shape[-1]:
        return None
    made = make_step(
        "attention_step",
        {
            "batch_fixed": batch[0],
            "batch_unit": batch[1],
            "queries_fixed": queries[0],
            "queries_unit": queries[1],
            "keys_fixed": keys[0],
            "keys_unit": keys[1],
            "heads": heads.count,
            "kv_heads": heads.shared,
            "depth": heads.depth,
            "causal": node.integer("causal"),
            "has_length": int(len(site.inputs) > 3),
            "top": top,
            "multiplier": node.integer("multiplier"),
            "shift": node.integer("shift"),
            "channels": len(multipliers),
            "out_multiplier": np.array(multipliers, DType.I32.numpy),
            "out_shift": np.array(node.integers("shifts"), np.int64),
            "minimum": node.integer("minimum"),
            "maximum": node.integer("maximum"),
            "dtype": node.integer("dtype"),
        },
    )
    return site.kernel("attention", made, fixed + per_key * keys[0], per_key * keys[1])


def attention_scratch(site: NativeSite, depth: int, path: int) -> tuple[int, int]:
    """Return what `attention` cuts out of its scratch: bytes fixed, and for each key."""
    keys = site.inputs[1].type.shape[-2]
    block = KEYS if keys == SYMBOLIC else min(keys, KEYS)
    rows = max(
        row_bytes(site.variant, NARROW, depth),
        row_bytes(site.variant, path, block),
    )
    # Of the packed keys: a panel's share and a bias; of the values: every panel's share.
    padded = -(-depth // PANEL) * PANEL
    per_value = padded * (1 if path == NARROW else 2)
    per_key = QUERIES * 4 + 4 + -(-depth // 4) * 4 + per_value
    rounding = KEYS if keys == SYMBOLIC or keys > KEYS else PANEL
    fixed = (
        QUERIES * (depth * 8 + rows)
        + padded * 4
        + per_key * PANEL
        + per_value * rounding
        + SLACK_BYTES
    )
    return fixed, per_key


def _make_rows(
    site: NativeSite, name: str, *, scratch: bool = False, **members: int | Array | None
) -> NativeKernel:
    x = site.inputs[0].type
    rows, row = product_of(x.shape[:-1]), counted(x.shape[-1])
    every: dict[str, int | Array | None] = {
        "rows_fixed": rows[0],
        "rows_unit": rows[1],
        "row_fixed": row[0],
        "row_unit": row[1],
        "x_dtype": x.dtype.code,
        "dtype": site.outputs[0].type.dtype.code,
        "multiplier": 0,
        "shift": 0,
        "one": 0,
        "centered": 0,
        "epsilon": 0,
        "gamma": None,
        "beta": None,
        "minimum": 0,
        "maximum": 0,
    }
    made = make_step("row_step", {**every, **members})
    if not scratch:
        return site.kernel(name, made)
    return site.kernel(name, made, 4 * row[0], 4 * row[1])
