"""An ONNX file as nodes with plain attributes and stored constants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ai_ops.dtype import DType
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.float_run import OPERATORS

# TensorProto's uint8, int8, uint16, int16, int32, int64, bool, uint32 and uint64.
INTEGER_TYPES = frozenset({2, 3, 4, 5, 6, 7, 9, 12, 13})


class OnnxNode:
    """One node of the file, with plain attributes."""

    def __init__(self, reader: Reader, proto: Any) -> None:
        self.reader = reader
        self.proto = proto
        self.operator: str = proto.op_type
        self.arguments = list(proto.input)
        self.outputs = [str(name) for name in proto.output]
        self.name = str(proto.output[0])
        self.source = f"{proto.op_type} ({proto.name or self.name})"
        self.attributes = {a.name: reader.plain(a) for a in proto.attribute}

    def get(self, name: str, default: Any = None) -> Any:
        """Return an attribute or its default."""
        return self.attributes.get(name, default)

    def refuse(self, reason: str) -> ImportRefused:
        """Make the error that names this node."""
        return ImportRefused(f"the node {self.source} cannot be imported: {reason}")

    def constant(self, index: int) -> FloatArray | None:
        """Return an input that is stored in the file; None when it is computed or left out."""
        if index >= len(self.arguments):
            return None
        return self.reader.constants.get(self.arguments[index])

    def required(self, index: int, what: str) -> FloatArray:
        """Return an input that must be stored in the file."""
        found = self.constant(index)
        if found is None:
            raise self.refuse(f"its {what} is computed; only a constant is read there")
        return found

    def integers(self, index: int, attribute: str) -> list[int] | None:
        """Return integers given as an attribute (older files) or a constant input (newer)."""
        if attribute in self.attributes:
            return [int(value) for value in self.attributes[attribute]]
        found = self.constant(index)
        return None if found is None else [int(value) for value in found.reshape(-1)]

    def value(self, index: int = 0) -> str:
        """Return the name of an input that is computed."""
        name = self.arguments[index]
        if not name or name in self.reader.constants:
            raise self.refuse("one of its inputs is a constant where a computed tensor is read")
        return str(name)

    def operand(self, index: int, made: list[FloatNode]) -> str:
        """Return the name of an input that may be stored; then a node for it goes into `made`."""
        name = self.arguments[index]
        array = self.reader.constants.get(name)
        if array is None:
            return self.value(index)
        rank = max(
            self.reader.rank(self, other)
            for other in self.arguments
            if other not in self.reader.constants
        )
        full = np.asarray(array).reshape((1,) * (rank - array.ndim) + array.shape)
        if full.shape[0] != 1:
            raise self.refuse("its constant differs from sample to sample")
        stored = f"{self.name}.operand{index}"
        made.append(
            FloatNode(
                operator="constant",
                name=stored,
                inputs=(),
                attributes={"value": self.reader.put(stored, full)},
                source=self.source,
            )
        )
        return stored

    def node(
        self, operator: str, inputs: tuple[str, ...] | None = None, **attributes: Any
    ) -> FloatNode:
        """Make the float node."""
        return FloatNode(
            operator=operator,
            name=self.name,
            inputs=(self.value(),) if inputs is None else inputs,
            attributes=attributes,
            source=self.source,
        )


class Reader:
    """The file's constants, shapes and inputs."""

    def __init__(self, model: Any, sample_shapes: Mapping[str, tuple[int, ...]] | None) -> None:
        from onnx import TensorProto, numpy_helper, shape_inference

        self.constants: dict[str, FloatArray] = {}
        for tensor in model.graph.initializer:
            if tensor.data_location == tensor.EXTERNAL:
                raise ImportRefused(
                    f"the tensor {tensor.name} lies in another file: save the model as one file"
                    " (onnx.save without external data)"
                )
            self.constants[tensor.name] = numpy_helper.to_array(tensor)
        self.to_array = numpy_helper.to_array
        self.inputs = [
            entry.name for entry in model.graph.input if entry.name not in self.constants
        ]
        kinds = {entry.name: entry.type.tensor_type.elem_type for entry in model.graph.input}
        self.integers_of = {
            name: DType.U8 if kinds[name] == TensorProto.BOOL else DType.I32
            for name in self.inputs
            if kinds[name] in INTEGER_TYPES
        }
        self.outputs = [entry.name for entry in model.graph.output]
        self.nodes: dict[str, FloatNode] = {}
        self.integers: dict[str, list[int]] = {}
        self.requantizes = False
        graph = shape_inference.infer_shapes(model).graph
        self.shapes = {
            entry.name: [
                dim.dim_value if dim.HasField("dim_value") else -1
                for dim in entry.type.tensor_type.shape.dim
            ]
            for entry in [*graph.input, *graph.value_info, *graph.output]
            if entry.type.tensor_type.HasField("shape")
        }
        self.opset = max(
            (entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}),
            default=1,
        )
        self.fixed_shapes: dict[str, list[int]] = {}
        self.lifted: set[str] = set()
        self.consumers: dict[str, set[str]] = {}
        for proto in model.graph.node:
            for name in proto.input:
                self.consumers.setdefault(name, set()).add(proto.op_type)
        self.time_first: set[str] = set()
        self.directions: dict[str, int] = {}
        self.states: dict[str, list[str]] = {}
        first = model.graph.input[0].type.tensor_type.shape.dim if model.graph.input else []
        self.batch = first[0].dim_value if first and first[0].HasField("dim_value") else -1

        if sample_shapes is not None:
            self._fix(sample_shapes)

    def _fix(self, sample_shapes: Mapping[str, tuple[int, ...]]) -> None:
        """Take the inputs' sizes from the samples: from here on every shape is known."""
        shapes = dict(sample_shapes)
        if len(shapes) == len(self.inputs) == 1:
            shapes = {self.inputs[0]: next(iter(shapes.values()))}
        if set(shapes) == set(self.inputs):
            self.batch = 1
            self.shapes = self.fixed_shapes
            for name, shape in shapes.items():
                self.fixed_shapes[name] = [1, *shape]

    def learn(self, nodes: Sequence[FloatNode]) -> None:
        """Find the shapes of new nodes' results, by computing them for one sample of zeros.

        Raises
        ------
        ImportRefused : shapes that do not fit together
        """
        graph = FloatGraph(inputs=(), outputs=(), nodes=(), constants=self.constants)
        for node in nodes if self.fixed_shapes else ():
            zeros = [np.zeros(self.fixed_shapes[name], np.float32) for name in node.inputs]
            try:
                with np.errstate(all="ignore"):
                    result = OPERATORS[node.operator](node, graph, *zeros)
            except (ValueError, IndexError, KeyError) as error:
                shapes = [tuple(zero.shape[1:]) for zero in zeros]
                raise ImportRefused(
                    f"the node {node.source} does not take samples of the shapes {shapes}: check"
                    " the samples' layout (images are channels first)"
                ) from error
            self.fixed_shapes[node.name] = list(result.shape)

    def plain(self, attribute: Any) -> Any:
        """Turn an attribute into a Python value."""
        from onnx import AttributeProto, helper

        if attribute.type == AttributeProto.TENSOR:
            return self.to_array(attribute.t)
        if attribute.type in {AttributeProto.GRAPH, AttributeProto.GRAPHS}:
            return None
        value = helper.get_attribute_value(attribute)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else value

    def put(self, hint: str, value: FloatArray) -> str:
        """Store a constant under a fresh name."""
        name = f"{hint}.{len(self.constants)}"
        self.constants[name] = np.asarray(value, np.float32)
        return name

    def rank(self, node: OnnxNode, name: str) -> int:
        """Return the rank of a value, which shape inference must know."""
        if name not in self.shapes:
            raise node.refuse(f"the rank of {name} is not known; give the file its shapes")
        return len(self.shapes[name])

    def sample_shape(self, node: OnnxNode) -> tuple[int, ...]:
        """Return the shape of a node's result without the sample axis; all sizes must be known."""
        shape = self.shapes.get(node.name, [-1, -1])[1:]
        if -1 in shape:
            raise node.refuse("the shape of its result is not known; give the file its shapes")
        return tuple(shape)
