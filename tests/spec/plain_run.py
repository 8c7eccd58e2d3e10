"""The table of the plain operators: one call applies any of them."""

from __future__ import annotations

from collections.abc import Callable

from tests.spec import plain, plain_movement, plain_products, plain_sequence
from tests.spec.plain import Attributes, Typed

# Operators whose result depends on more than its operands' elements, or that have several results:
# (attributes, inputs with their dtype codes) to results with theirs.
TYPED: dict[str, Callable[[Attributes, list[Typed]], list[Typed]]] = {
    **plain_movement.TYPED,
    **plain_products.TYPED,
    **plain_sequence.TYPED,
}


def run(operator: str, attributes: Attributes, inputs: list[Typed]) -> list[Typed]:
    """Apply an operator to (dtype code, tensor) inputs; returns one pair for each result."""
    if operator in TYPED:
        return TYPED[operator](attributes, inputs)
    tensors = [tensor for _, tensor in inputs]
    dtype = inputs[0][0]
    if operator == "TABLE8":
        table = plain.table8(attributes, tensors[0], plain.RANGES[dtype][0])
        return [(attributes["dtype"], table)]
    if operator == "RESHAPE":
        return [(dtype, plain.reshape(attributes, tensors[0], 1))]
    result = plain.FUNCTIONS[operator](attributes, *tensors)
    return [(3 if operator == "ARGMAX" else attributes.get("dtype", dtype), result)]
