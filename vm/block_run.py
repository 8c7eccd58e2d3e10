"""The transition function: one run of a block, the same for building and for importing it."""

from __future__ import annotations

from dataclasses import replace

from eth_typing import Address

from vm.blobs import total_blob_gas
from vm.blocks import Block, Header, Withdrawal
from vm.config import VmConfig
from vm.database import KeyValueStore
from vm.errors import InferenceLimitExceeded, InvalidTransaction
from vm.executor import Outcome, execute_transaction
from vm.fork import BlockHashOf, EngramState
from vm.inference import InferenceLedger
from vm.receipts import Receipt, logs_bloom, merge_blooms
from vm.requests import block_requests, requests_hash
from vm.results import BlockResult
from vm.system_call import system_call
from vm.system_contracts import BEACON_ROOTS_ADDRESS, HISTORY_ADDRESS
from vm.transaction_rules import Sender, validate_transaction
from vm.transactions import Transaction
from vm.trie import ordered_root

WEI_PER_GWEI = 10**9


class BlockRun:
    """A block under execution: begun on construction, then transactions, then `finish`.

    Parameters
    ----------
    config : VmConfig
    store : KeyValueStore
    parent : Header
    header : Header
        The block's own header as far as execution reads it; roots, bloom, gas used and blob gas
        used are ignored and computed.
    block_hash_of : callable, optional
        See `vm.fork.EngramState`.
    ledger : InferenceLedger, optional
        A ledger that traces or remembers; a fresh one by default.
    """

    def __init__(
        self,
        config: VmConfig,
        store: KeyValueStore,
        parent: Header,
        header: Header,
        *,
        block_hash_of: BlockHashOf | None = None,
        ledger: InferenceLedger | None = None,
    ) -> None:
        self.config = config
        self.header = header
        self.state = EngramState(config, store, parent.state_root, header, block_hash_of, ledger)
        self.transactions: list[Transaction] = []
        self.receipts: list[Receipt] = []
        self.gas_used = 0
        self.blob_gas_used = 0
        self.requests: tuple[bytes, ...] = ()
        self.ran_inference = False
        system_call(self.state, BEACON_ROOTS_ADDRESS, header.parent_beacon_block_root)
        system_call(self.state, HISTORY_ADDRESS, header.parent_hash)

    def add(self, transaction: Transaction) -> Receipt:
        """Run the next transaction of the block.

        Raises
        ------
        InvalidTransaction
            When it may not stand here; the state is as before the call.
        InferenceLimitExceeded
            When its inferences overflow the block's limit; it is rolled back too.
        """
        self._check_room(transaction)
        sender = self._sender(transaction)
        validate_transaction(
            self.config,
            sender,
            transaction,
            base_fee=self.header.base_fee,
            blob_base_fee=self.state.blob_base_fee,
        )
        checkpoint, mark = self.state.journal.checkpoint(), self.state.inference.mark()
        written = self.state.overlay.mark()
        outcome = execute_transaction(self.state, transaction, len(self.transactions))
        inference_gas = self.state.inference.total_gas
        self.ran_inference |= len(self.state.inference.records) > mark.records
        if inference_gas > self.config.inference_gas_limit:
            self.state.journal.revert(checkpoint)
            self.state.inference.roll_back(mark)
            self.state.overlay.roll_back(written)
            self.state.journal.end_transaction()
            raise InferenceLimitExceeded(inference_gas, self.config.inference_gas_limit)
        self.state.journal.end_transaction()
        return self._include(transaction, outcome)

    def finish(self, withdrawals: tuple[Withdrawal, ...]) -> BlockResult:
        """End the block: withdrawals, requests, roots.

        Raises
        ------
        InvalidBlock
            When a system contract is missing or fails, or a deposit event is malformed.
        """
        for withdrawal in withdrawals:
            self._withdraw(withdrawal)
        self.state.journal.remove_touched_empty_accounts()
        self.state.journal.end_transaction()
        self.requests = block_requests(self.state, self.receipts)
        header = replace(
            self.header,
            state_root=self.state.journal.commit_root(),
            transactions_root=ordered_root(item.raw for item in self.transactions),
            receipts_root=ordered_root(receipt.encode() for receipt in self.receipts),
            logs_bloom=merge_blooms(receipt.bloom for receipt in self.receipts),
            gas_used=self.gas_used,
            withdrawals_root=withdrawals_root(withdrawals),
            blob_gas_used=self.blob_gas_used,
            requests_hash=requests_hash(self.requests),
        )
        return BlockResult(
            block=Block(
                header=header, transactions=tuple(self.transactions), withdrawals=withdrawals
            ),
            receipts=tuple(self.receipts),
            sidecar=self.state.inference.sidecar(),
            writes=self.state.overlay.writes,
        )

    @property
    def gas_left(self) -> int:
        """Gas of the block that no transaction has used yet."""
        return self.header.gas_limit - self.gas_used

    def _check_room(self, transaction: Transaction) -> None:
        if transaction.gas_limit > self.gas_left:
            raise InvalidTransaction(
                f"gas limit reached: block gas left {self.gas_left}, "
                f"transaction gas limit {transaction.gas_limit}",
                permanent=False,
            )
        blob_gas = self.blob_gas_used + total_blob_gas(len(transaction.blob_hashes))
        if blob_gas > self.config.blobs.max_gas:
            raise InvalidTransaction(
                f"blob gas limit reached: block would use {blob_gas}, "
                f"the limit is {self.config.blobs.max_gas}",
                permanent=False,
            )

    def _sender(self, transaction: Transaction) -> Sender:
        fields = self.state.journal.fields(transaction.sender)
        code = self.state.journal.code(fields.code_hash)
        return Sender(nonce=fields.nonce, balance=fields.balance, code=code)

    def _include(self, transaction: Transaction, outcome: Outcome) -> Receipt:
        self.gas_used += outcome.gas_used
        self.blob_gas_used += total_blob_gas(len(transaction.blob_hashes))
        receipt = Receipt(
            type=transaction.type,
            status=0 if outcome.error else 1,
            cumulative_gas_used=self.gas_used,
            bloom=logs_bloom(outcome.logs),
            logs=outcome.logs,
            gas_used=outcome.gas_used,
            contract_address=outcome.contract_address,
            effective_gas_price=outcome.effective_gas_price,
            author_fee_gas=outcome.author_fee_gas,
        )
        self.transactions.append(transaction)
        self.receipts.append(receipt)
        return receipt

    def _withdraw(self, withdrawal: Withdrawal) -> None:
        address = Address(withdrawal.address)
        if withdrawal.amount:
            self.state.delta_balance(address, withdrawal.amount * WEI_PER_GWEI)
        else:
            self.state.touch_account(address)


def withdrawals_root(withdrawals: tuple[Withdrawal, ...]) -> bytes:
    """Return the header's commitment to the withdrawals."""
    return ordered_root(withdrawal.encode() for withdrawal in withdrawals)
