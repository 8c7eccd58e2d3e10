"""eth_call and eth_estimateGas answer as geth does."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.chain import ADDRESSES, CAP, RICH, Chain
from tests.support.inference import asm
from vm.errors import CallFailed
from vm.results import Account

CONTRACT, INNER = b"\xc0" * 20, b"\xc1" * 20
POOR = b"\x99" * 20
ERROR = bytes.fromhex("08c379a0") + bytes(28)
REVERT = asm(int.from_bytes(ERROR, "big"), 0, "MSTORE", 32, 0, "REVERT")
RETURN_CONTEXT = b"\x48" + asm(0, "MSTORE") + b"\x3a" + asm(32, "MSTORE", 64, 0, "RETURN")


def chain_with(code: bytes, **changes: Any) -> Chain:
    return Chain({CONTRACT: Account(nonce=1, code=code)}, **{"ai": False, **changes})


def test_a_call_needs_no_money_and_changes_nothing() -> None:
    chain = chain_with(asm(1, 0, "SSTORE", "CALLER", 0, "MSTORE", 32, 0, "RETURN"))
    before = dict(chain.store)
    result = chain.call(sender=POOR, to=CONTRACT)
    assert result.success
    assert result.output == POOR.rjust(32, b"\x00")
    assert result.gas_used > 21_000 + 22_100
    assert chain.store == before


def test_without_fees_the_base_fee_reads_as_zero() -> None:
    chain = chain_with(RETURN_CONTEXT)
    base_fee, price = 0, 0
    free = chain.call(to=CONTRACT).output
    assert free == base_fee.to_bytes(32, "big") + price.to_bytes(32, "big")
    paid = chain.call(sender=ADDRESSES[0], to=CONTRACT, max_fee=10**10, gas=100_000).output
    assert int.from_bytes(paid[:32], "big") == chain.head.base_fee
    assert int.from_bytes(paid[32:], "big") == chain.head.base_fee


FAILURES: list[tuple[bytes, str]] = [
    (REVERT, "execution reverted"),
    (b"\x5b\x5f\x56", "out of gas"),
    (b"\x01", "stack underflow"),
    (b"\xfe", "invalid opcode"),
    (b"\x60\x07\x56", "invalid jump destination"),
    (b"\x5b\x5f" * 1 + b"\x5f" * 1025, "stack limit reached 1024"),
    (b"\x60\x01\x5f\x5f\x3e", "return data out of bounds"),
]


@pytest.mark.parametrize(("code", "error"), FAILURES)
def test_failures_are_named_as_geth_names_them(code: bytes, error: str) -> None:
    chain = chain_with(code)
    result = chain.call(to=CONTRACT, gas=100_000)
    assert not result.success
    assert result.error == error
    assert result.output == (ERROR if error == "execution reverted" else b"")


def test_a_call_that_cannot_start_says_so() -> None:
    chain = chain_with(b"")
    cases: list[tuple[dict[str, Any], str]] = [
        ({"sender": POOR, "to": CONTRACT, "value": 1}, "insufficient funds for gas"),
        ({"sender": POOR, "to": CONTRACT, "max_fee": 10**10}, "insufficient funds for gas"),
        ({"to": CONTRACT, "gas": 20_000}, "intrinsic gas too low: have 20000, want 21000"),
        ({"to": CONTRACT, "max_fee": 1}, "less than block base fee"),
        ({"to": CONTRACT, "max_fee": 1, "max_priority_fee": 2}, "higher than max fee"),
        ({"data": b"\x00" * 49_153}, "max initcode size exceeded"),
        ({"to": CONTRACT, "data": b"\x01" * 500, "gas": 30_000}, "floor data gas"),
    ]
    for fields, message in cases:
        with pytest.raises(CallFailed, match=message):
            chain.call(**fields)


def test_the_gas_cap_binds() -> None:
    chain = chain_with(asm("GAS", 0, "MSTORE", 32, 0, "RETURN"))
    left = int.from_bytes(chain.call(to=CONTRACT, gas=10**12).output, "big")
    assert CAP - 21_100 < left < CAP - 21_000


def test_contract_creation_can_be_simulated() -> None:
    chain = chain_with(b"")
    initcode = asm(0x6001, 0, "MSTORE", 2, 30, "RETURN")
    result = chain.call(sender=ADDRESSES[0], data=initcode)
    assert result.success
    assert result.output == b"\x60\x01"
    gas = chain.estimate(sender=ADDRESSES[0], data=initcode)
    chain.must_mine(chain.transaction(0, to=b"", data=initcode, gas=gas))


def test_estimates_of_transfers_are_exact() -> None:
    chain = chain_with(b"")
    assert chain.estimate(sender=ADDRESSES[0], to=POOR, value=1) == 21_000
    assert chain.estimate(sender=POOR, to=ADDRESSES[0]) == 21_000


# A call that keeps 1/64 back, and one that takes a refund: gas used is not enough for either.
SUBCALL = asm(0, 0, 0, 0, 0, int.from_bytes(INNER, "big"), "GAS", "CALL")
CLEARS = asm(0, 0, "SSTORE", 0, 1, "SSTORE", 0, 2, "SSTORE")


def test_estimates_suffice_and_are_close() -> None:
    inner = Account(nonce=1, code=asm(1, 0, "SSTORE", 1, 1, "SSTORE"))
    contract = Account(nonce=1, code=SUBCALL + asm("POP"), storage={})
    clearing = Account(nonce=1, code=CLEARS, storage={0: 1, 1: 1, 2: 1})
    chain = Chain({CONTRACT: contract, INNER: inner, b"\xc2" * 20: clearing}, ai=False)
    for to in (CONTRACT, b"\xc2" * 20, INNER):
        gas = chain.estimate(sender=ADDRESSES[0], to=to)
        receipt = chain.must_mine(chain.transaction(0, to=to, gas=gas)).receipts[0]
        assert receipt.gas_used <= gas


def test_an_estimate_of_a_revert_carries_its_data() -> None:
    chain = chain_with(REVERT)
    with pytest.raises(CallFailed) as error:
        chain.estimate(to=CONTRACT)
    assert (error.value.reverted, error.value.output) == (True, ERROR)
    assert error.value.reason == "execution reverted"


def test_an_estimate_says_when_no_gas_is_enough() -> None:
    chain = chain_with(b"\x5b\x5f\x56")
    with pytest.raises(CallFailed, match=r"gas required exceeds allowance \(70000\)"):
        chain.estimate(to=CONTRACT, gas=70_000)
    with pytest.raises(CallFailed, match="invalid opcode"):
        chain_with(b"\xfe").estimate(to=CONTRACT)


def test_an_estimate_with_fees_is_bounded_by_the_balance() -> None:
    chain = Chain({POOR: Account(balance=30_000 * 10**10)}, ai=False)
    fields = {"sender": POOR, "to": ADDRESSES[0], "max_fee": 10**10}
    assert chain.estimate(**fields) == 21_000
    with pytest.raises(CallFailed, match=r"gas required exceeds allowance \(30000\)|intrinsic"):
        chain.estimate(**fields, data=b"\x01" * 2_000)
    with pytest.raises(CallFailed, match="insufficient funds for transfer"):
        chain.estimate(**fields, value=RICH)


def test_the_transaction_cap_bounds_an_estimate() -> None:
    loop = b"\x5b\x5f\x56"
    with pytest.raises(CallFailed, match=r"allowance \(100000\)"):
        chain_with(loop, transaction_gas_cap=100_000).estimate(to=CONTRACT)
