"""Importing a block: header rules, execution, comparison, and the name of what differs."""

from __future__ import annotations

from vm.blobs import next_excess_blob_gas
from vm.block_run import BlockRun, withdrawals_root
from vm.blocks import EMPTY_OMMERS_HASH, Block, Header
from vm.config import VmConfig
from vm.database import KeyValueStore
from vm.errors import InvalidBlock, InvalidTransaction, SidecarMismatch
from vm.fees import gas_limit_bounds, next_base_fee
from vm.fork import BlockHashOf
from vm.records import Difference, Sidecar, first_difference
from vm.results import BlockResult
from vm.trie import ordered_root

MAX_EXTRA_DATA_BYTES = 32

# Compared after execution, in this order: the first that differs says most about the cause.
_EXECUTED_FIELDS = (
    "gas_used",
    "blob_gas_used",
    "receipts_root",
    "logs_bloom",
    "state_root",
    "requests_hash",
)


def import_block(
    config: VmConfig,
    store: KeyValueStore,
    parent: Header,
    block: Block,
    sidecar: Sidecar | None = None,
    *,
    block_hash_of: BlockHashOf | None = None,
) -> BlockResult:
    """Execute a block and return its result if every field of its header follows.

    Parameters
    ----------
    config : VmConfig
    store : KeyValueStore
        Holds the parent's state; it is not written.
    parent : Header
    block : Block
    sidecar : Sidecar, optional
        What the carrier says the block's inferences were. It never decides validity.
    block_hash_of : callable, optional
        From an ancestor's number to its hash; without it the history contract is read.

    Raises
    ------
    InvalidBlock
        Naming the rule or field, and for inferences the transaction, call and step.
    SidecarMismatch
        When the block is valid and the sidecar is not the one it commits to.
    LocalFault
        When this machine could not run the block.
    """
    check_header(config, parent, block.header)
    check_body(block)
    run = BlockRun(config, store, parent, block.header, block_hash_of=block_hash_of)
    for index, transaction in enumerate(block.transactions):
        try:
            run.add(transaction)
        except InvalidTransaction as error:
            raise InvalidBlock(error.reason, transaction=index) from error
    result = run.finish(block.withdrawals)
    compare(block.header, result)
    difference = first_difference(result.sidecar, sidecar) if sidecar is not None else None
    if difference is not None:
        raise _mismatch(difference)
    return result


def check_header(config: VmConfig, parent: Header, header: Header) -> None:
    """Check what follows from the parent's header alone; raises InvalidBlock."""
    lowest, highest = gas_limit_bounds(config, parent)
    if not lowest <= header.gas_limit <= highest:
        raise InvalidBlock(
            f"gas_limit {header.gas_limit} is outside the bounds {lowest} to {highest}"
        )
    if header.timestamp <= parent.timestamp:
        raise InvalidBlock(
            f"timestamp {header.timestamp} is not after the parent's {parent.timestamp}"
        )
    if len(header.extra_data) > MAX_EXTRA_DATA_BYTES:
        raise InvalidBlock(f"extra_data has {len(header.extra_data)} bytes, at most 32 allowed")
    if header.gas_used > header.gas_limit:
        raise InvalidBlock(f"gas_used {header.gas_used} exceeds gas_limit {header.gas_limit}")
    excess = next_excess_blob_gas(config.blobs, parent.excess_blob_gas, parent.blob_gas_used)
    expected: dict[str, bytes | int] = {
        "parent_hash": parent.hash,
        "ommers_hash": EMPTY_OMMERS_HASH,
        "difficulty": 0,
        "nonce": bytes(8),
        "number": parent.number + 1,
        "base_fee": next_base_fee(config, parent),
        "excess_blob_gas": excess,
    }
    for name, value in expected.items():
        _require(name, getattr(header, name), value)


def check_body(block: Block) -> None:
    """Check that the header commits to the body; raises InvalidBlock."""
    transactions = ordered_root(transaction.raw for transaction in block.transactions)
    _require("transactions_root", block.header.transactions_root, transactions)
    _require("withdrawals_root", block.header.withdrawals_root, withdrawals_root(block.withdrawals))


def compare(claimed: Header, result: BlockResult) -> None:
    """Compare a header with what execution computed; raises InvalidBlock at the first mismatch."""
    for name in _EXECUTED_FIELDS:
        ours, theirs = getattr(result.block.header, name), getattr(claimed, name)
        if ours == theirs:
            continue
        reason = f"{name} mismatch: header {_shown(theirs)}, execution {_shown(ours)}"
        raise InvalidBlock(reason)


def _require(name: str, claimed: bytes | int, expected: bytes | int) -> None:
    if claimed != expected:
        raise InvalidBlock(
            f"{name} mismatch: header {_shown(claimed)}, expected {_shown(expected)}"
        )


def _shown(value: bytes | int) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)


def _mismatch(difference: Difference) -> SidecarMismatch:
    return SidecarMismatch(
        f"sidecar does not match its block: {difference.what}",
        transaction=difference.transaction_index,
        call=difference.call_index,
        step=difference.step,
    )
