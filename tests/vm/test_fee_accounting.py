"""Every wei of every fee is somewhere: senders, payees, coinbase, or burned."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tests.ai_ops.models import mlp
from tests.support.chain import ADDRESSES, COINBASE, Chain
from tests.support.chain_models import caller, deploy, registry_call
from tests.support.inference import asm
from tests.support.inference_models import ROW, ranged
from vm.registry import calls
from vm.results import Account
from vm.transaction_rules import floor_gas

FEE = 7_000
SECOND_FEE = 90_001
PAYEE = b"\xfe" * 20
SECOND_PAYEE = ADDRESSES[2]  # a payee that also sends transactions
OK, REVERTS, HALTS, REFUNDS, OUTER, TWICE, QUIET = (bytes((0xC0 + i,)) * 20 for i in range(7))
CONTRACTS = (OK, REVERTS, HALTS, REFUNDS, OUTER, TWICE, QUIET)


def contracts(first: bytes, second: bytes) -> dict[bytes, Account]:
    infer = caller(first, 32, asm("POP"))
    again = asm(32, 0, ROW, 0, int.from_bytes(second, "big"), "INFER", "POP")
    call_reverting = asm(0, 0, ROW, 0, 0, int.from_bytes(REVERTS, "big"), 300_000, "CALL", "POP")
    toggle = asm(0, "SLOAD", "ISZERO", 0, "SSTORE")
    codes = {
        OK: infer + asm(1, 0, "SSTORE"),
        REVERTS: infer + asm(0, 0, "REVERT"),
        HALTS: infer + b"\xfe",
        REFUNDS: infer + toggle,
        OUTER: call_reverting + infer,
        TWICE: infer + again,
        QUIET: toggle,
    }
    return {address: Account(nonce=1, code=code) for address, code in codes.items()}


def charging_chain() -> Chain:
    models = (mlp(), ranged(-128, 127))
    probe = Chain()
    addresses = [deploy(probe, model) for model in models]
    chain = Chain(contracts(*addresses), fee_change_delay_blocks=1)
    for address, model, fee, payee in zip(
        addresses, models, (FEE, SECOND_FEE), (PAYEE, SECOND_PAYEE), strict=True
    ):
        assert deploy(chain, model) == address
        chain.must_mine(registry_call(chain, calls.SET_FEE, address, fee))
        chain.must_mine(registry_call(chain, calls.SET_PAYEE, address, payee))
    chain.must_mine()
    return chain


def random_call(chain: Chain, rng: random.Random) -> dict[str, Any]:
    padding = rng.choice((0, 0, 0, 200, 3_000))
    price: dict[str, Any] = {"gasPrice": rng.randrange(10**9, 5 * 10**9)}
    if rng.random() < 0.7:
        price = {"type": 2, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": rng.randrange(10**9)}
    data = bytes(ROW) + b"\x01" * padding
    least = 21_000 + 40 * padding + 10 * ROW
    return {
        "to": rng.choice(CONTRACTS),
        "data": data,
        "value": 0,
        "gas": least + rng.choice((rng.randrange(20_000), rng.randrange(200_000), 600_000)),
        **price,
    }


def test_500_random_transactions_add_up_to_the_wei() -> None:
    seed = 4_242
    print("seed", seed)
    rng = random.Random(seed)
    chain = charging_chain()
    everyone = (*ADDRESSES, *CONTRACTS, PAYEE, COINBASE)
    counts = {"credited": 0, "uncredited": 0, "floor": 0, "floor and credit": 0, "failed": 0}
    for _ in range(100):
        senders = rng.sample(range(1, 6), 5)
        before = {address: chain.balance(address) for address in everyone}
        fields = [random_call(chain, rng) for _ in senders]
        sent = [
            chain.transaction(sender, **call) for sender, call in zip(senders, fields, strict=True)
        ]
        result = chain.mine(*sent).result
        assert result.block.transactions == tuple(sent)
        header = result.block.header
        expected = dict(before)
        for transaction, receipt in zip(sent, result.receipts, strict=True):
            price = receipt.effective_gas_price
            paid = (receipt.gas_used + receipt.author_fee_gas) * price
            expected[transaction.sender] -= paid
            expected[COINBASE] += receipt.gas_used * (price - header.base_fee)
            assert receipt.gas_used + receipt.author_fee_gas <= transaction.gas_limit
            assert receipt.gas_used >= floor_gas(transaction)
            second = receipt.author_fee_gas // SECOND_FEE * SECOND_FEE
            assert (receipt.author_fee_gas - second) % FEE == 0
            expected[SECOND_PAYEE] += second * price
            expected[PAYEE] += (receipt.author_fee_gas - second) * price
            counts["credited"] += receipt.author_fee_gas > 0
            counts["failed"] += receipt.status == 0
            at_floor = receipt.gas_used == floor_gas(transaction)
            counts["floor and credit"] += at_floor and receipt.author_fee_gas > 0
            counts["floor"] += at_floor
            drew = transaction.to in (REVERTS, HALTS) and receipt.author_fee_gas == 0
            counts["uncredited"] += drew
        assert {address: chain.balance(address) for address in everyone} == expected
        burned = header.gas_used * header.base_fee
        assert sum(before.values()) - sum(expected.values()) == burned
        assert header.gas_used == sum(receipt.gas_used for receipt in result.receipts)
    print(counts)
    assert min(counts.values()) > 20


def run_one(chain: Chain, to: bytes, **fields: Any) -> Any:
    data = fields.pop("data", bytes(ROW))
    transaction = chain.transaction(1, to=to, data=data, **{"gas": 600_000, **fields})
    return chain.mine(transaction).result


def test_execution_gas_excludes_the_fee_and_a_revert_returns_it() -> None:
    chain = charging_chain()
    ok, reverted = run_one(chain, OK).receipts[0], run_one(chain, REVERTS).receipts[0]
    record = chain.blocks[-1].sidecar.records[0]
    assert (ok.author_fee_gas, reverted.author_fee_gas) == (FEE, 0)
    assert record.gas < reverted.gas_used < record.gas + 22_000
    halted = run_one(chain, HALTS).receipts[0]
    # A halt burns what is left in the frame; the drawn units go back to the sender.
    assert halted.gas_used == 600_000 - FEE
    assert halted.author_fee_gas == 0


def test_only_what_no_frame_reverted_is_credited() -> None:
    chain = charging_chain()
    before = chain.balance(PAYEE)
    receipt = run_one(chain, OUTER).receipts[0]
    assert len(chain.blocks[-1].sidecar.records) == 2
    assert receipt.author_fee_gas == FEE
    assert chain.balance(PAYEE) - before == FEE * receipt.effective_gas_price


@pytest.mark.parametrize("short", [0, 1])
def test_a_draw_leaves_the_calldata_floor_untouched(short: int) -> None:
    """The limit must cover floor and fee; one unit less halts before the model runs."""
    chain = charging_chain()
    data = bytes(ROW) + b"\x01" * 6_000
    floor = floor_gas(chain.transaction(1, to=OK, data=data, gas=600_000))
    result = run_one(chain, OK, data=data, gas=floor + FEE - short)
    receipt = result.receipts[0]
    assert receipt.status == 1 - short
    assert receipt.author_fee_gas == (0 if short else FEE)
    assert receipt.gas_used == floor + (FEE - 1 if short else 0)
    assert len(result.sidecar.records) == 1 - short


def test_a_payment_of_nothing_does_not_touch_the_payee() -> None:
    """At gas price zero the payee, absent from the state, stays absent."""
    chain = charging_chain()
    result = chain.call(sender=ADDRESSES[1], to=OK, data=bytes(ROW))
    assert result.success
    assert chain.balance(PAYEE) == 0
