"""The definition: every operator as its file states it, in NumPy int64, plain and slow."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from ai_ops.backends.base import Kernel
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.operators import OPERATORS


class ReferenceBackend:
    """Runs `Operator.reference`."""

    name = "reference"

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        """Bind the operator's reference function to the node."""
        del inputs, weights
        return partial(_run, node, outputs)


def _run(node: Node, outputs: tuple[Value, ...], arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    return OPERATORS[node.operator].reference(node, arrays, outputs)
