"""The pool: geth's rules and words, caps that hold, and equality with a naive model."""

from __future__ import annotations

import itertools
import time

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from node.mempool import Mempool, PoolLimits
from node.pool_errors import PoolError
from tests.support.chains import (
    ADDRESSES,
    ETHER,
    GWEI,
    START,
    TestChain,
    dev_spec,
    make_chain,
    transfer,
)
from vm.transactions import Transaction

COST = 21_000 * 10 * GWEI + 1


def refused(mempool: Mempool, transaction: Transaction) -> str:
    before = (mempool.content(), mempool.counts())
    with pytest.raises(PoolError) as caught:
        mempool.add(transaction, START)
    assert (mempool.content(), mempool.counts()) == before
    assert caught.value.code == -32000
    return caught.value.message


def test_a_transaction_waits_is_mined_and_is_gone() -> None:
    made = make_chain()
    first, second = transfer(0, 0), transfer(0, 1)
    made.send(second)
    assert made.mempool.counts() == (0, 1)
    made.send(first)
    assert made.mempool.counts() == (2, 0)
    assert made.mempool.pending(ADDRESSES[0]) == (first, second)
    assert made.mempool.next_nonce(ADDRESSES[0]) == 2
    assert made.mempool.get(first.hash) == first
    made.mine()
    assert made.mempool.counts() == (0, 0)
    assert made.mempool.get(first.hash) is None
    assert made.mempool.next_nonce(ADDRESSES[0]) == 2
    assert made.chain.transaction(second.hash) == (made.chain.head.hash, 1)


@pytest.mark.parametrize(
    ("transaction", "message"),
    [
        (transfer(0, 0, chain_id=1), "invalid chain id for signer: have 1 want 31337"),
        (transfer(0, 0, gas=20_999), "intrinsic gas too low: have 20999, want 21000"),
        (
            transfer(0, 0, gas=2**24 + 1),
            "transaction gas limit too high (cap: 16777216, tx: 16777217)",
        ),
        (
            transfer(0, 0, fee=1, tip=2),
            (
                "max priority fee per gas higher than max fee per gas: "
                "maxPriorityFeePerGas: 2, maxFeePerGas: 1"
            ),
        ),
        (
            transfer(0, 0, value=1_000 * ETHER),
            (
                "insufficient funds for gas * price + value: balance 1000000000000000000000, "
                "tx cost 1000000210000000000000, overshot 210000000000000"
            ),
        ),
        (
            transfer(0, 0, fee=2**255, tip=2**255),
            (
                "insufficient funds for gas * price + value: balance 1000000000000000000000, "
                f"tx cost {21_000 * 2**255 + 1}, overshot {21_000 * 2**255 + 1 - 1_000 * ETHER}"
            ),
        ),
        (
            transfer(0, 0, data=bytes(131_072), gas=2**24),
            "oversized data: transaction size 131191, limit 131072",
        ),
        (
            transfer(0, 0, to=None, data=bytes(49_153), gas=2**24),
            "max initcode size exceeded: code size 49153 limit 49152",
        ),
    ],
)
def test_refusals_in_geths_words(transaction: Transaction, message: str) -> None:
    assert refused(make_chain().mempool, transaction) == message


def test_a_full_chunk_fits() -> None:
    made = make_chain()
    made.send(transfer(0, 0, data=b"\xff" * (65_536 + 200), gas=16_000_000))
    assert made.mempool.counts() == (1, 0)


def test_refusals_that_depend_on_the_pool() -> None:
    made = make_chain()
    made.mine(transfer(0, 0))
    known = transfer(0, 1)
    made.send(known)
    assert refused(made.mempool, known) == "already known"
    assert refused(made.mempool, transfer(0, 0)) == "nonce too low: next nonce 1, tx nonce 0"


@pytest.mark.parametrize(
    ("fee", "tip", "taken"),
    [
        (11, 11, True), (11, 10, False), (10, 11, False), (10, 10, False),
        (10.99, 11, False), (11, 10.99, False), (100, 100, True),
    ],
)  # fmt: skip
def test_a_replacement_raises_both_fees_by_a_tenth(fee: float, tip: float, taken: bool) -> None:
    made = make_chain()
    old = transfer(0, 0, fee=10 * GWEI, tip=10 * GWEI)
    made.send(old)
    new_fee, new_tip = int(fee * GWEI), int(tip * GWEI)
    if new_tip > new_fee:
        return
    new = transfer(0, 0, fee=new_fee, tip=new_tip, value=2)
    if taken:
        made.send(new)
        assert made.mempool.pending(ADDRESSES[0]) == (new,)
        assert made.mempool.dropped_reason(old.hash) is not None
        assert made.mempool.counts() == (1, 0)
    else:
        assert refused(made.mempool, new) == "replacement transaction underpriced"


def test_the_same_nonce_a_thousand_times_keeps_one() -> None:
    made = make_chain()
    fee = GWEI
    for value in range(100):
        made.send(transfer(0, 0, fee=fee, tip=fee, value=value))
        fee = fee * 11 // 10 + 1
    assert made.mempool.counts() == (1, 0)


def test_only_the_affordable_prefix_is_admitted() -> None:
    made = make_chain(spec=dev_spec(balance=3 * COST))
    made.send(*(transfer(0, nonce) for nonce in range(3)))
    message = refused(made.mempool, transfer(0, 3))
    assert message == (
        f"insufficient funds for gas * price + value: balance {3 * COST}, "
        f"queued cost {3 * COST}, tx cost {COST}, overshot {COST}"
    )
    # Behind a gap each alone must be affordable, but the run never exceeds the balance.
    made.send(transfer(0, 4), transfer(0, 5))
    assert made.mempool.counts() == (3, 2)


def test_a_gap_that_closes_beyond_the_balance_leaves_the_rest_queued() -> None:
    made = make_chain(spec=dev_spec(balance=2 * COST))
    made.send(transfer(0, 1), transfer(0, 2), transfer(0, 0))
    assert made.mempool.counts() == (2, 1)
    assert made.mempool.next_nonce(ADDRESSES[0]) == 2


def test_the_best_tip_is_first_and_nonces_stay_in_order() -> None:
    made = make_chain()
    made.send(
        transfer(0, 0, tip=1 * GWEI), transfer(0, 1, tip=9 * GWEI),
        transfer(1, 0, tip=5 * GWEI), transfer(2, 0, tip=5 * GWEI),
        transfer(3, 0, fee=GWEI // 2, tip=GWEI // 2),
    )  # fmt: skip
    order = [(item.sender, item.nonce) for item in made.mempool.candidates(GWEI)]
    assert order == [
        (ADDRESSES[1], 0), (ADDRESSES[2], 0), (ADDRESSES[0], 0), (ADDRESSES[0], 1),
    ]  # fmt: skip
    assert made.mempool.has_candidates(GWEI)
    assert not made.mempool.has_candidates(11 * GWEI)


def test_deferred_transactions_are_tried_first_until_mined() -> None:
    made = make_chain()
    cheap, dear = transfer(0, 0, tip=0), transfer(1, 0, tip=9 * GWEI)
    made.send(cheap, dear)
    made.mempool.defer(cheap.hash)
    assert list(made.mempool.candidates(GWEI)) == [cheap, dear]
    made.mine()
    assert made.mempool.counts() == (0, 0)


def test_a_flood_behind_gaps_moves_no_pending_transaction() -> None:
    made = make_chain(limits=PoolLimits(total_slots=40, queued_slots=20, account_queued=64))
    pending = [transfer(sender, 0, tip=1) for sender in range(30)]
    made.send(*pending)
    for nonce in range(2, 12):
        made.send(transfer(39, nonce, fee=100 * GWEI, tip=100 * GWEI))
    for nonce in range(12, 40):
        flood = transfer(39, nonce, fee=100 * GWEI, tip=100 * GWEI)
        assert refused(made.mempool, flood) == "txpool is full"
    assert made.mempool.counts() == (30, 10)
    made.send(*(transfer(sender, 0, tip=1) for sender in range(30, 39)))
    assert made.mempool.counts() == (39, 1)


def test_the_cheapest_tail_leaves_a_full_pool() -> None:
    made = make_chain(limits=PoolLimits(total_slots=4))
    made.send(
        transfer(0, 0, tip=3 * GWEI), transfer(0, 1, tip=1 * GWEI),
        transfer(1, 0, tip=2 * GWEI), transfer(2, 0, tip=4 * GWEI),
    )  # fmt: skip
    assert refused(made.mempool, transfer(3, 0, tip=GWEI)) == "transaction underpriced"
    made.send(transfer(3, 0, tip=2 * GWEI))
    assert made.mempool.next_nonce(ADDRESSES[0]) == 1
    # Accounts 1 and 3 tip the same, and the later one leaves; 0's tail is now its dearer first.
    made.send(transfer(4, 0, tip=5 * GWEI))
    assert [len(made.mempool.pending(ADDRESSES[index])) for index in range(5)] == [1, 1, 1, 0, 1]
    # A sender does not push out its own.
    full = make_chain(limits=PoolLimits(total_slots=2))
    full.send(transfer(0, 0, tip=1), transfer(0, 1, tip=1))
    assert refused(full.mempool, transfer(0, 2, tip=9 * GWEI)) == "txpool is full"


def test_large_transactions_take_more_room() -> None:
    made = make_chain(limits=PoolLimits(total_slots=4))
    made.send(*(transfer(sender, 0, tip=sender) for sender in range(4)))
    made.send(transfer(5, 0, data=bytes(70_000), gas=1_000_000, tip=GWEI))
    assert made.mempool.counts() == (2, 0)
    assert made.mempool.pending(ADDRESSES[3])


def test_account_caps() -> None:
    made = make_chain(limits=PoolLimits(account_transactions=5, account_queued=2))
    made.send(transfer(0, 2), transfer(0, 3))
    assert refused(made.mempool, transfer(0, 4)) == "account limit exceeded"
    made.send(*(transfer(1, nonce) for nonce in range(5)))
    assert refused(made.mempool, transfer(1, 5)) == "account limit exceeded"


def test_what_waits_too_long_behind_a_gap_expires() -> None:
    made = make_chain()
    stale, fresh = transfer(0, 1), transfer(1, 0)
    made.send(stale, fresh)
    assert made.mempool.expire(START + 3 * 3_600) == 0
    assert made.mempool.expire(START + 3 * 3_600 + 1) == 1
    assert made.mempool.counts() == (1, 0)
    assert "expired" in (made.mempool.dropped_reason(stale.hash) or "")


def test_clear_and_drop() -> None:
    made = make_chain()
    made.send(transfer(0, 0), transfer(0, 1), transfer(1, 0))
    made.mempool.drop(transfer(0, 0).hash, "because")
    assert made.mempool.dropped_reason(transfer(0, 0).hash) == "because"
    assert made.mempool.counts() == (1, 1)
    made.mempool.clear()
    assert made.mempool.counts() == (0, 0)
    made.send(transfer(0, 0))
    assert made.mempool.dropped_reason(transfer(0, 0).hash) is None


def test_subscribers_hear_of_what_can_be_mined() -> None:
    made = make_chain()
    heard: list[int] = []
    stop = made.mempool.subscribe_pending(lambda item: heard.append(item.nonce))
    made.send(transfer(0, 1))
    assert heard == []
    made.send(transfer(0, 0))
    made.send(transfer(0, 0, fee=20 * GWEI, tip=20 * GWEI))
    assert heard == [0, 1, 0]
    stop()
    made.send(transfer(1, 0))
    assert heard == [0, 1, 0]


def test_a_burst_of_two_thousand_is_quick() -> None:
    made = make_chain()
    burst = [transfer(index % 20, index // 20) for index in range(2_000)]
    started = time.process_time()
    made.send(*burst)
    assert time.process_time() - started < 5.0
    assert made.mempool.counts() == (2_000, 0)
    assert len(list(made.mempool.candidates(GWEI))) == 2_000


# ---------------------------------------------------------------- against a naive model

TIPS = st.sampled_from([0, 1, 10, 11, 12, 100])
NUMBERS = itertools.count()


class NaivePool:
    """The same rules, written as slow and as plainly as possible; no room limits."""

    def __init__(self, balance: int) -> None:
        self.balance = dict.fromkeys(range(3), balance)
        self.nonce = dict.fromkeys(range(3), 0)
        self.pooled: dict[tuple[int, int], Transaction] = {}

    def run(self, sender: int) -> list[Transaction]:
        run: list[Transaction] = []
        spent = 0
        while (item := self.pooled.get((sender, self.nonce[sender] + len(run)))) is not None:
            spent += item.gas_limit * item.max_fee + item.value
            if spent > self.balance[sender]:
                break
            run.append(item)
        return run

    def admits(self, sender: int, item: Transaction) -> bool:
        cost = item.gas_limit * item.max_fee + item.value
        old = self.pooled.get((sender, item.nonce))
        if item.nonce < self.nonce[sender] or cost > self.balance[sender]:
            return False
        if old is not None and (
            item.max_fee <= old.max_fee
            or item.max_priority_fee <= old.max_priority_fee
            or item.max_fee < old.max_fee * 110 // 100
            or item.max_priority_fee < old.max_priority_fee * 110 // 100
        ):
            return False
        run = self.run(sender)
        if item.nonce > self.nonce[sender] + len(run):
            return True
        others = [other for other in run if other.nonce != item.nonce]
        spent = sum(other.gas_limit * other.max_fee + other.value for other in others)
        return spent + cost <= self.balance[sender]


class PoolMachine(RuleBasedStateMachine):
    """Random additions, drops and blocks on the pool and on the naive one."""

    def __init__(self) -> None:
        super().__init__()
        self.made: TestChain = make_chain(spec=dev_spec(balance=12 * COST))
        self.naive = NaivePool(12 * COST)

    @rule(
        sender=st.integers(0, 2),
        ahead=st.integers(-1, 6),
        tip=TIPS,
        value=st.sampled_from([0, COST, 5 * COST]),
    )
    def add(self, sender: int, ahead: int, tip: int, value: int) -> None:
        nonce = max(0, self.naive.nonce[sender] + ahead)
        fee = 10 * GWEI + tip
        item = transfer(sender, nonce, fee=fee, tip=tip, value=value + next(NUMBERS) % 7)
        if self.made.mempool.get(item.hash) is not None:
            return
        expected = self.naive.admits(sender, item)
        try:
            self.made.mempool.add(item, START)
            admitted = True
        except PoolError:
            admitted = False
        assert admitted == expected
        if admitted:
            self.naive.pooled[sender, nonce] = item

    @rule(pick=st.integers(0, 30))
    def drop(self, pick: int) -> None:
        names = sorted(self.naive.pooled)
        if names:
            name = names[pick % len(names)]
            self.made.mempool.drop(self.naive.pooled.pop(name).hash, "test")

    @rule()
    def mine(self) -> None:
        self.made.mine()
        block = self.made.chain.block_by_number(self.made.chain.head.number)
        receipts = self.made.chain.receipts(self.made.chain.head.hash)
        assert block is not None
        assert receipts is not None
        for item, receipt in zip(block.transactions, receipts, strict=True):
            sender = ADDRESSES.index(item.sender)
            assert self.naive.pooled.pop((sender, item.nonce)) == item
            self.naive.nonce[sender] += 1
            self.naive.balance[sender] -= item.value + 21_000 * receipt.effective_gas_price

    @invariant()
    def same_content(self) -> None:
        content = self.made.mempool.content()
        for sender in range(3):
            run = self.naive.run(sender)
            address = ADDRESSES[sender]
            assert list(content.pending.get(address, ())) == run
            assert self.made.mempool.next_nonce(address) == self.naive.nonce[sender] + len(run)
            waiting = [
                item
                for (owner, nonce), item in sorted(self.naive.pooled.items())
                if owner == sender and nonce >= self.naive.nonce[sender] + len(run)
            ]
            assert list(content.queued.get(address, ())) == waiting
        pending = sum(len(self.naive.run(sender)) for sender in range(3))
        assert self.made.mempool.counts() == (pending, len(self.naive.pooled) - pending)


PoolMachine.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
TestPoolMachine = PoolMachine.TestCase
