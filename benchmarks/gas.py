"""Time against gas: `python -m benchmarks.gas fit|check [--backend NAME]`.

`fit` measures every operator in many shapes and finds the price of each cost class; `check`
measures them and 200 random graphs and compares nanoseconds a gas: the largest may be 3 times the
smallest. Both pin one thread; the reference path is `numba` compiled for AVX2, the slowest one
that a validator may run:

    NUMBA_CPU_NAME=haswell NUMBA_CPU_FEATURES=+avx2,+fma,+bmi,+bmi2 \\
        python -m benchmarks.gas check
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"

import time

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.backends.base import Backend
from ai_ops.cost import COST_CLASSES
from ai_ops.executor import load
from ai_ops.graph import Model
from ai_ops.model import encode_model, head_of
from ai_ops.operators import OPERATORS
from ai_ops.validate import DEFAULT_LIMITS, validate
from benchmarks.gas_cases import all_cases, input_of, model_of
from vm.gas import fraction_gas
from vm.prices import FRACTION_ONE, InferencePrices

NANOSECONDS_PER_GAS = 50
SPREAD = 3
GRAPHS = 200
SECONDS = 0.03
"""Processor time spent on one case, at least 5 runs."""
ROUNDS = 400
PASSES = 2

Row = tuple[str, str, float, dict[str, int]]
"""Operator (or "graph"), shape, nanoseconds, counts of the cost classes."""


def nanoseconds(
    backend: Backend, model: Model, data: bytes, n: int = 1
) -> tuple[float, dict[str, int]]:
    """Time one inference: the least processor time of many runs, which a busy machine shows too."""
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    loaded = load(model, facts, backend)
    loaded.run(data, n)
    times: list[int] = []
    end = time.thread_time_ns() + int(SECONDS * 1e9)
    while len(times) < 5 or time.thread_time_ns() < end:
        start = time.thread_time_ns()
        loaded.run(data, n)
        times.append(time.thread_time_ns() - start)
    return float(min(times)), facts.cost.at(n)


def measure(backend: Backend, chosen: set[str], count: int) -> list[Row]:
    """Time every operator's cases and `count` random graphs, twice over: a disturbance passes."""
    rows: dict[tuple[str, str], Row] = {}
    for _ in range(PASSES):
        for row in (*operators(backend, chosen), *graphs(backend, count)):
            known = rows.get(row[:2])
            if known is None or row[2] < known[2]:
                rows[row[:2]] = row
    return list(rows.values())


def operators(backend: Backend, chosen: set[str]) -> Iterator[Row]:
    for case in all_cases():
        if not chosen or case[0] in chosen:
            model = model_of(case)
            yield (case[0], case[1], *nanoseconds(backend, model, input_of(model)))


def graphs(backend: Backend, count: int) -> Iterator[Row]:
    """Random graphs at their largest n."""
    from tests.ai_ops.random_graphs import random_input, random_model

    for seed in range(count):
        model = random_model(seed)
        n = model.manifest.maximum_units
        data = random_input(model, n, Random(seed))
        yield ("graph", f"seed {seed}", *nanoseconds(backend, model, data, n))


def gas_of(counts: Mapping[str, int], prices: Mapping[str, int]) -> int:
    return fraction_gas(sum(count * prices[name] for name, count in counts.items()))


def fit(rows: list[Row]) -> dict[str, int]:
    """Prices in 2^-16 gas that make relative errors small, worst ones first, never negative."""
    matrix = np.array([[row[3][name] / row[2] for name in COST_CLASSES] for row in rows])
    scale = np.maximum(matrix.max(axis=0), 1e-30)
    matrix = matrix / scale
    weights = np.ones(len(rows))
    found = np.full(len(COST_CLASSES), 0.1)
    for _ in range(ROUNDS):
        found = solve(matrix, weights, found)
        worst = np.abs(np.log(np.maximum(matrix @ found, 1e-9)))
        weights = weights * (1 + worst)
        weights /= weights.mean()
    nanosecond_prices = found / scale
    return {
        name: max(1, round(price / NANOSECONDS_PER_GAS * FRACTION_ONE))
        for name, price in zip(COST_CLASSES, nanosecond_prices, strict=True)
    }


def solve(matrix: np.ndarray, weights: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Weighted least squares of ``matrix @ x = 1`` with x >= 0, one coordinate after another."""
    left = matrix.T @ (matrix * weights[:, None])
    right = matrix.T @ weights
    found = start.copy()
    for _ in range(50):
        for at in range(len(found)):
            step = (right[at] - left[at] @ found) / max(left[at, at], 1e-30)
            found[at] = max(0.0, found[at] + step)
    return found


def table(rows: list[Row], prices: Mapping[str, int]) -> tuple[float, float]:
    """Print every row's nanoseconds a gas; returns the least and the largest."""
    print(f"{'operator':<20}{'shape':<34}{'us':>10}{'gas':>9}{'ns a gas':>10}")
    rates = []
    for operator, shape, spent, counts in rows:
        gas = gas_of(counts, prices)
        rates.append(spent / gas)
        print(f"{operator:<20}{shape:<34}{spent / 1e3:>10.1f}{gas:>9}{rates[-1]:>10.1f}")
    return min(rates), max(rates)


def summary(rows: list[Row], prices: Mapping[str, int]) -> None:
    """Print the range of nanoseconds a gas of each operator."""
    print(f"\n{'operator':<22}{'least':>8}{'most':>8}  (ns a gas)")
    for operator in (*OPERATORS, "graph"):
        rates = [row[2] / gas_of(row[3], prices) for row in rows if row[0] == operator]
        if rates:
            print(f"{operator:<22}{min(rates):>8.1f}{max(rates):>8.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gas", description=__doc__)
    parser.add_argument("action", choices=("fit", "check"))
    parser.add_argument("--backend", default="numba")
    parser.add_argument("--operator", action="append", default=[])
    parser.add_argument("--graphs", type=int, default=GRAPHS)
    parser.add_argument("--save", type=Path, help="keep the measurements")
    parser.add_argument("--rows", type=Path, help="use measurements kept before")
    options = parser.parse_args()
    if options.rows:
        rows = [tuple(row) for row in json.loads(options.rows.read_text())]
    else:
        backend = select_backend(options.backend)
        count = 0 if options.operator else options.graphs
        rows = measure(backend, set(options.operator), count)
    if options.save:
        options.save.write_text(json.dumps(rows))
    prices = dict(InferencePrices().cost_class_q16)
    if options.action == "fit":
        prices = fit([row for row in rows if row[0] != "graph"])
        print(*(f'    ("{name}", {prices[name]:_}),' for name in sorted(prices)), sep="\n")
    least, most = table(rows, prices)
    summary(rows, prices)
    print(f"\n{least:.1f} to {most:.1f} ns a gas: {most / least:.2f} times (at most {SPREAD})")
    return 0 if most <= SPREAD * least or options.action == "fit" else 1


if __name__ == "__main__":
    sys.exit(main())
