"""Many cases over operators, backends and processes."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache

from ai_ops.backends.base import Backend
from tests.fuzz.backends import start
from tests.fuzz.cases import Case, make_case, to_vector
from tests.fuzz.check import difference, expected_of, smallest

BLOCK = 500
"""Cases that one task of the pool runs."""
SHOWN = 3
"""Failures of an operator that are reported in full."""


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a run of one operator saw.

    Attributes
    ----------
    cases : int
        Cases run, on every backend each.
    proposals : int
        Proposals drawn for them: cases / proposals is the acceptance rate.
    varied : int
        Cases whose result has two different elements or more (single elements count too).
    low, high : int
        Cases that reach the lower and upper end of the result's interval.
    failures : list of str
    failed : int
    """

    cases: int = 0
    proposals: int = 0
    varied: int = 0
    low: int = 0
    high: int = 0
    failed: int = 0
    failures: list[str] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        self.cases += other.cases
        self.proposals += other.proposals
        self.varied += other.varied
        self.low += other.low
        self.high += other.high
        self.failed += other.failed
        self.failures = (self.failures + other.failures)[:SHOWN]


@cache
def backends_of(names: tuple[str, ...]) -> tuple[Backend, ...]:
    return tuple(start(name) for name in names)


def run_block(operator: str, seed: int, start: int, count: int, names: tuple[str, ...]) -> Tally:
    """Run cases `start` to `start + count` of an operator on the named backends."""
    tally = Tally()
    backends = backends_of(names)
    for index in range(start, start + count):
        case = make_case(operator, seed, index)
        tally.cases += 1
        tally.proposals += case.attempts
        problems = problems_of(case, backends, tally)
        tally.failed += bool(problems)
        for problem in problems[: SHOWN - len(tally.failures)]:
            tally.failures.append(f"--seed {seed} --operator {operator} --case {index}: {problem}")
    return tally


def problems_of(case: Case, backends: Sequence[Backend], tally: Tally) -> list[str]:
    try:
        expected = expected_of(case)
    except Exception as error:  # noqa: BLE001 - whatever it raises is a failure
        vector = json.dumps(to_vector(case, (), "the reference fails"))
        return [f"reference: {type(error).__name__}: {error}\n{vector}"]
    result, value = expected[0], case.outputs[0]
    tally.varied += result.size == 1 or bool((result != result.flat[0]).any())
    tally.low += bool((result == value.minimum).any())
    tally.high += bool((result == value.maximum).any())
    problems = []
    for backend in backends:
        found = difference(case, backend, expected)
        if found is not None:
            problems.append(f"{backend.name}: {found}\n{minimal(case, backend)}")
    return problems


def minimal(case: Case, backend: Backend) -> str:
    """Shrink a failing case and write it as a vector on one line."""
    small = smallest(case, lambda other: difference(other, backend, expected_of(other)) is not None)
    return json.dumps(to_vector(small, expected_of(small), f"{backend.name} differs"))


def start_pool(jobs: int, names: tuple[str, ...]) -> ProcessPoolExecutor:
    """Start workers; the backends are compiled here first, and they find the machine code."""
    backends_of(names)
    return ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))


def submit(
    pool: ProcessPoolExecutor, operator: str, seed: int, cases: int, names: tuple[str, ...]
) -> list[Future[Tally]]:
    return [
        pool.submit(run_block, operator, seed, start, min(BLOCK, cases - start), names)
        for start in range(0, cases, BLOCK)
    ]


def collect(futures: Sequence[Future[Tally]]) -> Tally:
    tally = Tally()
    for done in results(futures):
        tally.add(done)
    return tally


def results(futures: Sequence[Future[Tally]]) -> Iterator[Tally]:
    for future in futures:
        yield future.result()
