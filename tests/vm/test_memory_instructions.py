"""Instructions on memory beside py-evm's own, which check more and take longer."""

from __future__ import annotations

import random

import pytest
from eth.vm.forks.prague.computation import PragueComputation

from tests.support.chain import Chain
from tests.support.inference import asm
from vm.frames import InferenceComputation, PlainComputation, bound
from vm.results import Account, CallRequest, CallResult
from vm.transition import call

CONTRACT = b"\xd2" * 20
PROGRAMS = 150
GAS = 300_000
# The ends of words, of the code, of what gas can pay for, and of 256 bits.
PLACES = (
    0,
    1,
    31,
    32,
    33,
    63,
    64,
    95,
    96,
    500,
    1_000,
    2**16,
    2**31,
    2**64,
    2**256 - 32,
    2**256 - 1,
)
SIZES = (0, 0, 1, 31, 32, 33, 64, 200, 2**16, 2**40, 2**256 - 1)
COPIES = {"CODECOPY": b"\x39", "CALLDATACOPY": b"\x37", "MCOPY": b"\x5e"}


def program(draw: random.Random) -> bytes:
    """Some instructions on memory, then all of the first words and its size as the result."""

    def place() -> int:
        return draw.choice(PLACES[: draw.choice((8, 11, len(PLACES)))])

    def size() -> int:
        return draw.choice(SIZES[: draw.choice((8, 8, 8, len(SIZES)))])

    parts: list[bytes] = []
    for _ in range(draw.randint(1, 8)):
        kind = draw.choice(("MSTORE", "MSTORE8", "MLOAD", *COPIES))
        if kind == "MLOAD":
            parts.append(asm(place(), "MLOAD", 0, "MSTORE"))
        elif kind in COPIES:
            parts.append(asm(size(), place(), place()) + COPIES[kind])
        else:
            parts.append(asm(draw.getrandbits(256), place(), kind))
    return b"".join(parts) + asm(b"\x59", 1_024, "MSTORE", 1_056, 0, "RETURN")


def run(code: bytes) -> CallResult:
    chain = Chain(alloc={CONTRACT: Account(code=code)})
    request = CallRequest(to=CONTRACT, data=bytes(range(1, 100)))
    return call(chain.config, chain.store, chain.head, request, GAS)


def test_they_do_and_cost_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    codes = [program(draw) for _ in range(PROGRAMS)]
    ours = [run(code) for code in codes]
    for name in ("extend_memory", "memory_write"):
        monkeypatch.delattr(PlainComputation, name)
    theirs = bound(PragueComputation.opcodes)[0x39]
    monkeypatch.setitem(InferenceComputation.opcodes, 0x39, theirs)
    for code, result in zip(codes, ours, strict=True):
        assert run(code) == result, code.hex()
    succeeded = sum(result.success for result in ours)
    assert PROGRAMS // 5 < succeeded < PROGRAMS
