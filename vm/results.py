"""What goes into and comes out of the state transition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vm.blocks import ZERO_HASH, Block, Withdrawal
from vm.receipts import Log, Receipt
from vm.records import InferenceRecord, Sidecar
from vm.transactions import AccessList, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockContext:
    """What a proposer decides about a block besides its transactions.

    ``gas_limit`` is a wish: the block gets the legal value nearest to it.
    """

    timestamp: int
    coinbase: bytes
    gas_limit: int
    prev_randao: bytes = ZERO_HASH
    extra_data: bytes = b""
    parent_beacon_block_root: bytes = ZERO_HASH
    withdrawals: tuple[Withdrawal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockResult:
    """An executed block; ``writes`` is everything its state adds to the store."""

    block: Block
    receipts: tuple[Receipt, ...]
    sidecar: Sidecar
    writes: Mapping[bytes, bytes] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A candidate that was not included; when permanent, no later block can include it either."""

    transaction: Transaction
    reason: str
    permanent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """A built block, and what became of the candidates that are not in it.

    ``deferred`` overflowed the inference limit: the next block tries them first.
    """

    result: BlockResult
    rejected: tuple[Rejection, ...]
    deferred: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account of the genesis state; ``storage`` maps slots to values."""

    balance: int = 0
    nonce: int = 0
    code: bytes = b""
    storage: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRequest:
    """A simulated message; fees of None count as zero."""

    sender: bytes = bytes(20)
    to: bytes | None = None
    gas: int | None = None
    max_fee: int | None = None
    max_priority_fee: int | None = None
    value: int = 0
    data: bytes = b""
    access_list: AccessList = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class CallResult:
    """What a simulated message did; ``error`` is None on success."""

    success: bool
    output: bytes
    gas_used: int
    error: str | None
    logs: tuple[Log, ...]
    inferences: tuple[InferenceRecord, ...]
