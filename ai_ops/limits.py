"""The largest model that a chain accepts."""

from __future__ import annotations

from dataclasses import dataclass

from ai_ops.errors import InvalidModel, ModelFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The largest model a chain accepts (genesis parameters).

    Parameters
    ----------
    model_bytes : int
        Manifest, graph and weights together.
    head_bytes : int
        Manifest and graph: what activation reads.
    operators : int
        Nodes of the graph, and weights.
    rank : int
        Dimensions of any tensor.
    dimension : int
        Size of any dimension, at the largest n.
    live_bytes : int
        Bytes of all tensors alive at once, at the largest n.
    macs : int
        Units of work (multiply-accumulates and elements visited), at the largest n.
    """

    model_bytes: int
    head_bytes: int
    operators: int
    rank: int
    dimension: int
    live_bytes: int
    macs: int


DEFAULT_LIMITS = Limits(
    model_bytes=2**30,
    head_bytes=2**22,
    operators=4_096,
    rank=8,
    dimension=2**24,
    live_bytes=2**28,
    macs=2**36,
)
"""Limits for tools that run a model outside any chain."""


def check_head_bytes(size: int, limits: Limits) -> None:
    """Refuse a head above the limit; its size is known before it is read.

    Raises
    ------
    InvalidModel
        `LIMIT_HEAD_BYTES`.
    """
    if size > limits.head_bytes:
        raise InvalidModel(
            ModelFault.LIMIT_HEAD_BYTES,
            f"manifest and graph have {size} bytes; at most {limits.head_bytes} are allowed",
        )
