"""ONNX sums, products and quotients of tensors, of which one may be stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatNode
from ai_ops.importers.onnx_nodes import OnnxNode

Read = FloatNode | list[FloatNode] | None


def affine(node: OnnxNode, value: str, scale: Any, shift: Any) -> FloatNode | None:
    """Return an affine map of channels, or None when a constant varies along another axis."""
    rank = node.reader.rank(node, value)
    arrays = []
    for array in (np.asarray(scale), np.asarray(shift)):
        full = array.reshape((1,) * (rank - array.ndim) + array.shape)
        if any(size != 1 for axis, size in enumerate(full.shape) if axis != 1):
            return None
        arrays.append(full.reshape(-1))
    first, second = (node.reader.put(node.name, array) for array in arrays)
    return node.node("affine", (value,), scale=first, shift=second, rank=rank)


def computed(node: OnnxNode, operator: str) -> list[FloatNode]:
    """Read an operation on two tensors, of which one may be stored."""
    made: list[FloatNode] = []
    inputs = (node.operand(0, made), node.operand(1, made))
    return [*made, node.node(operator, inputs)]


def _bias(node: OnnxNode, value: str, bias: FloatArray) -> FloatNode | None:
    """Return the dense layer `value` with a bias, when the constant is one along its last axis."""
    maker = node.reader.nodes.get(value)
    if maker is None or maker.operator != "dense" or maker.attributes["bias"] is not None:
        return None
    if bias.size != bias.shape[-1] or bias.size != len(
        node.reader.constants[maker.attributes["weight"]]
    ):
        return None
    attributes = {**maker.attributes, "bias": node.reader.put(node.name, bias.reshape(-1))}
    return node.node("dense", maker.inputs, **attributes)


def add(sign: float) -> Callable[[OnnxNode], Read]:
    """Return the reader of Add (+1) or Sub (-1)."""

    def read(node: OnnxNode) -> Read:
        first, second = node.constant(0), node.constant(1)
        found = None
        if second is not None:
            found = _bias(node, node.value(0), sign * second) if second.ndim else None
            found = found or affine(node, node.value(0), 1.0, sign * second)
        elif first is not None:
            found = _bias(node, node.value(1), first) if first.ndim and sign > 0 else None
            found = found or affine(node, node.value(1), sign, first)
        return found or computed(node, "add" if sign > 0 else "subtract")

    return read


def multiply(node: OnnxNode) -> Read:
    """Read Mul."""
    for constant, value in ((1, 0), (0, 1)):
        factor = node.constant(constant)
        if factor is not None:
            found = affine(node, node.value(value), factor, 0.0)
            return found or computed(node, "multiply")
    return node.node("multiply", (node.value(0), node.value(1)))


def divide(node: OnnxNode) -> Read:
    """Read Div."""
    first = node.constant(0)
    if first is not None and first.size == 1:  # a number divided by a tensor
        quotient = node.node("unary", (node.value(1),), function="reciprocal", parameter=0.0)
        if first.reshape(-1)[0] == 1:
            return quotient
        inner = replace(quotient, name=f"{node.name}.reciprocal")
        number = node.reader.put(node.name, first.reshape(-1))
        shift = node.reader.put(node.name, np.zeros(1))
        rank = node.reader.rank(node, node.value(1))
        return [inner, node.node("affine", (inner.name,), scale=number, shift=shift, rank=rank)]
    if node.constant(1) is None:
        inner = replace(
            node.node("unary", (node.value(1),), function="reciprocal", parameter=0.0),
            name=f"{node.name}.reciprocal",
        )
        made: list[FloatNode] = []
        numerator = node.operand(0, made)
        return [inner, *made, node.node("multiply", (numerator, inner.name))]
    inverse = 1 / node.required(1, "divisor")
    found = affine(node, node.value(), inverse, 0.0)
    if found is None:
        node.reader.constants[f"{node.name}.inverse"] = inverse
        node.arguments[1] = f"{node.name}.inverse"
    return found or computed(node, "multiply")
