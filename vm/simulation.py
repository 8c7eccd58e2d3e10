"""Messages that are run and thrown away: eth_call and eth_estimateGas, as geth answers them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from eth.exceptions import (
    ContractCreationCollision,
    FullStack,
    InsufficientStack,
    InvalidInstruction,
    InvalidJumpDestination,
    OutOfBoundsRead,
    OutOfGas,
    ReservedBytesInCode,
    Revert,
    StackDepthLimit,
    VMError,
    WriteProtection,
)

from ai_ops.executor import Cancellation
from vm import world
from vm.blocks import Header
from vm.config import VmConfig
from vm.database import KeyValueStore
from vm.errors import CallFailed, InferenceLimitExceeded
from vm.executor import Outcome, execute_transaction
from vm.fork import BlockHashOf, EngramState
from vm.inference import InferenceLedger, Memo, new_ledger
from vm.records import InferenceRecord
from vm.results import CallRequest, CallResult
from vm.transaction_rules import MAX_INITCODE_BYTES, TRANSACTION_GAS, floor_gas, intrinsic_gas
from vm.transactions import DYNAMIC_FEE_TYPE, Transaction

# How geth words each way to fail; py-evm's own text is for its developers.
_WORDING: tuple[tuple[type[VMError], str], ...] = (
    (Revert, "execution reverted"),
    (OutOfGas, "out of gas"),
    (InsufficientStack, "stack underflow"),
    (FullStack, "stack limit reached 1024"),
    (InvalidInstruction, "invalid opcode"),
    (InvalidJumpDestination, "invalid jump destination"),
    (WriteProtection, "write protection"),
    (OutOfBoundsRead, "return data out of bounds"),
    (ContractCreationCollision, "contract address collision"),
    (StackDepthLimit, "max call depth exceeded"),
    (ReservedBytesInCode, "invalid code: must not begin with 0xef"),
)
_CALL_STIPEND = 2_300
# geth stops searching when the bounds are within 1.5 percent of each other.
_TOLERANCE_PER_MILLE = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class _Simulated:
    outcome: Outcome
    inference_gas: int
    records: tuple[InferenceRecord, ...]


def call(
    config: VmConfig,
    store: KeyValueStore,
    header: Header,
    request: CallRequest,
    gas_cap: int,
    *,
    block_hash_of: BlockHashOf | None = None,
    cancellation: Cancellation | None = None,
) -> CallResult:
    """Run a message on the state after ``header``, in the context of that block.

    Parameters
    ----------
    config : VmConfig
    store : KeyValueStore
    header : Header
    request : CallRequest
        Its gas is cut to ``gas_cap``, which is also the default. Without fees the base fee counts
        as zero and the sender pays nothing; nonce, code and gas cap of a sender do not matter.
    gas_cap : int
        Most gas this node spends on one call.
    block_hash_of : callable, optional
        From an ancestor's number to its hash.
    cancellation : Cancellation, optional
        Ends the execution once another thread sets it.

    Raises
    ------
    CallFailed
        When the message cannot start: funds, intrinsic gas, fees. A message that starts and
        reverts or halts is a result.
    Cancelled
        When it was stopped.
    """
    gas = gas_cap if request.gas is None else min(request.gas, gas_cap)
    simulated = _simulate(config, store, header, request, gas, block_hash_of, None, cancellation)
    outcome = simulated.outcome
    return CallResult(
        success=outcome.error is None,
        output=outcome.output,
        gas_used=outcome.gas_used,
        error=None if outcome.error is None else failure_reason(outcome.error),
        logs=outcome.logs if outcome.error is None else (),
        inferences=simulated.records,
    )


def estimate_gas(
    config: VmConfig,
    store: KeyValueStore,
    header: Header,
    request: CallRequest,
    gas_cap: int,
    *,
    block_hash_of: BlockHashOf | None = None,
    cancellation: Cancellation | None = None,
) -> int:
    """Return a gas limit, nearly the least, with which the message succeeds on ``header``.

    Inference results are remembered between the attempts: a model runs once an input. Parameters
    as `call`.

    Raises
    ------
    CallFailed
        When no allowed gas limit lets the message succeed, with the revert data if it reverts.
    Cancelled
        When it was stopped.
    """
    memo: Memo = {}
    highest = _highest_gas(config, store, header, request, gas_cap)

    def attempt(gas: int) -> _Simulated:
        return _simulate(config, store, header, request, gas, block_hash_of, memo, cancellation)

    is_plain = highest >= TRANSACTION_GAS and _is_plain_transfer(store, header, request)
    if is_plain and attempt(TRANSACTION_GAS).outcome.error is None:
        return TRANSACTION_GAS
    first = attempt(highest)
    if first.outcome.error is not None:
        raise _estimate_failure(first.outcome, highest)
    if first.inference_gas > config.inference_gas_limit:
        raise CallFailed(
            InferenceLimitExceeded(first.inference_gas, config.inference_gas_limit).reason
        )
    return _search(attempt, first.outcome, highest)


def failure_reason(error: VMError) -> str:
    """Return geth's wording for the way a frame failed."""
    for kind, wording in _WORDING:
        if isinstance(error, kind):
            return wording
    return str(error) or type(error).__name__


def _search(attempt: Callable[[int], _Simulated], first: Outcome, highest: int) -> int:
    lowest = first.gas_used + first.author_fee_gas - 1
    # A call may keep 1/64 back and give a stipend: usually this much is enough.
    spent = first.gas_used + first.refund + first.author_fee_gas
    guess = (spent + _CALL_STIPEND) * 64 // 63
    if guess < highest:
        lowest, highest = _narrow(attempt, guess, lowest, highest)
    while lowest + 1 < highest:
        if (highest - lowest) * 1_000 < highest * _TOLERANCE_PER_MILLE:
            break
        # Most transactions need little more than they use: do not start in the middle.
        middle = min((highest + lowest) // 2, lowest * 2)
        lowest, highest = _narrow(attempt, middle, lowest, highest)
    return highest


def _narrow(
    attempt: Callable[[int], _Simulated], gas: int, lowest: int, highest: int
) -> tuple[int, int]:
    try:
        failed = attempt(gas).outcome.error is not None
    except CallFailed:
        failed = True  # below the intrinsic gas
    return (gas, highest) if failed else (lowest, gas)


def _estimate_failure(outcome: Outcome, highest: int) -> CallFailed:
    assert outcome.error is not None
    if isinstance(outcome.error, Revert):
        return CallFailed("execution reverted", outcome.output, reverted=True)
    if isinstance(outcome.error, OutOfGas):
        return CallFailed(f"gas required exceeds allowance ({highest})")
    return CallFailed(failure_reason(outcome.error))


def _highest_gas(
    config: VmConfig, store: KeyValueStore, header: Header, request: CallRequest, gas_cap: int
) -> int:
    highest = header.gas_limit
    if request.gas is not None and request.gas >= TRANSACTION_GAS:
        highest = request.gas
    caps = [gas_cap, config.transaction_gas_cap or gas_cap]
    if request.max_fee:
        balance = world.account(store, header.state_root, request.sender).balance
        if balance < request.value:
            raise CallFailed("insufficient funds for transfer")
        caps.append((balance - request.value) // request.max_fee)
    return min(highest, *caps)


def _is_plain_transfer(store: KeyValueStore, header: Header, request: CallRequest) -> bool:
    if request.to is None or request.data or request.access_list:
        return False
    return not world.code(store, header.state_root, request.to)


def _simulate(
    config: VmConfig,
    store: KeyValueStore,
    header: Header,
    request: CallRequest,
    gas: int,
    block_hash_of: BlockHashOf | None,
    memo: Memo | None,
    cancellation: Cancellation | None,
) -> _Simulated:
    if not request.max_fee:
        header = replace(header, base_fee=0)
    ledger: InferenceLedger | None = new_ledger(config, memo=memo) if config.ai else None
    state = EngramState(config, store, header.state_root, header, block_hash_of, ledger)
    state.inference.cancellation = cancellation
    transaction = _transaction(config, state, request, gas)
    _check_start(state, transaction)
    outcome = execute_transaction(state, transaction, 0)
    return _Simulated(
        outcome=outcome,
        inference_gas=state.inference.total_gas,
        records=tuple(state.inference.records),
    )


def _transaction(
    config: VmConfig, state: EngramState, request: CallRequest, gas: int
) -> Transaction:
    return Transaction(
        raw=b"",
        hash=bytes(32),
        type=DYNAMIC_FEE_TYPE,
        chain_id=config.chain_id,
        nonce=state.journal.fields(request.sender).nonce,
        gas_limit=gas,
        max_fee=request.max_fee or 0,
        max_priority_fee=request.max_priority_fee or 0,
        to=request.to,
        value=request.value,
        data=request.data,
        access_list=request.access_list,
        v=0,
        r=0,
        s=0,
        sender=request.sender,
    )


def _check_start(state: EngramState, transaction: Transaction) -> None:
    """Refuse a message that could not even start; raises CallFailed."""
    who = f"address 0x{transaction.sender.hex()}"
    if transaction.max_priority_fee > transaction.max_fee:
        raise CallFailed(
            f"max priority fee per gas higher than max fee per gas: {who}, "
            f"maxPriorityFeePerGas: {transaction.max_priority_fee}, "
            f"maxFeePerGas: {transaction.max_fee}"
        )
    if transaction.max_fee < state.header.base_fee:
        raise CallFailed(
            f"max fee per gas less than block base fee: {who}, "
            f"maxFeePerGas: {transaction.max_fee}, baseFee: {state.header.base_fee}"
        )
    have = state.journal.fields(transaction.sender).balance
    want = transaction.gas_limit * transaction.max_fee + transaction.value
    if have < want:
        raise CallFailed(
            f"insufficient funds for gas * price + value: {who} have {have} want {want}"
        )
    if transaction.to is None and len(transaction.data) > MAX_INITCODE_BYTES:
        raise CallFailed(
            f"max initcode size exceeded: code size {len(transaction.data)} "
            f"limit {MAX_INITCODE_BYTES}"
        )
    intrinsic, floor = intrinsic_gas(transaction), floor_gas(transaction)
    if transaction.gas_limit < intrinsic:
        raise CallFailed(f"intrinsic gas too low: have {transaction.gas_limit}, want {intrinsic}")
    if transaction.gas_limit < floor:
        raise CallFailed(
            f"insufficient gas for floor data gas cost: have {transaction.gas_limit}, want {floor}"
        )
