"""Block 0: the header that a spec chooses over the state of its alloc."""

from __future__ import annotations

from typing import Final

from consensus.params import validators_hash
from genesis.alloc import INFERENCE_STUBS, SYSTEM_CONTRACTS
from genesis.checks import check_spec
from genesis.errors import InvalidSpec
from genesis.spec import ChainSpec
from vm.blocks import ZERO_HASH, Header
from vm.transition import Account, BlockResult, genesis_block


def build_genesis(spec: ChainSpec) -> BlockResult:
    """Return block 0 of a chain, with everything its state adds to an empty store.

    Raises
    ------
    InvalidSpec
        When the spec fails a genesis check, or names an account that the chain reserves.
    """
    check_spec(spec)
    chosen = spec.header
    consensus = spec.consensus
    header = Header(
        parent_hash=ZERO_HASH,
        coinbase=chosen.coinbase,
        state_root=ZERO_HASH,  # computed by genesis_block
        difficulty=chosen.difficulty,
        number=0,
        gas_limit=chosen.gas_limit,
        timestamp=chosen.timestamp,
        extra_data=(
            validators_hash(consensus.validators) if consensus.sealed else chosen.extra_data
        ),
        prev_randao=chosen.prev_randao,
        nonce=chosen.nonce,
        base_fee=chosen.base_fee,
        blob_gas_used=chosen.blob_gas_used,
        excess_blob_gas=chosen.excess_blob_gas,
        parent_beacon_block_root=chosen.parent_beacon_block_root,
    )
    return genesis_block(header, complete_alloc(spec))


MAXIMUM_WEI: Final = 2**256 - 1


def complete_alloc(spec: ChainSpec) -> dict[bytes, Account]:
    """Return the spec's accounts with the system contracts and, with AI, the two stubs.

    A spec without consensus may name the system contracts itself, as files of other clients do.

    Raises
    ------
    InvalidSpec
        When the alloc gives a reserved address other code, writes into the registry, or hands out
        more wei than a balance can hold: sums of balances must not overflow later.
    """
    reserved = dict(SYSTEM_CONTRACTS)
    if spec.vm_config.ai:
        reserved.update(INFERENCE_STUBS)
    accounts = dict(spec.alloc)
    for address, account in reserved.items():
        named = accounts.setdefault(address, account)
        if named.code != account.code:
            raise InvalidSpec(
                f"alloc.0x{address.hex()} is a system contract; leave it out", "E-GENESIS-003"
            )
        if address in INFERENCE_STUBS and spec.vm_config.ai and named.storage:
            raise InvalidSpec(
                f"alloc.0x{address.hex()} has storage; the registry's words are its own to write",
                "E-GENESIS-003",
            )
    if (total := sum(account.balance for account in accounts.values())) > MAXIMUM_WEI:
        raise InvalidSpec(
            f"alloc hands out {total} wei, more than the {MAXIMUM_WEI} that a balance can hold"
        )
    return {address: accounts[address] for address in sorted(accounts)}
