"""A `torch.export` program as calls with named, plain arguments."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from ai_ops.dtype import DType
from ai_ops.importers.archive import Archive
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatNode

PREFIX = "torch.ops.aten."
FLOAT = 7
BOOL = 12
"""Element types in the numbering of torch.export's files."""
INTEGERS = frozenset({1, 2, 3, 4, 5, BOOL})


class Call:
    """One call of the exported program, with its arguments by the names of ATen's schema."""

    def __init__(self, reader: "Reader", node: Mapping[str, Any]) -> None:
        self.reader = reader
        self.target: str = node["target"].removeprefix(PREFIX).removeprefix("torch.ops.")
        self.arguments = {entry["name"]: _plain(entry["arg"]) for entry in node["inputs"]}
        first = node["outputs"][0] if node["outputs"] else {}
        names = _plain(first) if first else None
        self.names: list[str] = (
            names
            if isinstance(names, list)
            else [str(_plain(output)) for output in node["outputs"] if output]
        )
        self.name: str = self.names[0] if self.names else str(names)
        self.source = f"{self.target} ({self.name})"
        self.dtype: int = reader.dtypes.get(self.name, 0)
        given = [_tensors(entry["arg"]) for entry in node["inputs"]]
        self.tensors: list[str] = [name for names in given for name in names]
        self.named: set[str] = {name for entry in node["inputs"] for name in _names(entry["arg"])}
        self.results: list[str] = [name for name in self.names if name in reader.shapes]

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
        values = graph["tensor_values"]
        self.dtypes = {name: int(meta.get("dtype", FLOAT)) for name, meta in values.items()}
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
        first = values[self.inputs[0]]["sizes"][:1] if self.inputs else []
        symbol = _symbol(first[0]) if first else None
        self.symbolic = symbol is not None
        sizes = {
            name: [_size(size, symbol) for size in meta["sizes"]] for name, meta in values.items()
        }
        self.shapes = {name: [size for size, _ in pairs] for name, pairs in sizes.items()}
        self.sample_axes = {
            name: [axis for axis, (_, samples) in enumerate(pairs) if samples]
            for name, pairs in sizes.items()
        }
        self.batch = self.shapes[self.inputs[0]][0] if first else -1
        self.integers = {
            name: DType.U8 if self.dtypes[name] == BOOL else DType.I32
            for name in self.inputs
            if self.dtypes.get(name) in INTEGERS
        }
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


def _tensors(argument: Any) -> list[str]:
    """Return the names of the tensors in a tagged argument."""
    if not isinstance(argument, dict):
        return []
    (tag, body), *_ = argument.items()
    if tag == "as_tensor":
        return [body["name"]]
    if tag in {"as_tensors", "as_optional_tensors"}:
        return [name for entry in body for name in _tensors(_tagged(entry))]
    return _tensors(body) if tag == "as_optional_tensor" else []


def _names(argument: Any) -> list[str]:
    """Return every name in a tagged argument: of tensors, and of sizes that are computed."""
    if isinstance(argument, list):
        return [name for entry in argument for name in _names(entry)]
    if not isinstance(argument, dict):
        return []
    found = [argument[key] for key in ("name", "as_name") if isinstance(argument.get(key), str)]
    return found + [name for entry in argument.values() for name in _names(entry)]


def _tagged(entry: Any) -> Any:
    return {"as_tensor": entry} if "name" in entry else entry


SYMBOL = re.compile(r"Symbol\('(\w+)'[^()]*\)")
PRODUCT = re.compile(r"Mul\(Integer\((\d+)\), Symbol\('(\w+)'[^()]*\)\)")


def _symbol(size: Mapping[str, Any]) -> str | None:
    """Return the name of a size that is left open; None when it is a number."""
    found = SYMBOL.fullmatch(size["as_expr"]["expr_str"]) if "as_expr" in size else None
    return None if found is None else found[1]


def _size(size: Mapping[str, Any], symbol: str | None) -> tuple[int, bool]:
    """Return a size for one sample, and whether it grows with the samples; -1 when unknown."""
    if "as_int" in size:
        return int(size["as_int"]), False
    text = size["as_expr"]["expr_str"] if "as_expr" in size else ""
    if (alone := SYMBOL.fullmatch(text)) and alone[1] == symbol:
        return 1, True
    if (several := PRODUCT.fullmatch(text)) and several[2] == symbol:
        return int(several[1]), True
    return -1, False


def _plain(argument: Any) -> Any:
    """Turn a tagged argument of the JSON into a Python value (tensors into their names)."""
    if not isinstance(argument, dict):
        return argument
    if "name" in argument:
        return argument["name"]
    (tag, body), *_ = argument.items()
    if tag == "as_none":
        return None
    if tag == "as_float":  # infinities are written out as words
        return float(body)
    if tag in {"as_tensors", "as_optional_tensors", "as_sym_ints"}:
        return [_plain(entry) for entry in body]
    return _plain(body) if isinstance(body, dict) else body
