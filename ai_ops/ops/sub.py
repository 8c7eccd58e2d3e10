"""SUB: the difference of two rescaled tensors, ``y = clamp(R(a) - R(b))``.

Source: docs/spec/02-operators.md O-6.
"""

from __future__ import annotations

from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.ops.broadcast import SUM_FIELDS, infer_sum, rescaled_terms, work
from ai_ops.ops.definition import Operator
from ai_ops.ops.epilogue import apply_clamp


def reference(
    node: Node, arrays: tuple[Array, ...], outputs: tuple[Value, ...]
) -> tuple[Array, ...]:
    """Each term is below 2^61 in size, so the difference fits 64 bits."""
    a, b = rescaled_terms(node, arrays)
    return (apply_clamp(node, a - b, outputs[0]),)


SUB = Operator(
    name="SUB",
    code=0x0302,
    arity=(2, 2),
    fields=SUM_FIELDS,
    infer=infer_sum,
    work=work,
    reference=reference,
)
