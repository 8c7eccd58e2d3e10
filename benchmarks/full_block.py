"""Verify blocks at their limits: `python -m benchmarks.full_block [--backend native-avx2]`.

One block is full of ordinary instructions, one full of inferences. Each is built on one store and
imported into another, where every inference runs again. Both times (of the processor), taken to
the limits of the testnet template, are compared with a third of its block period.
"""

from __future__ import annotations

import argparse
import os
import sys
import time

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"

from ai_ops.backends import select_backend
from ai_ops.merkle import model_id
from ai_ops.model import encode_model
from genesis.spec import template
from tests.ai_ops.models import lenet
from tests.support.chain import ADDRESSES, Chain
from tests.support.chain_models import deploy
from tests.support.inference import asm
from vm import models
from vm.registry.layout import model_address
from vm.results import Account, BlockResult
from vm.transition import import_block

SHARE = 3
CONTRACT = b"\xc1" * 20
LOOPER = b"\xc2" * 20
UNITS = 16
TRANSACTION_GAS = 14_000_000


def infer_loop(model: bytes, size: int, output: int, need: int) -> bytes:
    """Count up in memory and run the model on it until less than `need` gas is left."""
    return asm(
        "JUMPDEST", output, size, size, 0, int.from_bytes(model, "big"), "INFER", "POP",
        1, 0, "MLOAD", "ADD", 0, "MSTORE", need, "GAS", b"\x11", 0, "JUMPI", "STOP",
    )  # fmt: skip


def plain_loop() -> bytes:
    """Cheap instructions, again and again."""
    body = [part for _ in range(20) for part in (3, 5, "MUL", "POP")]
    return asm("JUMPDEST", *body, 200, "GAS", b"\x11", 0, "JUMPI", "STOP")


def imported_seconds(chain: Chain, built: BlockResult) -> float:
    """Import into a copy of the store; returns processor time."""
    store = dict(chain.store)
    start = time.process_time()
    result = import_block(chain.config, store, chain.head, built.block, built.sidecar)
    spent = time.process_time() - start
    assert result.block.hash == built.block.hash
    return spent


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_block", description=__doc__)
    parser.add_argument("--backend", default="native-avx2")
    options = parser.parse_args()
    backend = select_backend(options.backend)
    models.select_backend = lambda *_, **__: backend  # type: ignore[attr-defined]
    spec = template("testnet")
    model = lenet()
    size, output = UNITS * 784, UNITS * 10 * 4
    address = model_address(ADDRESSES[0], model_id(encode_model(model)))
    code = infer_loop(address, size, output, 400_000)
    chain = Chain(
        {LOOPER: Account(code=plain_loop(), nonce=1), CONTRACT: Account(code=code, nonce=1)}
    )
    assert deploy(chain, model) == address
    limits = {
        "instructions": (spec.header.gas_limit, LOOPER, (9_900_000,)),
        "inference": (spec.vm_config.inference_gas_limit, CONTRACT, (TRANSACTION_GAS,) * 2),
    }
    total = 0.0
    for name, (limit, target, gases) in limits.items():
        transactions = [
            chain.transaction(index, to=target, gas=gas) for index, gas in enumerate(gases)
        ]
        build = chain.build(transactions)
        assert not build.rejected
        spent = imported_seconds(chain, build.result)
        records = build.result.sidecar.records
        used = build.result.block.header.gas_used
        amount = sum(record.gas for record in records) if target == CONTRACT else used
        total += spent * limit / amount
        print(
            f"{name:<13}{amount:>11} gas in {spent:.2f} s ({len(records)} inferences): "
            f"{spent / amount * 1e9:.0f} ns a gas, {spent * limit / amount:.2f} s at the limit "
            f"of {limit}"
        )
    allowed = spec.consensus.period_seconds / SHARE
    print(f"together {total:.2f} s on {backend.name}; a third of the period is {allowed:.2f} s")
    return 0 if total <= allowed else 1


if __name__ == "__main__":
    sys.exit(main())
