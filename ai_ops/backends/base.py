"""What a backend is: it turns one node into one callable.

A backend decides how, never what: for inputs inside their proved intervals its kernels return the
same integers as `reference`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from ai_ops.dtype import Array
from ai_ops.graph import Node, Value

Kernel = Callable[[tuple[Array, ...]], tuple[Array, ...]]
"""Takes the node's input arrays (weights included) and returns its output arrays. It keeps no
state between calls and may run in several threads at once."""


class Backend(Protocol):
    """A way to compute operators."""

    @property
    def name(self) -> str:
        """Name in `BACKENDS`."""

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        """Make the kernel of one node; called once when a model is loaded.

        Parameters
        ----------
        node : Node
        inputs, outputs : tuple of Value
            Types and proved intervals.
        weights : mapping of int to array
            The inputs, by position in the node, that are weights.
        """
