"""A `torch.export` program as calls with named, plain arguments."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from ai_ops.importers.archive import Archive
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatNode

PREFIX = "torch.ops.aten."


class Call:
    """One call of the exported program, with its arguments by the names of ATen's schema."""

    def __init__(self, reader: "Reader", node: Mapping[str, Any]) -> None:
        self.reader = reader
        self.target: str = node["target"].removeprefix(PREFIX)
        self.arguments = {entry["name"]: _plain(entry["arg"]) for entry in node["inputs"]}
        first = node["outputs"][0] if node["outputs"] else {}
        names = _plain(first)
        self.names: list[str] = (
            names
            if isinstance(names, list)
            else [str(_plain(output)) for output in node["outputs"]]
        )
        self.name: str = self.names[0] if self.names else str(names)
        self.source = f"{self.target} ({self.name})"

    def get(self, name: str, default: Any = None) -> Any:
        """Return an argument, or ATen's default when the program leaves it out."""
        return self.arguments.get(name, default)

    def value(self, name: str = "self") -> str:
        """Return the name of an argument that is a computed tensor."""
        found = self.get(name)
        if found is None or found in self.reader.constants:
            raise self.refuse(f"its argument {name} is a constant where a computed tensor is read")
        return str(found)

    def constant(self, name: str) -> FloatArray | None:
        """Return an argument that is a stored tensor or a number; None when it is computed."""
        found = self.get(name)
        if isinstance(found, bool | int | float):
            return np.array(found, np.float32)
        return self.reader.constants.get(found) if isinstance(found, str) else None

    def required(self, name: str) -> FloatArray:
        """Return an argument that must be a stored tensor or a number."""
        found = self.constant(name)
        if found is None:
            raise self.refuse(f"its argument {name} is computed; only a constant is read there")
        return found

    def pair(self, name: str, default: tuple[int, ...]) -> tuple[int, int]:
        """Return a pair of integers; one integer stands for both."""
        found = self.get(name)
        values = [found] if isinstance(found, int) else list(found or default)
        values = values * 2 if len(values) == 1 else values
        if len(values) != 2:
            raise self.refuse("only two-dimensional windows are read")
        return int(values[0]), int(values[1])

    def refuse(self, reason: str) -> ImportRefused:
        """Make the error that names this node."""
        return ImportRefused(f"the node {self.source} cannot be imported: {reason}")

    def operand(self, name: str, made: list[FloatNode]) -> str:
        """Return the name of an argument that may be stored; then a node for it goes into `made`."""
        array = self.constant(name)
        if array is None:
            return self.value(name)
        rank = len(self.reader.shapes[self.name])
        full = np.asarray(array).reshape((1,) * (rank - array.ndim) + array.shape)
        if full.shape[0] != 1:
            raise self.refuse("its constant differs from sample to sample")
        stored = f"{self.name}.{name}"
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
        """Make the float node of this call."""
        return FloatNode(
            operator=operator,
            name=self.name,
            inputs=(self.value(),) if inputs is None else inputs,
            attributes=attributes,
            source=self.source,
        )


class Reader:
    """The exported program's constants and shapes, and the nodes read so far."""

    def __init__(self, archive: Archive) -> None:
        graph = archive.program["graph"]
        self.constants: dict[str, FloatArray] = {}
        self.shapes = {
            name: [size.get("as_int", -1) for size in meta["sizes"]]
            for name, meta in graph["tensor_values"].items()
        }
        self.inputs: list[str] = []
        self.zeros: set[str] = set()
        self.states: dict[str, list[str]] = {}
        for spec in archive.program["signature"]["input_specs"]:
            (kind, body), *_ = spec.items()
            if kind == "user_input":
                self.inputs.append(_plain(body["arg"]))
            elif kind in {"parameter", "buffer", "tensor_constant"}:
                key = {"tensor_constant": "tensor_constant_name"}.get(kind, f"{kind}_name")
                self.constants[body["arg"]["name"]] = archive.tensors[body[key]]
            else:
                raise ImportRefused(f"the program takes an input of the kind {kind}")
        self.outputs = [_plain(entry) for entry in graph["outputs"]]
        self.batch = self.shapes[self.inputs[0]][0] if self.inputs else -1
        self.calls = [Call(self, node) for node in graph["nodes"]]

    def put(self, hint: str, value: FloatArray) -> str:
        """Store a constant under a fresh name."""
        name = f"{hint}.{len(self.constants)}"
        self.constants[name] = np.asarray(value, np.float32)
        return name

    def sample_shape(self, call: Call) -> tuple[int, ...]:
        """Return the output's shape without the sample axis."""
        shape = self.shapes[call.name]
        if not shape or shape[0] != self.batch or -1 in shape[1:]:
            raise call.refuse("it mixes the sample axis with another; keep axis 0 apart")
        return tuple(shape[1:])


def _plain(argument: Any) -> Any:
    """Turn a tagged argument of the JSON into a Python value (tensors into their names)."""
    if not isinstance(argument, dict):
        return argument
    if "name" in argument:
        return argument["name"]
    (tag, body), *_ = argument.items()
    if tag == "as_none":
        return None
    if tag in {"as_tensors", "as_optional_tensors", "as_sym_ints"}:
        return [_plain(entry) for entry in body]
    return _plain(body) if isinstance(body, dict) else body
