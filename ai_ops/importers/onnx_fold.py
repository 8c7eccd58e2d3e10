"""Compute what an ONNX file computes from constants alone: shapes, grids of anchors, paddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from ai_ops.importers.float_graph import FloatArray
from ai_ops.importers.onnx_nodes import OnnxNode

MAXIMUM_ELEMENTS = 2**24
FOLDED = frozenset(
    {
        *("Add", "Sub", "Mul", "Div", "Mod", "Neg", "Abs", "Floor", "Ceil", "Sqrt", "Pow", "Exp"),
        *("Equal", "Less", "Greater", "Not", "And", "Or", "Where", "Min", "Max", "Clip"),
        *("Cast", "Identity", "Reshape", "Unsqueeze", "Squeeze", "Flatten", "Transpose"),
        *("Gather", "Concat", "Slice", "Split", "ReduceProd", "ReduceSum", "ReduceMax"),
        *("Range", "Expand", "Tile", "ConstantOfShape", "Pad", "Trilu", "LessOrEqual"),
        *("GreaterOrEqual", "Sin", "Cos", "Log", "Reciprocal", "CumSum", "ScatterND"),
    }
)
"""Operators without loops, randomness or subgraphs; what enlarges is bounded before it runs."""
ENLARGES = frozenset({"Expand", "ConstantOfShape", "Tile", "Range", "Pad"})


def fold(node: OnnxNode) -> list[tuple[str, FloatArray]] | None:
    """Return the outputs of a node whose inputs are all known, or None.

    Raises
    ------
    ImportRefused : it would compute more than `MAXIMUM_ELEMENTS` numbers
    """
    reader = node.reader
    if node.operator == "Shape":
        stored = reader.constants.get(node.arguments[0])
        known = reader.fixed_shapes.get(node.arguments[0])
        if known is not None and node.arguments[0] in reader.lifted:
            known = known[1:]
        shape = known if stored is None else stored.shape
        if shape is None:
            return None
        return [(node.name, np.array(shape[node.get("start", 0) : node.get("end")], np.int64))]
    inputs = [name for name in node.arguments if name]
    if node.operator not in FOLDED or not all(name in reader.constants for name in inputs):
        return None
    if not inputs and node.operator != "Constant":
        return None
    arrays = {name: np.asarray(reader.constants[name]) for name in inputs}
    if node.operator in ENLARGES and not _bounded(node, list(arrays.values())):
        raise node.refuse(f"it computes a constant of more than {MAXIMUM_ELEMENTS:,} numbers")
    return list(zip(node.outputs, _evaluate(node, arrays), strict=True))


def _bounded(node: OnnxNode, arrays: list[FloatArray]) -> bool:
    """Tell whether the result stays small; counted in Python integers, before it is made."""
    if node.operator == "Range":
        start, limit, delta = (float(array.reshape(-1)[0]) for array in arrays)
        return delta != 0 and abs((limit - start) / delta) <= MAXIMUM_ELEMENTS
    shape = arrays[0] if node.operator == "ConstantOfShape" else arrays[1]
    count = 1 if node.operator == "ConstantOfShape" else max(1, arrays[0].size)
    for size in shape.reshape(-1).tolist():
        count *= max(1, abs(int(size)) + (max(arrays[0].shape) if node.operator == "Pad" else 0))
    return count <= MAXIMUM_ELEMENTS


def _evaluate(node: OnnxNode, arrays: dict[str, FloatArray]) -> list[FloatArray]:
    """Run one node with the package onnx's own reference code, which is plain NumPy."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    def port(name: str, array: FloatArray | None) -> Any:
        if array is None:
            return helper.make_empty_tensor_value_info(name)
        return helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
        )

    graph = helper.make_graph(
        [node.proto],
        "constant",
        [port(name, array) for name, array in arrays.items()],
        [port(name, None) for name in node.outputs],
    )
    opsets = [helper.make_opsetid("", node.reader.opset)]
    model = helper.make_model(graph, opset_imports=opsets)
    try:
        return [np.asarray(value) for value in ReferenceEvaluator(model).run(None, arrays)]
    except Exception as error:  # noqa: BLE001 - the reference code raises whatever NumPy does
        raise node.refuse(f"its constants do not fit together ({error})") from None
