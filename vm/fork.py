"""The fork: Prague as py-evm has it, mended, on our own state; inference merged in when it is on.

Here and in `vm.frames` classes of py-evm are inherited from, and nowhere else. Its VM, chain,
header, transaction and database classes are not used: the executor, the transition and the journal
are ours.
"""

from __future__ import annotations

from collections.abc import Callable

from eth.typing import JournalDBCheckpoint
from eth.vm.execution_context import ExecutionContext
from eth.vm.forks.cancun.transaction_context import CancunTransactionContext
from eth.vm.forks.prague.state import PragueState
from eth_typing import Address, BlockNumber, Hash32

from ai_ops.backends.reference import ReferenceBackend
from vm.blobs import blob_base_fee
from vm.blocks import ZERO_HASH, Header
from vm.config import VmConfig
from vm.crypto import use_native_backends
from vm.database import KeyValueStore, Overlay
from vm.errors import LocalFault
from vm.frames import InferenceComputation, PlainComputation
from vm.inference import InferenceLedger, new_ledger
from vm.journal import JournaledState
from vm.models import ModelStore
from vm.system_contracts import HISTORY_ADDRESS, HISTORY_WINDOW

use_native_backends()

BlockHashOf = Callable[[int], bytes | None]
_BLOCK_HASH_DEPTH = 256


class EngramState(PragueState):
    """World state and block context as opcodes see them.

    Parameters
    ----------
    config : VmConfig
    store : KeyValueStore
        Trie nodes, code and chunks; never written.
    state_root : bytes
        The state to start from.
    header : Header
        The block being run: number, coinbase, base fee and so on; its roots are not read.
    block_hash_of : callable, optional
        From the number of an ancestor of ``header`` to its hash. Without it BLOCKHASH reads the
        history contract's storage, which holds the same hashes on a chain that has it in genesis.
    ledger : InferenceLedger, optional
        Where inferences are recorded; a fresh one by default.

    Attributes
    ----------
    vm_config : VmConfig
    journal : JournaledState
    overlay : Overlay
        What the block writes to the store, complete after ``journal.commit_root()``.
    inference : InferenceLedger
    """

    def __init__(
        self,
        config: VmConfig,
        store: KeyValueStore,
        state_root: bytes,
        header: Header,
        block_hash_of: BlockHashOf | None = None,
        ledger: InferenceLedger | None = None,
    ) -> None:
        # BaseState would build py-evm's account database: not called.
        self.vm_config = config
        self.overlay = Overlay(store)
        self.journal = JournaledState(self.overlay, state_root)
        self.computation_class = InferenceComputation if config.ai else PlainComputation
        self.inference = ledger or _ledger(config)
        self.header = header
        self._block_hash_of = block_hash_of
        self.execution_context = ExecutionContext(
            coinbase=Address(header.coinbase),
            timestamp=header.timestamp,
            block_number=BlockNumber(header.number),
            difficulty=0,
            mix_hash=Hash32(header.prev_randao),
            gas_limit=header.gas_limit,
            prev_hashes=(),
            chain_id=config.chain_id,
            base_fee_per_gas=header.base_fee,
            excess_blob_gas=header.excess_blob_gas,
        )

    # -- content-addressed bytes outside the trie ------------------------------------------------

    def write_chunk(self, key: bytes, value: bytes) -> None:
        """Keep bytes for the store under ``key``; never journaled, a slot decides their presence."""
        self.overlay.put(key, value)

    def read_chunk(self, key: bytes) -> bytes | None:
        """Return bytes written by `write_chunk` in this block or an earlier one."""
        return self.overlay.get(key)

    # -- block context ---------------------------------------------------------------------------

    @property
    def blob_base_fee(self) -> int:
        """Wei per blob gas in this block."""
        return blob_base_fee(self.vm_config.blobs, self.header.excess_blob_gas)

    def get_ancestor_hash(self, block_number: int) -> Hash32:
        """Return the hash of one of the last 256 blocks, empty bytes for any other number."""
        depth = self.header.number - block_number
        if not 1 <= depth <= _BLOCK_HASH_DEPTH or block_number < 0:
            return Hash32(b"")
        if depth == 1:
            return Hash32(self.header.parent_hash)
        if self._block_hash_of is not None:
            found = self._block_hash_of(block_number)
        else:
            slot = self.journal.storage(HISTORY_ADDRESS, block_number % HISTORY_WINDOW)
            found = slot.to_bytes(32, "big") if slot else None
        if found is None:
            raise LocalFault(f"hash of block {block_number} is neither at hand nor in the state")
        return Hash32(found)

    # -- journal ---------------------------------------------------------------------------------

    def snapshot(self) -> tuple[Hash32, JournalDBCheckpoint]:
        """Return a mark for `revert`; the root in it is py-evm's and unused."""
        return Hash32(ZERO_HASH), JournalDBCheckpoint(self.journal.checkpoint())

    def revert(self, snapshot: tuple[Hash32, JournalDBCheckpoint]) -> None:
        """Undo everything since the mark."""
        self.journal.revert(snapshot[1])

    def commit(self, snapshot: tuple[Hash32, JournalDBCheckpoint]) -> None:
        """Keep everything since the mark: nothing to do, the undo log is shared."""

    # -- accounts --------------------------------------------------------------------------------

    def get_balance(self, address: Address) -> int:
        """Return the balance in wei."""
        return self.journal.fields(address).balance

    def set_balance(self, address: Address, balance: int) -> None:
        """Set the balance in wei."""
        assert 0 <= balance < 1 << 256, "a balance left the range of 256 bits"
        fields = self.journal.fields(address)
        self.journal.set_account(address, fields._replace(balance=balance))

    def get_nonce(self, address: Address) -> int:
        """Return the nonce."""
        return self.journal.fields(address).nonce

    def set_nonce(self, address: Address, nonce: int) -> None:
        """Set the nonce."""
        fields = self.journal.fields(address)
        self.journal.set_account(address, fields._replace(nonce=nonce))

    def increment_nonce(self, address: Address) -> None:
        """Add one to the nonce."""
        self.set_nonce(address, self.get_nonce(address) + 1)

    def get_code(self, address: Address) -> bytes:
        """Return the code, a delegation designator included."""
        return self.journal.code(self.journal.fields(address).code_hash)

    def get_code_hash(self, address: Address) -> Hash32:
        """Return the keccak-256 of the code."""
        return Hash32(self.journal.fields(address).code_hash)

    def set_code(self, address: Address, code: bytes) -> None:
        """Set the code."""
        self.journal.set_code(address, code)

    def delete_code(self, address: Address) -> None:
        """Remove the code."""
        self.journal.set_code(address, b"")

    def has_code_or_nonce(self, address: Address) -> bool:
        """Whether a creation at this address collides; storage counts too (EIP-7610)."""
        fields = self.journal.fields(address)
        return bool(fields.nonce or self.get_code(address) or self.journal.has_storage(address))

    def account_exists(self, address: Address) -> bool:
        """Whether the state has an account here, empty or not."""
        return self.journal.account(address) is not None

    def account_is_empty(self, address: Address) -> bool:
        """Whether the account is empty or absent (EIP-161)."""
        return self.journal.fields(address).is_empty

    def touch_account(self, address: Address) -> None:
        """Mark an existing empty account for removal (EIP-161)."""
        self.journal.touch(address)

    def delete_account(self, address: Address) -> None:
        """Remove an account with its storage."""
        self.journal.delete_account(address)

    # -- storage and access sets -----------------------------------------------------------------

    def get_storage(self, address: Address, slot: int, from_journal: bool = True) -> int:
        """Return a slot's value now, or at the start of the transaction."""
        if from_journal:
            return self.journal.storage(address, slot)
        return self.journal.original_storage(address, slot)

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Write a slot."""
        self.journal.set_storage(address, slot, value)

    def delete_storage(self, address: Address) -> None:
        """Do nothing: CREATE2 clears here what a collision (EIP-7610) has ruled out."""

    def is_storage_warm(self, address: Address, slot: int) -> bool:
        """Whether the slot was accessed in this transaction (EIP-2929)."""
        return self.journal.is_warm((address, slot))

    def mark_storage_warm(self, address: Address, slot: int) -> None:
        """Remember an access to a slot."""
        self.journal.mark_warm((address, slot))

    def is_address_warm(self, address: Address) -> bool:
        """Whether the address was accessed in this transaction or is a precompile (EIP-2929)."""
        return self.journal.is_warm(address) or address in self.computation_class.get_precompiles()

    def mark_address_warm(self, address: Address) -> None:
        """Remember an access to an address."""
        self.journal.mark_warm(address)

    def get_transient_storage(self, address: Address, slot: int) -> bytes:
        """Return a transient slot; empty when unset (EIP-1153)."""
        return self.journal.transient(address, slot)

    def set_transient_storage(self, address: Address, slot: int, value: bytes) -> None:
        """Write a transient slot."""
        self.journal.set_transient(address, slot, value)


def _ledger(config: VmConfig) -> InferenceLedger:
    if config.ai:
        return new_ledger(config)
    return InferenceLedger(ModelStore(ReferenceBackend(), config.limits))


def transaction_context(
    origin: bytes, gas_price: int, blob_hashes: tuple[bytes, ...] = ()
) -> CancunTransactionContext:
    """Return py-evm's view of the running transaction; ``gas_price`` is the effective one."""
    return CancunTransactionContext(
        gas_price=gas_price,
        origin=Address(origin),
        blob_versioned_hashes=[Hash32(digest) for digest in blob_hashes],
    )
