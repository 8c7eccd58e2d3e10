"""One case on one backend: equal to the reference, inside its interval, inputs untouched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ai_ops.backends.base import Backend
from ai_ops.dtype import Array
from ai_ops.operators import OPERATORS
from tests.fuzz.cases import Case, as_view

SHRINKING_TRIALS = 300


def expected_of(case: Case) -> tuple[Array, ...]:
    """Return the reference's result; it must have the type and interval that `infer` promised.

    Raises
    ------
    AssertionError
        With what is wrong.
    """
    results = OPERATORS[case.node.operator].reference(case.node, case.arrays, case.outputs)
    assert len(results) == len(case.outputs), "the reference returns another number of results"
    for result, value in zip(results, case.outputs, strict=True):
        shape = value.type.concrete(case.units)
        assert result.shape == shape, f"the reference returns {result.shape}, not {shape}"
        assert result.dtype == value.type.dtype.numpy, "the reference returns another dtype"
        low, high = int(result.min()), int(result.max())
        assert value.minimum <= low <= high <= value.maximum, (
            f"the reference returns [{low}, {high}] outside the proved interval "
            f"[{value.minimum}, {value.maximum}]"
        )
    return results


def difference(case: Case, backend: Backend, expected: tuple[Array, ...]) -> str | None:
    """Run a case twice on a prepared kernel; returns what differs, or None."""
    given = tuple(
        as_view(array, at % 3 if array.ndim > 1 else 2 * (at % 2)) if viewed else array
        for at, (array, viewed) in enumerate(zip(case.arrays, case.views, strict=True))
    )
    before = [array.tobytes() for array in given]
    for array in given:
        array.flags.writeable = False
    weights = {at: given[at] for at in case.weights}
    try:
        kernel = backend.prepare(case.node, case.values, case.outputs, weights)
        first = tuple(np.array(result) for result in kernel(given))
        second = kernel(given)
    except Exception as error:  # noqa: BLE001 - whatever a kernel raises is its failure
        return f"{type(error).__name__}: {error}"
    if [array.tobytes() for array in given] != before:
        return "an input was written to"
    if len(first) != len(expected):
        return f"{len(first)} results instead of {len(expected)}"
    for got, again, want in zip(first, second, expected, strict=True):
        if got.dtype != want.dtype or got.shape != want.shape:
            return f"{got.dtype}{got.shape} instead of {want.dtype}{want.shape}"
        if not np.array_equal(got, want):
            at = tuple(int(axis[0]) for axis in np.nonzero(got != want))
            return f"{got[at]} instead of {want[at]} at {at}"
        if not np.array_equal(again, want):
            return "the second run of one kernel differs from the first"
    return None


def smallest(case: Case, fails: Callable[[Case], bool]) -> Case:
    """Set ever smaller runs of the inputs to 0 (or their nearest end) while the case fails."""
    trials = 0
    for at, value in enumerate(case.values):
        rest = min(max(0, value.minimum), value.maximum)
        run = max(1, case.arrays[at].size)
        while run >= 1 and trials < SHRINKING_TRIALS:
            for start in range(0, case.arrays[at].size, run):
                flat = case.arrays[at].ravel().copy()
                if trials >= SHRINKING_TRIALS or (flat[start : start + run] == rest).all():
                    continue
                trials += 1
                flat[start : start + run] = rest
                arrays = list(case.arrays)
                arrays[at] = flat.reshape(arrays[at].shape)
                candidate = replace(case, arrays=tuple(arrays))
                if fails(candidate):
                    case = candidate
            run //= 2
    return case
