"""What an operator consists of: one row of facts and four functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ai_ops.cost import Work
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value

SCALAR = 0
LIST = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """An attribute of an operator and its encoding.

    Parameters
    ----------
    name : str
    element : str
        "u8", "u16", "u32", "i16", "i32" or "i64": width and sign of each little-endian element.
    count : int
        `SCALAR` for one integer, `LIST` for a tuple of any length, else the exact length.
    """

    name: str
    element: str
    count: int = SCALAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator: its table row and its meaning.

    Parameters
    ----------
    name : str
    code : int
        u16 of the encoding and of step digests; never reused.
    arity : (int, int)
        Fewest and most inputs.
    fields : tuple of Field
        Attributes in encoding order.
    infer : callable
        (node, input values) to output values; raises `InvalidModel`. Must not allocate by size.
    work : callable
        (node, input values, output values) to the operator's cost.
    reference : callable
        (node, input arrays, output values) to output arrays: the definition, in NumPy int64.
    """

    name: str
    code: int
    arity: tuple[int, int]
    fields: tuple[Field, ...]
    infer: Callable[[Node, tuple[Value, ...]], tuple[Value, ...]]
    work: Callable[[Node, tuple[Value, ...], tuple[Value, ...]], Work]
    reference: Callable[[Node, tuple[Array, ...], tuple[Value, ...]], tuple[Array, ...]]
