"""Every operator, on every backend of this machine: random and extreme cases, zero differences.

2,000 cases an operator, 20,000 with `ENGRAM_LONG=1`; `ENGRAM_SEED` repeats a run. More choices:
`python -m tests.fuzz --help`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import Future

import numpy as np
import pytest

from ai_ops.backends.base import Kernel
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.dtype import Array
from ai_ops.graph import Node, Value
from ai_ops.operators import OPERATORS
from tests.fuzz.backends import available
from tests.fuzz.cases import from_vector, make_case, to_vector
from tests.fuzz.check import difference, expected_of
from tests.fuzz.generators import GENERATORS
from tests.fuzz.runner import Tally, collect, minimal, start_pool, submit

CASES = 20_000 if os.environ.get("ENGRAM_LONG") == "1" else 2_000
SEED = int(os.environ.get("ENGRAM_SEED", "20261124"))
JOBS = len(os.sched_getaffinity(0))

Work = dict[str, list[Future[Tally]]]


def test_every_operator_has_a_generator() -> None:
    assert [operator for operator in OPERATORS if operator not in GENERATORS] == []


@pytest.fixture(scope="module")
def work(request: pytest.FixtureRequest) -> Iterator[Work]:
    """Start the cases of all chosen operators at once, one process a core."""
    chosen: list[str] = [
        str(item.callspec.params["operator"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.function is test_backends_equal_the_reference
    ]
    names, missing = available()
    print(*missing, sep="\n")
    with start_pool(JOBS, names) as pool:
        yield {operator: submit(pool, operator, SEED, CASES, names) for operator in chosen}


@pytest.mark.parametrize("operator", OPERATORS)
def test_backends_equal_the_reference(operator: str, work: Work) -> None:
    tally = collect(work[operator])
    assert not tally.failed, "\n".join(tally.failures)
    assert tally.cases == CASES
    # A generator that is mostly refused, or whose results are constant, tests little.
    assert tally.proposals < 4 * tally.cases
    assert tally.varied > tally.cases // 4


class Wrong(ReferenceBackend):
    """Equal to the reference but for one result in 128."""

    name = "wrong"

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        right = super().prepare(node, inputs, outputs, weights)

        def run(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
            (result,) = right(arrays)
            return (np.where(result == 7, 8, result).astype(result.dtype),)

        return run


def test_a_wrong_backend_is_found_and_its_case_shrunk() -> None:
    backend = Wrong()
    for index in range(200):
        case = make_case("CLAMP", 1, index)
        expected = expected_of(case)
        assert difference(case, ReferenceBackend(), expected) is None
        if difference(case, backend, expected) is not None and case.elements > 30:
            break
    else:
        pytest.fail("no case holds a 7")
    small, expected = from_vector(json.loads(minimal(case, backend)))
    assert difference(small, backend, expected) is not None
    assert int((small.arrays[0] != 0).sum()) == 1


@pytest.mark.parametrize("operator", OPERATORS)
def test_a_case_written_as_a_vector_is_the_same_case(operator: str) -> None:
    for index in range(5):
        case = make_case(operator, SEED, index)
        expected = expected_of(case)
        again, results = from_vector(json.loads(json.dumps(to_vector(case, expected, ""))))
        assert (again.node, again.values, again.outputs) == (case.node, case.values, case.outputs)
        for got, want in zip((*again.arrays, *results), (*case.arrays, *expected), strict=True):
            assert got.dtype == want.dtype
            assert np.array_equal(got, want)
