"""Verify blocks at their limits: `python -m benchmarks.full_block [--backend native-avx2]`.

Each row is a block full of one kind of instruction, or of calls of one model. It is built on one
store and imported into another, where every inference runs again. Times (of the processor, the
least of some imports), taken to the limits of the testnet template, are compared with a third of
its block period: the worst instructions and the worst inferences together must fit.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"

from ai_ops.backends import select_backend
from benchmarks.block_cases import (
    CONTRACT,
    costliest,
    inference_chain,
    instruction_chain,
    instructions,
    networks,
)
from genesis.spec import ChainSpec, template
from tests.support.chain import Chain
from vm import models
from vm.results import BlockResult
from vm.transition import import_block

SHARE = 3
INSTRUCTION_GAS = (3_000_000,)
INFERENCE_GAS = (14_000_000,) * 2


@dataclass(frozen=True, slots=True)
class Row:
    """A block that was imported: gas, seconds, and seconds at the limit."""

    name: str
    gas: int
    calls: int
    seconds: float
    at_limit: float


def imported_seconds(chain: Chain, built: BlockResult, rounds: int) -> float:
    """Import into copies of the store; returns the least processor time."""
    times = []
    for _ in range(rounds):
        store = dict(chain.store)
        start = time.process_time()
        result = import_block(chain.config, store, chain.head, built.block, built.sidecar)
        times.append(time.process_time() - start)
        assert result.block.hash == built.block.hash
    return min(times)


def measured(name: str, chain: Chain, gases: tuple[int, ...], limit: int, rounds: int) -> Row:
    """Fill a block with calls of the contract and import it."""
    transactions = [
        chain.transaction(index, to=CONTRACT, gas=gas) for index, gas in enumerate(gases)
    ]
    build = chain.build(transactions)
    assert not build.rejected
    assert not build.deferred
    assert all(receipt.status for receipt in build.result.receipts)
    records = build.result.sidecar.records
    gas = sum(record.gas for record in records) or build.result.block.header.gas_used
    seconds = imported_seconds(chain, build.result, rounds)
    return Row(name, gas, len(records), seconds, seconds * limit / gas)


def instruction_rows(spec: ChainSpec, rounds: int) -> Iterator[Row]:
    """One block for each kind of instruction."""
    for name, code in instructions().items():
        chain = instruction_chain(code)
        yield measured(name, chain, INSTRUCTION_GAS, spec.header.gas_limit, rounds)


def inference_rows(spec: ChainSpec, backend: str, worst: int, rounds: int) -> Iterator[Row]:
    """One block for each network, and for the operators that take longest for their gas."""
    chosen = select_backend(backend)
    models.select_backend = lambda *_, **__: chosen  # type: ignore[attr-defined]
    limit = spec.vm_config.inference_gas_limit
    for case in (*networks(), *costliest(chosen, worst)):
        chain = inference_chain(spec.vm_config, case)
        yield measured(case.name, chain, INFERENCE_GAS, limit, rounds)


def shown(rows: Iterator[Row], what: str, limit: int) -> Row:
    """Print the rows and return the one that takes longest at the limit."""
    print(f"\n{what:<46}{'calls':>7}{'gas':>12}{'s':>7}{'ns a gas':>10}{f's at {limit}':>16}")
    kept = []
    for row in rows:
        kept.append(row)
        print(
            f"{row.name[:45]:<46}{row.calls or '':>7}{row.gas:>12}{row.seconds:>7.2f}"
            f"{row.seconds / row.gas * 1e9:>10.0f}{row.at_limit:>16.2f}",
            flush=True,
        )
    return max(kept, key=lambda row: row.at_limit)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_block", description=__doc__)
    parser.add_argument("--backend", default="native-avx2")
    parser.add_argument("--worst", type=int, default=6, help="operators, costliest first")
    parser.add_argument("--rounds", type=int, default=2, help="imports of each block")
    options = parser.parse_args()
    spec = template("testnet")
    code = shown(instruction_rows(spec, options.rounds), "instructions", spec.header.gas_limit)
    inference = shown(
        inference_rows(spec, options.backend, options.worst, options.rounds),
        f"inferences ({options.backend})",
        spec.vm_config.inference_gas_limit,
    )
    allowed = spec.consensus.period_seconds / SHARE
    total = code.at_limit + inference.at_limit
    print(
        f"\n{code.name} and {inference.name} together: {total:.2f} s of the {allowed:.2f} s that "
        f"are 1/{SHARE} of the period"
    )
    return 0 if total <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())
