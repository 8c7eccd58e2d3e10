"""`python -m tests.fuzz`: every operator on every backend of this machine against the reference.

The last line is `N passed, M failed`; a failure prints seed, case and a small vector.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import Future

from ai_ops.operators import OPERATORS
from tests.fuzz.backends import available
from tests.fuzz.cases import make_case
from tests.fuzz.runner import Tally, backends_of, collect, problems_of, start_pool, submit

CASES = 2_000


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--operator", action="append", choices=tuple(OPERATORS))
    parser.add_argument("--cases", type=int, default=CASES, help="for each operator")
    parser.add_argument("--backends", help="comma-separated; all that work here by default")
    parser.add_argument("--seed", type=int, default=time.time_ns() % 10**9)
    parser.add_argument("--case", type=int, help="only this case of each operator")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    usable, missing = available() if options.backends is None else ((), ())
    names = usable if options.backends is None else tuple(options.backends.split(","))
    for sentence in missing:
        print(sentence)
    operators = options.operator or tuple(OPERATORS)
    print(f"seed {options.seed}; reference against {', '.join(names)}")
    if options.case is not None:
        return one_case(operators, options.seed, options.case, names)
    print(f"{'operator':<20}{'cases':>8}{'accepted':>10}{'varied':>8}{'low':>6}{'high':>6}{'s':>8}")
    passed = failed = 0
    with start_pool(options.jobs, names) as pool:
        work: list[tuple[str, list[Future[Tally]]]] = [
            (operator, submit(pool, operator, options.seed, options.cases, names))
            for operator in operators
        ]
        start = time.perf_counter()
        for operator, futures in work:
            tally = collect(futures)
            report(operator, tally, time.perf_counter() - start)
            passed += tally.cases - tally.failed
            failed += tally.failed
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def report(operator: str, tally: Tally, seconds: float) -> None:
    accepted = 100 * tally.cases // max(1, tally.proposals)
    shares = [100 * part // max(1, tally.cases) for part in (tally.varied, tally.low, tally.high)]
    print(
        f"{operator:<20}{tally.cases:>8}{accepted:>9}%{shares[0]:>7}%{shares[1]:>5}%"
        f"{shares[2]:>5}%{seconds:>8.1f}",
        flush=True,
    )
    for failure in tally.failures:
        print(failure)


def one_case(operators: tuple[str, ...], seed: int, index: int, names: tuple[str, ...]) -> int:
    failed = 0
    for operator in operators:
        case = make_case(operator, seed, index)
        problems = problems_of(case, backends_of(names), Tally())
        failed += bool(problems)
        for problem in problems:
            print(f"{operator}: {problem}")
    print(f"{len(operators) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
