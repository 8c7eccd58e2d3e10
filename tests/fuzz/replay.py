"""Cases and results in a file, replayed where only the engine itself is needed.

`python -m tests.fuzz.replay write FILE --cases N --seed S` draws cases of every operator and lets
the reference of this machine solve them; `python -m tests.fuzz.replay run FILE --backends NAMES`
runs them, under another processor, another NumPy or another BLAS. The last line of `run` is
`N passed, M failed`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.backends import BACKENDS
from ai_ops.backends.base import Backend
from ai_ops.backends.native_backend import MAKERS
from ai_ops.operators import OPERATORS
from tests.fuzz.cases import from_vector, make_case, to_vector
from tests.fuzz.check import difference, expected_of

SMALL = 1_500
"""Elements of the largest case that is written: an emulated processor is slow."""


def write(path: Path, cases: int, seed: int) -> int:
    """Write `cases` cases of every operator; returns how many that are in all."""
    total = 0
    with path.open("w", encoding="utf-8") as file:
        for operator in OPERATORS:
            for vector in vectors(operator, cases, seed):
                file.write(json.dumps(vector) + "\n")
                total += 1
    return total


def vectors(operator: str, cases: int, seed: int) -> Iterator[dict[str, Any]]:
    index = found = 0
    while found < cases:
        case = make_case(operator, seed, index)
        if case.elements <= SMALL or found * 20 < index:
            yield to_vector(case, expected_of(case), f"seed {seed}, case {index}")
            found += 1
        index += 1


def run(path: Path, names: list[str]) -> tuple[int, list[str]]:
    """Run every case on the named backends; returns passes and failures."""
    backends = [start(name) for name in names if name != "reference"]
    passed, failures = 0, []
    for line in path.read_text(encoding="utf-8").splitlines():
        vector = json.loads(line)
        case, expected = from_vector(vector)
        where = f"{vector['operator']}, {vector['why']}"
        if "reference" in names:
            got = expected_of(case)
            if all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True)):
                passed += 1
            else:
                failures.append(f"reference: {where}")
        for backend, operators in backends:
            if case.node.operator not in operators:
                continue
            problem = difference(case, backend, expected)
            if problem is None:
                passed += 1
            else:
                failures.append(f"{backend.name}: {where}: {problem}\n{line}")
    return passed, failures


def start(name: str) -> tuple[Backend, Collection[str]]:
    """Start a backend without its self test, and list the operators it does not pass on.

    What `native` leaves to numba would be compiled here, and an emulated compiler takes minutes.
    """
    return BACKENDS[name](), MAKERS if name.startswith("native") else OPERATORS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.replay", description=__doc__)
    parser.add_argument("action", choices=("write", "run"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--cases", type=int, default=200, help="for each operator")
    parser.add_argument("--seed", type=int, default=20261124)
    parser.add_argument("--backends", default="reference")
    options = parser.parse_args()
    if options.action == "write":
        print(f"{write(options.file, options.cases, options.seed)} cases written")
        return 0
    passed, failures = run(options.file, options.backends.split(","))
    print(*failures[:20], sep="\n")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
