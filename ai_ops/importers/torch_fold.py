"""Compute what an exported program computes from constants alone: masks, positions, tables.

Sizes that follow the batch are those of one sample; a tensor's stored shape says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ai_ops.importers.float_graph import FloatArray
from ai_ops.importers.torch_calls import BOOL, Call

MAXIMUM_ELEMENTS = 2**24
Fold = Callable[[Call], Any]


def _both(function: Callable[[Any, Any], Any]) -> Fold:
    return lambda call: function(call.required("self"), call.required("other"))


def _one(function: Callable[[Any], Any]) -> Fold:
    return lambda call: function(call.required("self"))


def _shape(call: Call) -> list[int]:
    return call.reader.shapes[call.name]


def _filled(value: float) -> Fold:
    return lambda call: np.full(_shape(call), value)


def _arange(call: Call) -> FloatArray:
    start, step = call.get("start", 0), call.get("step", 1)
    return np.asarray(start + step * np.arange(*_shape(call), dtype=np.float64))


def _slice(call: Call) -> FloatArray:
    axis = int(call.get("dim", 0))
    part = slice(call.get("start"), call.get("end"), call.get("step"))
    array = np.moveaxis(call.required("self"), axis, 0)[part]
    return np.moveaxis(array, 0, axis)


def _select(call: Call) -> FloatArray:
    # A view, never a copy or a scalar: a program may write into it.
    index = int(call.get("index"))
    array = np.moveaxis(call.required("self"), int(call.get("dim")), 0)
    return np.asarray(array[index % len(array), ...])


def _permute(call: Call) -> FloatArray:
    array = call.required("self")
    if "dims" in call.arguments:
        return array.transpose(call.get("dims"))
    return np.swapaxes(array, call.get("dim0"), call.get("dim1"))


def _index(call: Call) -> FloatArray:
    indices = call.get("indices")
    stored = [call.reader.constants.get(name) for name in indices if name is not None]
    if len(stored) != len(indices) or any(array is None for array in stored):
        raise call.refuse("it takes computed positions")
    return call.required("self")[tuple(np.asarray(array, np.int64) for array in stored)]


def _where(call: Call) -> FloatArray:
    condition = call.required("condition") != 0
    return np.where(condition, call.required("self"), call.required("other"))


def _masked_fill(call: Call) -> FloatArray:
    return np.where(call.required("mask") != 0, call.required("value"), call.required("self"))


def _concat(call: Call) -> FloatArray:
    parts = [call.reader.constants[name] for name in call.get("tensors")]
    return np.concatenate(parts, int(call.get("dim", 0)))


def _alpha(sign: float) -> Fold:
    def fold(call: Call) -> Any:
        factor = sign * float(call.get("alpha", 1))
        return call.required("self") + factor * call.required("other")

    return fold


def _divide(call: Call) -> Any:
    quotient = call.required("self") / call.required("other")
    mode = call.get("rounding_mode")
    return {"floor": np.floor, "trunc": np.trunc}.get(mode, lambda x: x)(quotient)


def _reshape(call: Call) -> FloatArray:
    return call.required("self").reshape(_shape(call))


def _expand(call: Call) -> FloatArray:
    return np.broadcast_to(call.required("self"), _shape(call))


FOLDED: dict[str, Fold] = {
    "arange": _arange,
    "full": lambda call: np.full(_shape(call), float(call.get("fill_value"))),
    "full_like": lambda call: np.full(_shape(call), float(call.get("fill_value"))),
    "new_full": lambda call: np.full(_shape(call), float(call.get("fill_value"))),
    "zeros": _filled(0.0),
    "ones": _filled(1.0),
    "zeros_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "new_zeros": _filled(0.0),
    "new_ones": _filled(1.0),
    "scalar_tensor": lambda call: np.array(float(call.get("s"))),
    "lift_fresh_copy": _one(lambda x: x),
    "slice": _slice,
    "select": _select,
    "view": _reshape,
    "reshape": _reshape,
    "_unsafe_view": _reshape,
    "flatten": _reshape,
    "unflatten": _reshape,
    "squeeze": _reshape,
    "unsqueeze": _reshape,
    "expand": _expand,
    "expand_as": _expand,
    "permute": _permute,
    "transpose": _permute,
    "t": _one(np.transpose),
    "cat": _concat,
    "stack": lambda call: np.stack(
        [call.reader.constants[name] for name in call.get("tensors")], int(call.get("dim", 0))
    ),
    "index": _index,
    "embedding": lambda call: call.required("weight")[call.required("indices").astype(np.int64)],
    "tril": lambda call: np.tril(call.required("self"), int(call.get("diagonal", 0))),
    "triu": lambda call: np.triu(call.required("self"), int(call.get("diagonal", 0))),
    "eq": _both(np.equal),
    "ne": _both(np.not_equal),
    "lt": _both(np.less),
    "le": _both(np.less_equal),
    "gt": _both(np.greater),
    "ge": _both(np.greater_equal),
    "logical_and": _both(np.logical_and),
    "logical_or": _both(np.logical_or),
    "bitwise_and": _both(np.logical_and),
    "bitwise_or": _both(np.logical_or),
    "logical_not": _one(np.logical_not),
    "bitwise_not": _one(np.logical_not),
    "fill": lambda call: call.required("value"),
    "copy": lambda call: call.required("src"),
    "where": _where,
    "masked_fill": _masked_fill,
    "add": _alpha(1.0),
    "sub": _alpha(-1.0),
    "rsub": lambda call: call.required("other") - call.required("self"),
    "mul": _both(np.multiply),
    "div": _divide,
    "pow": lambda call: call.required("self") ** call.required("exponent"),
    "neg": _one(np.negative),
    "exp": _one(np.exp),
    "log": _one(np.log),
    "sqrt": _one(np.sqrt),
    "sin": _one(np.sin),
    "cos": _one(np.cos),
    "reciprocal": _one(lambda x: 1 / x),
    "to": _one(np.array),
    "_to_copy": _one(np.array),
    "clone": _one(np.array),
    "contiguous": _one(lambda x: x),
    "alias": _one(lambda x: x),
    "detach": _one(lambda x: x),
}
OF_SHAPES = frozenset({"full_like", "zeros_like", "ones_like", "new_zeros", "new_ones", "new_full"})
"""What depends on a tensor's shape alone."""
WHOLE_NUMBERS = frozenset({"bitwise_and", "bitwise_or", "bitwise_not"})


def fold(call: Call) -> dict[str, FloatArray] | None:
    """Return what a call computes from constants alone, float32; None when it reads a value.

    Returns
    -------
    arrays by the names of the call's results

    Raises
    ------
    ImportRefused : more than `MAXIMUM_ELEMENTS` numbers
    """
    name = call.target.partition(".")[0]
    if name == "meshgrid":
        return _meshgrid(call)
    writes = name.endswith("_") and not name.startswith("_") and bool(call.tensors)
    name = name.removesuffix("_") if writes else name
    known = name in OF_SHAPES or all(value in call.reader.constants for value in call.tensors)
    if name not in FOLDED or not known:
        return None
    if name in WHOLE_NUMBERS and call.dtype != BOOL:
        return None
    if np.prod(_shape(call)) > MAXIMUM_ELEMENTS:
        raise call.refuse(f"it computes a constant of more than {MAXIMUM_ELEMENTS:,} numbers")
    with np.errstate(all="ignore"):
        result = np.asarray(FOLDED[name](call), np.float32)
    if name in {"to", "_to_copy"} and call.dtype == BOOL:
        result = np.asarray(result != 0, np.float32)
    if writes:  # views of one constant share its memory here too
        written = call.required("self")
        written[...] = result
        return {call.name: written}
    return {call.name: result}


def _meshgrid(call: Call) -> dict[str, FloatArray] | None:
    """Return the coordinates of a grid, one array for each axis."""
    rows = [call.reader.constants.get(name) for name in call.tensors]
    if any(row is None for row in rows):
        return None
    if np.prod([row.size for row in rows if row is not None]) > MAXIMUM_ELEMENTS:
        raise call.refuse(f"it computes constants of more than {MAXIMUM_ELEMENTS:,} numbers")
    order: Literal["ij", "xy"] = "xy" if call.get("indexing", "ij") == "xy" else "ij"
    grids = np.meshgrid(*(np.asarray(row, np.float32) for row in rows), indexing=order)
    return dict(zip(call.names, grids, strict=True))
