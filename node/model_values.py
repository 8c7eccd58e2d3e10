"""Real numbers to a model's integers and back, and samples to runs.

A port says ``real = integer * mantissa * 2**exponent``. Floats are divided by that, rounded to
nearest (ties to even) and limited to the port's range; integers are taken as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ai_ops.graph import SYMBOLIC, Manifest, Port
from node.errors import CliError

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """What to run.

    Attributes
    ----------
    inputs : input bytes of each run
    units : n of every run
    samples_axis : how results are put together: "none" (one run), "new" (stacked along a new
        first axis) or "first" (the model's own first dimension of 1 is the sample axis)
    """

    inputs: tuple[bytes, ...]
    units: int
    samples_axis: str


def scale_of(port: Port) -> float:
    """Return what one integer of a port is worth."""
    return float(port.scale_mantissa) * 2.0**port.scale_exponent


def to_integers(port: Port, array: Array, *, raw: bool) -> Array:
    """Turn an array into the port's integers, shape unchanged.

    Raises
    ------
    CliError : E-MODEL-006, the numbers do not fit the port
    """
    if array.dtype.kind == "f" and not raw:
        if not np.isfinite(array).all():
            raise CliError(
                "E-MODEL-006", f"the input {port.name} holds values that are not finite."
            )
        steps = np.rint(array.astype(np.float64) / scale_of(port))
        # The symmetric range, so that -128 is never made from a float.
        low = max(port.minimum, -port.maximum)
        return np.clip(steps, low, port.maximum).astype(port.dtype.numpy)
    if array.dtype.kind not in "iu":
        kind = "integers (--raw)" if raw else "floats or integers"
        raise CliError(
            "E-MODEL-006", f"the input {port.name} is of type {array.dtype}; {kind} are needed."
        )
    if array.size and (int(array.min()) < port.minimum or int(array.max()) > port.maximum):
        raise CliError(
            "E-MODEL-006",
            f"the input {port.name} holds integers from {array.min()} to {array.max()}, outside"
            f" {port.minimum} to {port.maximum}: give floats in the network's own units instead.",
        )
    return array.astype(port.dtype.numpy)


def arrange(manifest: Manifest, arrays: Mapping[str, Array], *, raw: bool) -> Runs:
    """Turn arrays into runs.

    Parameters
    ----------
    arrays : by input name; a single array may have the name ""

    Raises
    ------
    CliError : E-MODEL-006, names, shapes, types or values that do not fit
    """
    named = dict(arrays)
    if len(named) == len(manifest.inputs) == 1:
        named = {manifest.inputs[0].name: next(iter(named.values()))}
    wanted = [port.name for port in manifest.inputs]
    if sorted(named) != sorted(wanted):
        raise CliError(
            "E-MODEL-006",
            f"the model's inputs are {', '.join(wanted)} and the file holds"
            f" {', '.join(name or 'one array' for name in named)}: save one array per input with"
            " numpy.savez.",
        )
    for axis in ("none", "first", "new"):
        plans = [_plan(port, named[port.name].shape, axis) for port in manifest.inputs]
        found = [plan for plan in plans if plan is not None]
        if len(found) < len(plans) or len({count for count, _ in found}) != 1:
            continue
        units = {n for _, n in found if n}
        if len(units) > 1:
            continue
        n = units.pop() if units else 1
        if n > manifest.maximum_units:
            raise CliError(
                "E-MODEL-006",
                f"the input has {n} units and the model takes at most {manifest.maximum_units}.",
            )
        integers = [to_integers(port, named[port.name], raw=raw) for port in manifest.inputs]
        count = found[0][0]
        runs = tuple(
            b"".join((array if axis == "none" else array[i]).tobytes() for array in integers)
            for i in range(count)
        )
        return Runs(inputs=runs, units=n, samples_axis=axis)
    shapes = "; ".join(
        f"{port.name} has the shape {named[port.name].shape} and the model takes"
        f" {shape_text(port.shape)}, or several of them along a first axis"
        for port in manifest.inputs
    )
    raise CliError("E-MODEL-006", f"{shapes}.")


def _plan(port: Port, shape: tuple[int, ...], axis: str) -> tuple[int, int] | None:
    """Return (runs, n) when `shape` fits the port with the samples along `axis`; n is 0 if none."""
    if not shape or 0 in shape:
        return None
    if axis == "none":
        n = _units(port.shape, shape)
        return None if n is None else (1, n)
    if axis == "first":
        if port.shape[0] != 1 or SYMBOLIC in port.shape:
            return None
        n = _units(port.shape[1:], shape[1:])
    else:
        n = _units(port.shape, shape[1:])
    return None if n is None else (shape[0], n)


def _units(declared: tuple[int, ...], shape: tuple[int, ...]) -> int | None:
    """Return n when `shape` is an instance of `declared` (0 without a symbolic one)."""
    if len(declared) != len(shape):
        return None
    n = 0
    for want, got in zip(declared, shape, strict=True):
        if want == SYMBOLIC:
            n = got
        elif want != got:
            return None
    return n


def assemble(
    manifest: Manifest, outputs: list[bytes], runs: Runs, *, raw: bool
) -> dict[str, Array]:
    """Turn output bytes into arrays by output name: integers when `raw`, else floats (float64)."""
    arrays = {}
    offset = 0
    for port in manifest.outputs:
        size = port.type.size(runs.units)
        shape = port.type.concrete(runs.units)
        parts = [
            np.frombuffer(data[offset : offset + size], port.dtype.numpy).reshape(shape)
            for data in outputs
        ]
        if runs.samples_axis == "none":
            value = parts[0]
        elif runs.samples_axis == "first" and shape[0] == 1:
            value = np.concatenate(parts)
        else:
            value = np.stack(parts)
        arrays[port.name] = value if raw else value.astype(np.float64) * scale_of(port)
        offset += size
    return arrays


def shape_text(shape: tuple[int, ...]) -> str:
    """Write a shape with n for the symbolic dimension."""
    inside = ", ".join("n" if size == SYMBOLIC else str(size) for size in shape)
    return f"({inside},)" if len(shape) == 1 else f"({inside})"
