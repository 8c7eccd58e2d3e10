"""Frames inside frames, down to the EVM's limit, whatever Python's own limits are."""

from __future__ import annotations

import threading

import pytest

from tests.support.chain import Chain
from tests.support.inference import asm
from vm.results import Account, CallRequest, CallResult
from vm.transition import call

SELF = b"\xd0" * 20
# Enough for a call of a call of a call, each with 63/64 of the gas.
ENDLESS_GAS = 2**50
LOG = asm(0, 0) + b"\xa0"
DEEPEST = 1_024


def run(code: bytes | None, data: bytes = b"") -> CallResult:
    """Call code, or create with ``data`` as init code, on the stack of a worker thread."""
    chain = Chain(alloc={} if code is None else {SELF: Account(code=code)})
    request = CallRequest(to=None if code is None else SELF, data=data)
    results: list[CallResult] = []

    def work() -> None:
        results.append(call(chain.config, chain.store, chain.head, request, ENDLESS_GAS))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    (result,) = results
    return result


@pytest.mark.parametrize("kind", ["CALL", "CALLCODE", "DELEGATECALL"])
def test_every_frame_down_to_the_limit_is_run(kind: str) -> None:
    value = [0] if kind in {"CALL", "CALLCODE"} else []
    number = int.from_bytes(SELF, "big")
    result = run(LOG + asm(0, 0, 0, 0, *value, number, "GAS", kind, "POP", "STOP"))
    assert result.success
    assert len(result.logs) == DEEPEST + 1


def test_creations_inside_creations() -> None:
    # CODECOPY of itself, LOG0, CREATE: each level logs once.
    init = LOG + bytes.fromhex("385f5f39385f5ff0505f5ff3")
    assert len(run(None, init).logs) == DEEPEST + 1


def test_what_a_failed_frame_did_counts_for_nothing() -> None:
    # The inner frame fails with all of its gas, so only a refund or a log could tell the two apart.
    spent = [failing(inner) for inner in (asm(0, 1, "SSTORE") + LOG, b"")]
    assert spent[0] == spent[1]


def failing(inner: bytes) -> int:
    """Call oneself with ``inner`` before INVALID, then clear slot 2; return the gas used."""
    number = int.from_bytes(SELF, "big")
    outer = asm(0, 0, 1, 0, 0, number, 50_000, "CALL", 0, 2, "SSTORE", "STOP")
    jump = 4 + len(outer)
    code = asm("CALLDATASIZE") + bytes((0x60, jump, 0x57)) + outer + asm("JUMPDEST") + inner
    chain = Chain(alloc={SELF: Account(code=code + b"\xfe", storage={1: 1, 2: 1})})
    (receipt,) = chain.must_mine(chain.transaction(0, to=SELF, gas=200_000)).receipts
    assert receipt.logs == ()
    assert (chain.slot(SELF, 1), chain.slot(SELF, 2)) == (1, 0)
    return receipt.gas_used
