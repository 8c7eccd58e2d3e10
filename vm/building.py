"""Building a block on a parent, and the genesis block on nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from ai_ops.executor import Cancellation
from vm.blobs import next_excess_blob_gas
from vm.block_run import BlockRun
from vm.blocks import Block, Header
from vm.config import VmConfig
from vm.database import KeyValueStore, Overlay
from vm.errors import InferenceLimitExceeded, InvalidTransaction
from vm.fees import approach_gas_limit, next_base_fee
from vm.fork import BlockHashOf
from vm.journal import AccountFields, JournaledState
from vm.records import Sidecar
from vm.results import Account, BlockContext, BlockResult, BuildResult, Rejection
from vm.transaction_rules import TRANSACTION_GAS
from vm.transactions import Transaction
from vm.trie import EMPTY_ROOT

MAX_ROLLED_BACK = 2


def build_block(
    config: VmConfig,
    store: KeyValueStore,
    parent: Header,
    context: BlockContext,
    candidates: Iterable[Transaction],
    *,
    block_hash_of: BlockHashOf | None = None,
    cancellation: Cancellation | None = None,
) -> BuildResult:
    """Execute candidates on ``parent`` until the block is full and return the sealed result.

    Parameters
    ----------
    config : VmConfig
    store : KeyValueStore
        Holds the parent's state; it is not written.
    parent : Header
    context : BlockContext
    candidates : iterable of Transaction
        Best first, each sender's in order of nonce; read lazily, so that a caller may stop early.
        Transactions deferred by the last block come first.
    block_hash_of : callable, optional
        From an ancestor's number to its hash; without it the history contract is read.
    cancellation : Cancellation, optional
        Abandons the block once another thread sets it: nothing follows for any candidate.

    Returns
    -------
    BuildResult
        A candidate that overflows the inference limit is rolled back and deferred; after the
        second one the block is sealed. One that overflows an empty block is rejected for good.

    Raises
    ------
    Cancelled
        When it was abandoned.
    """
    draft = draft_header(config, parent, context)
    run = BlockRun(config, store, parent, draft, block_hash_of=block_hash_of)
    run.state.inference.cancellation = cancellation
    rejected: list[Rejection] = []
    deferred: list[Transaction] = []
    for transaction in candidates:
        try:
            run.add(transaction)
        except InferenceLimitExceeded as error:
            if not run.transactions:
                rejected.append(_rejection(transaction, error, permanent=True))
                continue
            deferred.append(transaction)
            if len(deferred) == MAX_ROLLED_BACK:
                break
        except InvalidTransaction as error:
            rejected.append(_rejection(transaction, error, permanent=error.permanent))
        if run.gas_left < TRANSACTION_GAS:
            break
    result = run.finish(context.withdrawals)
    return BuildResult(result=result, rejected=tuple(rejected), deferred=tuple(deferred))


def draft_header(config: VmConfig, parent: Header, context: BlockContext) -> Header:
    """Return the header of the next block with everything that execution does not compute."""
    if context.timestamp <= parent.timestamp:
        raise ValueError(f"timestamp {context.timestamp} is not after {parent.timestamp}")
    return Header(
        parent_hash=parent.hash,
        coinbase=context.coinbase,
        state_root=parent.state_root,
        number=parent.number + 1,
        gas_limit=approach_gas_limit(config, parent, context.gas_limit),
        timestamp=context.timestamp,
        extra_data=context.extra_data,
        prev_randao=context.prev_randao,
        base_fee=next_base_fee(config, parent),
        excess_blob_gas=next_excess_blob_gas(
            config.blobs, parent.excess_blob_gas, parent.blob_gas_used
        ),
        parent_beacon_block_root=context.parent_beacon_block_root,
    )


def genesis_block(
    header: Header,
    alloc: Mapping[bytes, Account],
    chunks: Mapping[bytes, bytes] | None = None,
) -> BlockResult:
    """Return block 0: ``header`` with the state root of ``alloc``.

    Parameters
    ----------
    header : Header
        Every field but the state root as wished.
    alloc : mapping
        From 20-byte addresses to accounts.
    chunks : mapping, optional
        Content-addressed bytes (models, data objects) that the alloc's storage refers to.
    """
    overlay = Overlay(_EmptyStore())
    for key, value in (chunks or {}).items():
        overlay.put(key, value)
    journal = JournaledState(overlay, EMPTY_ROOT)
    for address, account in alloc.items():
        journal.set_account(address, AccountFields(nonce=account.nonce, balance=account.balance))
        if account.code:
            journal.set_code(address, account.code)
        for slot, word in account.storage.items():
            journal.set_storage(address, slot, word)
    journal.end_transaction()
    block = Block(header=replace(header, state_root=journal.commit_root()))
    return BlockResult(block=block, receipts=(), sidecar=Sidecar(), writes=overlay.writes)


class _EmptyStore:
    def get(self, key: bytes) -> bytes | None:  # noqa: ARG002
        return None


def _rejection(
    transaction: Transaction, error: InvalidTransaction, *, permanent: bool
) -> Rejection:
    return Rejection(transaction=transaction, reason=error.reason, permanent=permanent)
