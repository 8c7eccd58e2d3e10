"""The figures of the genesis checks against what such transactions really take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ai_ops import merkle
from genesis.build import build_genesis
from genesis.checks import create_gas, full_chunk_gas
from genesis.errors import InvalidSpec
from genesis.spec import ChainSpec, template
from tests.support.chain import ADDRESSES, Chain
from tests.support.chain_models import registry_call
from vm.registry import calls
from vm.registry.layout import model_address
from vm.transactions import Transaction

# No zero byte: the dearest call data.
CHUNK = b"\x5a" * merkle.CHUNK_BYTES
CHUNKS = 200
SPEC = template("devnet")


def gas_of(chain: Chain, transaction: Transaction) -> int:
    (receipt,) = chain.must_mine(transaction).receipts
    return receipt.gas_used


def test_creation_and_full_chunks_take_no_more_than_is_checked() -> None:
    limits = replace(SPEC.vm_config.limits, model_bytes=merkle.CHUNK_BYTES * CHUNKS)
    spec = replace(SPEC, vm_config=replace(SPEC.vm_config, limits=limits))
    digests = (merkle.leaf_digest(CHUNK),) * CHUNKS
    model_id = merkle.merkle_root(digests)
    header = calls.model_header(model_id, limits.model_bytes, digests)
    model = model_address(ADDRESSES[0], model_id)
    chain = Chain(limits=limits)
    created = gas_of(chain, registry_call(chain, calls.CREATE_MODEL, header))
    assert created <= create_gas(spec) < created + 500_000
    put = gas_of(chain, registry_call(chain, calls.PUT_CHUNK, model, CHUNKS - 1, CHUNK))
    data = gas_of(chain, registry_call(chain, calls.PUT_DATA, CHUNK[:-1] + b"\x01"))
    assert put < data <= full_chunk_gas(spec) < data + 500_000


def with_rules(**rules: Any) -> ChainSpec:
    return replace(SPEC, vm_config=replace(SPEC.vm_config, **rules))


def test_a_chunk_that_does_not_fit_a_transaction_is_refused() -> None:
    need = full_chunk_gas(SPEC)
    limits = replace(SPEC.vm_config.limits, model_bytes=1, operators=1)
    build_genesis(with_rules(transaction_gas_cap=need, limits=limits))
    with pytest.raises(InvalidSpec, match=f"takes up to {need} gas"):
        build_genesis(with_rules(transaction_gas_cap=need - 1, limits=limits))


def test_a_delay_that_no_block_number_holds_is_refused() -> None:
    build_genesis(with_rules(fee_change_delay_blocks=2**63 - 1))
    with pytest.raises(InvalidSpec, match=r"fee_change_delay_blocks is below 2\^63"):
        build_genesis(with_rules(fee_change_delay_blocks=2**63))
