"""Importing a block: header rules, execution, comparison, and the name of what differs."""

from __future__ import annotations

import logging

from ai_ops.backends.reference import ReferenceBackend
from ai_ops.executor import Cancellation
from vm.ahead import Runner, results_ahead
from vm.blobs import next_excess_blob_gas
from vm.block_run import BlockRun, withdrawals_root
from vm.blocks import EMPTY_OMMERS_HASH, Block, Header
from vm.config import VmConfig
from vm.database import KeyValueStore
from vm.errors import InvalidBlock, InvalidTransaction, SidecarMismatch
from vm.fees import gas_limit_bounds, next_base_fee
from vm.fork import BlockHashOf
from vm.inference import InferenceLedger
from vm.models import ModelStore
from vm.records import (
    REQUEST_TYPE,
    Sidecar,
    first_difference,
    first_inconsistency,
    inference_request,
)
from vm.requests import requests_hash
from vm.results import BlockResult
from vm.trie import ordered_root

MAX_EXTRA_DATA_BYTES = 32

_log = logging.getLogger(__name__)

# Compared after execution. The first that differs is named: the others mostly follow from it.
_EXECUTED_FIELDS = (
    "requests_hash",
    "gas_used",
    "blob_gas_used",
    "receipts_root",
    "logs_bloom",
    "state_root",
)


def import_block(
    config: VmConfig,
    store: KeyValueStore,
    parent: Header,
    block: Block,
    sidecar: Sidecar | None = None,
    *,
    block_hash_of: BlockHashOf | None = None,
    run_ahead: Runner | None = None,
    cancellation: Cancellation | None = None,
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
    run_ahead : Runner, optional
        Runs what the sidecar announces before the transactions; changes no result.
    cancellation : Cancellation, optional
        Abandons the block once another thread sets it.

    Raises
    ------
    InvalidBlock
        Naming the rule or field, and for inferences the transaction, call and step.
    SidecarMismatch
        When the block is valid and the sidecar is not the one it commits to.
    LocalFault
        When this machine could not run the block.
    Cancelled
        When it was abandoned: no verdict.
    """
    check_header(config, parent, block.header)
    check_body(block)
    run = BlockRun(config, store, parent, block.header, block_hash_of=block_hash_of)
    run.state.inference.cancellation = cancellation
    if run_ahead is not None and sidecar is not None:
        run.state.inference.memo = results_ahead(run.state, sidecar, run_ahead)
    try:
        result = _execute(run, block)
        agrees = result.block.header == block.header
    except InvalidBlock:
        if not _fast_backend_ran(run):
            raise
        agrees = False
    if not agrees and _fast_backend_ran(run):
        run, result = _recompute(run, store, parent, block, block_hash_of)
    if result.block.header != block.header:
        raise _invalid(run, block.header, result, sidecar)
    if sidecar is not None:
        _check_sidecar(result.sidecar, sidecar)
    return result


def _check_sidecar(own: Sidecar, carried: Sidecar) -> None:
    """Compare a valid block's sidecar with what came beside it; raises SidecarMismatch."""
    difference = first_difference(own, carried)
    if difference is not None:
        raise SidecarMismatch(
            f"the block is valid but the sidecar is not its own: {difference.what}",
            transaction=difference.transaction_index,
            call=difference.call_index,
            step=difference.step,
        )


def _execute(run: BlockRun, block: Block) -> BlockResult:
    for index, transaction in enumerate(block.transactions):
        try:
            run.add(transaction)
        except InvalidTransaction as error:
            raise InvalidBlock(error.reason, transaction=index) from error
    return run.finish(block.withdrawals)


def _fast_backend_ran(run: BlockRun) -> bool:
    backend = run.state.inference.models.backend
    return run.ran_inference and not isinstance(backend, ReferenceBackend)


def _recompute(
    run: BlockRun,
    store: KeyValueStore,
    parent: Header,
    block: Block,
    block_hash_of: BlockHashOf | None,
) -> tuple[BlockRun, BlockResult]:
    """Run the block again on the reference alone, before anything is called invalid.

    An inference's output can change anything after it, so the whole block is run again. When the
    reference agrees with the header, the fast backend gave a wrong byte: it is switched off.
    """
    again = BlockRun(
        run.config,
        store,
        parent,
        block.header,
        block_hash_of=block_hash_of,
        ledger=InferenceLedger(ModelStore(ReferenceBackend(), run.config.limits)),
    )
    again.state.inference.cancellation = run.state.inference.cancellation
    result = _execute(again, block)
    if result.block.header == block.header:
        run.state.inference.models.disable_fast_backend()
        _log.critical(
            "the fast tensor backend computed block %d wrongly and has been switched off; "
            "the reference backend agrees with the block",
            block.number,
        )
    return again, result


def check_header(config: VmConfig, parent: Header, header: Header) -> None:
    """Check what follows from the parent's header alone; raises InvalidBlock."""
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


def check_body(block: Block) -> None:
    """Check that the header commits to the body; raises InvalidBlock."""
    transactions = ordered_root(transaction.raw for transaction in block.transactions)
    _require("transactions_root", block.header.transactions_root, transactions)
    _require("withdrawals_root", block.header.withdrawals_root, withdrawals_root(block.withdrawals))


def _invalid(
    run: BlockRun, claimed: Header, result: BlockResult, sidecar: Sidecar | None
) -> InvalidBlock:
    """Name the first field that differs; with a sidecar that the header commits to, the step."""
    executed = result.block.header
    reason = next(
        f"{name} mismatch: header {_shown(getattr(claimed, name))}, "
        f"execution {_shown(getattr(executed, name))}"
        for name in _EXECUTED_FIELDS
        if getattr(executed, name) != getattr(claimed, name)
    )
    if sidecar is None or not _commits_to(claimed, run, sidecar):
        return InvalidBlock(reason)
    difference = first_difference(result.sidecar, sidecar)
    if difference is None:
        return InvalidBlock(reason)
    return InvalidBlock(
        f"{reason}; inference differs: {difference.what}",
        transaction=difference.transaction_index,
        call=difference.call_index,
        step=difference.step,
    )


def _commits_to(header: Header, run: BlockRun, sidecar: Sidecar) -> bool:
    """Whether the header's 0xa1 request is this sidecar's, the other requests being as executed."""
    if first_inconsistency(sidecar) is not None:
        return False
    others = [request for request in run.requests if request[0] != REQUEST_TYPE]
    if sidecar.records:
        others.append(inference_request(sidecar.records))
    return requests_hash(others) == header.requests_hash


def _require(name: str, claimed: bytes | int, expected: bytes | int) -> None:
    if claimed != expected:
        raise InvalidBlock(
            f"{name} mismatch: header {_shown(claimed)}, expected {_shown(expected)}"
        )


def _shown(value: bytes | int) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else str(value)
