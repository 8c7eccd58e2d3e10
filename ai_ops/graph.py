"""The model as data: tensors, nodes, ports, manifest.

Values are numbered: first the graph inputs, in manifest order; then the weight tensors, in graph
order; then the outputs of the nodes, node by node. A node may only name values before its own,
so a graph in this form has no cycle.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from ai_ops.dtype import DType

SYMBOLIC = -1
"""The one dimension of a model whose size, n units, is known only from the input."""

FORMAT = 1
OPERATOR_SET = 1

AttributeValue = int | tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorType:
    """A type without values.

    Parameters
    ----------
    dtype : DType
    shape : tuple of int
        Dimensions of at least 1; at most one may be `SYMBOLIC`.
    """

    dtype: DType
    shape: tuple[int, ...]

    @property
    def symbolic(self) -> bool:
        """Whether the size depends on n."""
        return SYMBOLIC in self.shape

    @property
    def unit_elements(self) -> int:
        """Elements at n = 1."""
        return prod(1 if size == SYMBOLIC else size for size in self.shape)

    def elements(self, n: int) -> int:
        """Elements at `n` units."""
        return self.unit_elements * (n if self.symbolic else 1)

    def size(self, n: int) -> int:
        """Bytes at `n` units."""
        return self.elements(n) * self.dtype.itemsize

    def concrete(self, n: int) -> tuple[int, ...]:
        """Return the shape at `n` units."""
        return tuple(n if size == SYMBOLIC else size for size in self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What is known of a tensor before any input is seen.

    Parameters
    ----------
    type : TensorType
    minimum, maximum : int
        Proved interval of every element.
    """

    type: TensorType
    minimum: int
    maximum: int

    @property
    def magnitude(self) -> int:
        """The largest absolute value an element can have."""
        return max(abs(self.minimum), abs(self.maximum))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One operator application: one step of every inference.

    Parameters
    ----------
    operator : str
        A key of `ai_ops.operators.OPERATORS`.
    inputs : tuple of int
        Value ids, all below the ids of this node's outputs.
    attributes : tuple of (str, int or tuple of int)
        Exactly the operator's fields, in the operator's order (`ai_ops.operators.make_node`).
    """

    operator: str
    inputs: tuple[int, ...]
    attributes: tuple[tuple[str, AttributeValue], ...] = ()

    def attribute(self, name: str) -> AttributeValue:
        """Return an attribute's value; the name must be one of the operator's fields."""
        for key, value in self.attributes:
            if key == name:
                return value
        raise KeyError(name)

    def integer(self, name: str) -> int:
        """Return a scalar attribute."""
        value = self.attribute(name)
        assert isinstance(value, int)
        return value

    def integers(self, name: str) -> tuple[int, ...]:
        """Return a list attribute."""
        value = self.attribute(name)
        assert isinstance(value, tuple)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Port:
    """An input or output of a model: ``real value = integer * mantissa * 2**exponent``.

    Parameters
    ----------
    name : str
        1 to 64 printable ASCII characters, unique among the model's inputs or outputs.
    dtype : DType
    shape : tuple of int
    scale_mantissa, scale_exponent : int
        For people and tools; the engine never computes with them.
    minimum, maximum : int
        Input: the accepted range (token ids). Output: a range that holds every possible result.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    scale_mantissa: int
    scale_exponent: int
    minimum: int
    maximum: int

    @property
    def type(self) -> TensorType:
        """The tensor type of the port."""
        return TensorType(dtype=self.dtype, shape=self.shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Weights' types, nodes in execution order, and which node results leave the model."""

    weights: tuple[TensorType, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]

    @property
    def weight_bytes(self) -> int:
        """Bytes of all weight tensors."""
        return sum(weight.size(1) for weight in self.weights)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The first bytes of a model: what a caller needs to know.

    Parameters
    ----------
    name : str
        1 to 64 printable ASCII characters.
    inputs, outputs : tuple of Port
    maximum_units : int
        Largest n; 1 when no input is symbolic.
    graph_bytes : int
        Length of the encoded graph that follows the manifest.
    """

    name: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    maximum_units: int
    graph_bytes: int
    format: int = FORMAT
    operator_set: int = OPERATOR_SET


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A whole model; `ai_ops.model.build_model` fills in the graph length."""

    manifest: Manifest
    graph: Graph
    weights: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelHead:
    """Manifest and graph: everything that validation and pricing read."""

    manifest: Manifest
    graph: Graph
    head_bytes: int
