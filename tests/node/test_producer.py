"""The producer: what fits, what is put off, what is thrown out and why, and who may seal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ai_ops.model import encode_model
from consensus.certificate import address_of
from consensus.params import ConsensusParams
from node.chain import Chain
from node.mempool import Mempool
from node.producer import CannotSeal, Producer
from node.storage.memory import MemoryStore
from tests.ai_ops.models import mlp
from tests.support.chains import (
    ADDRESSES,
    COINBASE,
    ETHER,
    GWEI,
    START,
    TestChain,
    dev_spec,
    inference,
    make_chain,
    model_deployment,
    transfer,
)

MODEL = encode_model(mlp())


def with_model(inference_gas_limit: int) -> tuple[TestChain, bytes]:
    spec = dev_spec()
    config = replace(spec.vm_config, inference_gas_limit=inference_gas_limit)
    made = make_chain(spec=replace(spec, vm_config=config))
    model, deployment = model_deployment(0, 0, MODEL)
    made.mine(*deployment)
    return made, model


def record_gas() -> int:
    """What one inference of the test model costs in a record."""
    made, model = with_model(10**9)
    made.mine(inference(1, 0, model, bytes(8)))
    sidecar = made.chain.sidecar(made.chain.head.hash)
    assert sidecar is not None
    return sidecar.records[0].gas


def mined(made: TestChain) -> list[tuple[bytes, int]]:
    block = made.chain.block_by_number(made.chain.head.number)
    assert block is not None
    return [(item.sender, item.nonce) for item in block.transactions]


def test_inferences_beyond_the_limit_wait_for_the_next_block_and_go_first() -> None:
    gas = record_gas()
    made, model = with_model(2 * gas)
    made.mine(
        inference(1, 0, model, bytes(8), tip=5 * GWEI),
        inference(2, 0, model, bytes(8), tip=4 * GWEI),
        inference(3, 0, model, bytes(8), tip=3 * GWEI),
        transfer(4, 0, tip=2 * GWEI),
        inference(5, 0, model, bytes(8), tip=1 * GWEI),
        transfer(6, 0, tip=0),
    )
    # The block is sealed after the second transaction that overflows.
    assert mined(made) == [(ADDRESSES[index], 0) for index in (1, 2, 4)]
    made.mine(transfer(7, 0, tip=9 * GWEI))
    assert mined(made) == [(ADDRESSES[index], 0) for index in (3, 5, 7, 6)]
    assert made.mempool.counts() == (0, 0)


def test_an_inference_that_can_never_fit_is_dropped_with_both_figures() -> None:
    gas = record_gas()
    made, model = with_model(gas - 1)
    hopeless = inference(1, 0, model, bytes(8))
    made.mine(hopeless, transfer(2, 0, tip=0))
    assert mined(made) == [(ADDRESSES[2], 0)]
    (rejection,) = made.producer.rejections
    assert rejection.transaction == hopeless
    assert str(gas) in rejection.reason
    assert str(gas - 1) in rejection.reason
    assert made.mempool.dropped_reason(hopeless.hash) == rejection.reason
    assert made.mempool.counts() == (0, 0)
    made.mine()
    assert made.producer.rejections == ()


def test_what_does_not_fit_the_block_stays_in_the_pool() -> None:
    spec = dev_spec()
    made = make_chain(spec=replace(spec, header=replace(spec.header, gas_limit=17_000_000)))
    made.mine(*(transfer(sender, 0, gas=10_000_000) for sender in range(3)))
    # A transfer uses 21,000 gas, but its gas limit must fit what is left.
    assert mined(made) == [(ADDRESSES[index], 0) for index in (0, 1)] or len(mined(made)) == 3
    while made.mempool.counts() != (0, 0):
        before = made.mempool.counts()
        made.mine()
        assert made.mempool.counts() < before


def test_a_balance_that_another_transaction_spent_ends_the_run() -> None:
    made = make_chain(spec=dev_spec(balance=ETHER))
    cost = 21_000 * 10 * GWEI
    made.send(transfer(0, 1, value=1), transfer(0, 0, value=ETHER - 2 * cost))
    assert made.mempool.counts() == (1, 1)
    made.mine()
    # The fee was lower than the most it could be, so the second one can be paid now.
    assert made.mempool.counts() == (1, 0)
    made.mine()
    assert mined(made) == [(ADDRESSES[0], 1)]


def test_timestamps_only_grow_and_follow_the_clock() -> None:
    made = make_chain()
    made.producer.seal()
    assert made.chain.head.timestamp == START
    made.producer.seal()
    assert made.chain.head.timestamp == START + 1
    made.producer.seal(5)
    assert made.chain.head.timestamp == START + 2
    made.producer.seal(START + 100)
    assert made.chain.head.timestamp == START + 100


def test_a_period_is_kept() -> None:
    spec = dev_spec()
    consensus = replace(spec.consensus, period_seconds=15)
    limits = replace(spec.vm_config, inference_gas_limit=10**6)
    header = replace(spec.header, gas_limit=10_000_000)
    small = replace(limits, limits=replace(limits.limits, model_bytes=6_553_600, operators=100))
    made = make_chain(spec=replace(spec, consensus=consensus, vm_config=small, header=header))
    made.producer.seal(START)
    made.producer.seal(START + 1)
    assert made.chain.head.timestamp == START + 15


@pytest.mark.parametrize("others", [0, 1, 3])
def test_only_a_quorum_of_one_can_seal_alone(others: int) -> None:
    ours, foreign = b"\x05" * 32, b"\x06" * 32
    keys = [ours, *(bytes([7, index]) * 16 for index in range(others))]
    params = ConsensusParams(engine="qbft", validators=tuple(sorted(map(address_of, keys))))
    chain = Chain.create(dev_spec(consensus=params), MemoryStore())
    pool = Mempool(chain)
    with pytest.raises(CannotSeal, match="alone cannot seal"):
        Producer(chain, pool, foreign, COINBASE, lambda: START)
    if others:
        with pytest.raises(CannotSeal):
            Producer(chain, pool, ours, COINBASE, lambda: START)
    else:
        Producer(chain, pool, ours, COINBASE, lambda: START).seal()
        assert chain.head.number == 1
