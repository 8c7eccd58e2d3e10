"""Accounts, storage and per-transaction sets in memory, with one undo log for all of them.

py-evm's own account database keeps a journal per contract and per kind of value; builders that
roll a whole transaction back break it (two storage clears cannot be undone). Here everything that
changes lives in dictionaries, a change appends what it replaced to one list, and reverting pops
that list. Tries are touched twice only: to read a value the first time, and to compute the root.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from vm import rlp
from vm.crypto import EMPTY_KECCAK, keccak
from vm.database import Overlay
from vm.errors import LocalFault
from vm.trie import EMPTY_ROOT, Trie

_ABSENT: Any = object()


class AccountFields(NamedTuple):
    """The four fields of an account in the state trie; ``balance`` is in wei."""

    nonce: int = 0
    balance: int = 0
    storage_root: bytes = EMPTY_ROOT
    code_hash: bytes = EMPTY_KECCAK

    def encode(self) -> bytes:
        """Return the RLP that the state trie holds."""
        nonce, balance = rlp.integer(self.nonce), rlp.integer(self.balance)
        return rlp.encode((nonce, balance, self.storage_root, self.code_hash))

    @classmethod
    def decode(cls, data: bytes) -> AccountFields:
        """Decode what the state trie holds."""
        nonce, balance, storage_root, code_hash = rlp.as_list(rlp.decode(data), 4)
        return cls(
            nonce=rlp.as_int(nonce, 64),
            balance=rlp.as_int(balance, 256),
            storage_root=rlp.as_bytes(storage_root, 32),
            code_hash=rlp.as_bytes(code_hash, 32),
        )

    @property
    def is_empty(self) -> bool:
        """Whether the account is empty in the sense of EIP-161; its storage does not matter."""
        return not self.nonce and not self.balance and self.code_hash == EMPTY_KECCAK


NO_ACCOUNT = AccountFields()


class _Storage:
    """One account's storage: a trie, the slots seen so far, and those written."""

    __slots__ = ("root", "trie", "values", "written")

    def __init__(self, overlay: Overlay, root: bytes) -> None:
        self.root = root
        self.trie = Trie(overlay.get, root)
        self.values: dict[int, int] = {}
        self.written: dict[int, None] = {}


class JournaledState:
    """The world state above a root, with checkpoints.

    Parameters
    ----------
    overlay : Overlay
        Trie nodes and code; new ones are put there by `commit_root` only.
    state_root : bytes
        Root of the state trie to start from.
    """

    def __init__(self, overlay: Overlay, state_root: bytes) -> None:
        self._overlay = overlay
        self._trie = Trie(overlay.get, state_root)
        self._accounts: dict[bytes, AccountFields | None] = {}
        self._written: dict[bytes, None] = {}
        self._storages: dict[bytes, _Storage] = {}
        self._new_codes: dict[bytes, bytes] = {}
        self._read_codes: dict[bytes, bytes] = {}
        self._warm: dict[bytes | tuple[bytes, int], bool] = {}
        self._transient: dict[tuple[bytes, int], bytes] = {}
        self._originals: dict[tuple[bytes, int], int] = {}
        self._touched: dict[bytes, bool] = {}
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []

    # -- checkpoints ---------------------------------------------------------------------------

    def checkpoint(self) -> int:
        """Return a mark to which `revert` can go back."""
        return len(self._undo)

    def revert(self, checkpoint: int) -> None:
        """Undo every change since ``checkpoint``."""
        undo = self._undo
        while len(undo) > checkpoint:
            mapping, key, old = undo.pop()
            if old is _ABSENT:
                del mapping[key]
            else:
                mapping[key] = old

    def remove_touched_empty_accounts(self) -> None:
        """Remove the accounts that are empty after being written to (EIP-161)."""
        for address in list(self._touched):
            fields = self.account(address)
            if fields is not None and fields.is_empty:
                self.delete_account(address)

    def end_transaction(self) -> None:
        """Make all changes final and forget what lives for one transaction only."""
        self._undo.clear()
        self._touched.clear()
        self._warm.clear()
        self._transient.clear()
        self._originals.clear()

    def _change(self, mapping: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((mapping, key, mapping.get(key, _ABSENT)))
        mapping[key] = value

    # -- accounts ------------------------------------------------------------------------------

    def account(self, address: bytes) -> AccountFields | None:
        """Return the account, or None when the state has none at this address."""
        try:
            return self._accounts[address]
        except KeyError:
            encoded = self._trie.get(keccak(address))
            found = None if encoded is None else AccountFields.decode(encoded)
            self._accounts[address] = found
            return found

    def fields(self, address: bytes) -> AccountFields:
        """Return the account, or the fields that an absent account reads as."""
        return self.account(address) or NO_ACCOUNT

    def set_account(self, address: bytes, fields: AccountFields | None) -> None:
        """Write an account; None removes it."""
        self.account(address)
        self._change(self._accounts, address, fields)
        self._written[address] = None
        if fields is not None and fields.is_empty:
            self._change(self._touched, address, True)

    def touch(self, address: bytes) -> None:
        """Mark an account for removal if it exists and stays empty; do nothing otherwise."""
        fields = self.account(address)
        if fields is not None and fields.is_empty:
            self.set_account(address, fields)

    def delete_account(self, address: bytes) -> None:
        """Remove an account with its storage."""
        self.set_account(address, None)
        self.clear_storage(address)

    def code(self, code_hash: bytes) -> bytes:
        """Return the code with this keccak-256 hash."""
        if code_hash == EMPTY_KECCAK:
            return b""
        found = self._new_codes.get(code_hash) or self._read_codes.get(code_hash)
        if found is None:
            found = self._overlay.get(code_hash)
            if found is None:
                raise LocalFault(f"code {code_hash.hex()} is missing from the database")
            self._read_codes[code_hash] = found
        return found

    def set_code(self, address: bytes, code: bytes) -> None:
        """Give an account code; empty code removes it."""
        code_hash = keccak(code)
        # Content-addressed, so a revert may leave it behind: only code in use is ever stored.
        self._new_codes[code_hash] = code
        self.set_account(address, self.fields(address)._replace(code_hash=code_hash))

    # -- storage -------------------------------------------------------------------------------

    def storage(self, address: bytes, slot: int) -> int:
        """Return the present value of a slot."""
        storage = self._storage_of(address)
        value = storage.values.get(slot)
        if value is None:
            encoded = storage.trie.get(slot_key(slot))
            value = 0 if encoded is None else rlp.as_int(rlp.decode(encoded), 256)
            storage.values[slot] = value
        return value

    def original_storage(self, address: bytes, slot: int) -> int:
        """Return the value a slot had when the transaction began (EIP-2200)."""
        original = self._originals.get((address, slot))
        return self.storage(address, slot) if original is None else original

    def set_storage(self, address: bytes, slot: int, value: int) -> None:
        """Write a slot; 0 removes it."""
        self._originals.setdefault((address, slot), self.storage(address, slot))
        storage = self._storage_of(address)
        self._change(storage.values, slot, value)
        storage.written[slot] = None

    def clear_storage(self, address: bytes) -> None:
        """Remove every slot of an account."""
        self._storage_of(address)
        self._change(self._storages, address, _Storage(self._overlay, EMPTY_ROOT))
        self._written[address] = None

    def has_storage(self, address: bytes) -> bool:
        """Return whether the account had any slot when the block began and still may."""
        return self._storage_of(address).root != EMPTY_ROOT

    def _storage_of(self, address: bytes) -> _Storage:
        try:
            return self._storages[address]
        except KeyError:
            storage = _Storage(self._overlay, self.fields(address).storage_root)
            self._storages[address] = storage
            return storage

    # -- sets of one transaction ---------------------------------------------------------------

    def is_warm(self, key: bytes | tuple[bytes, int]) -> bool:
        """Return whether an address, or a slot of one, was accessed in this transaction."""
        return key in self._warm

    def mark_warm(self, key: bytes | tuple[bytes, int]) -> None:
        """Remember an access until the transaction ends or reverts past it."""
        if key not in self._warm:
            self._change(self._warm, key, True)

    def transient(self, address: bytes, slot: int) -> bytes:
        """Return a transient slot (EIP-1153); empty when unset."""
        return self._transient.get((address, slot), b"")

    def set_transient(self, address: bytes, slot: int, value: bytes) -> None:
        """Write a transient slot."""
        self._change(self._transient, (address, slot), value)

    # -- root ----------------------------------------------------------------------------------

    def commit_root(self) -> bytes:
        """Put every new trie node and code into the overlay and return the state root.

        Between transactions only: the undo log must be empty.
        """
        assert not self._undo, "the root is computed between transactions"
        for address, storage in self._storages.items():
            self._commit_storage(address, storage)
        for address in self._written:
            fields = self._accounts[address]
            if fields is not None and fields.code_hash in self._new_codes:
                self._overlay.put(fields.code_hash, self._new_codes[fields.code_hash])
            _write(self._trie, keccak(address), b"" if fields is None else fields.encode())
        self._written.clear()
        return self._trie.commit(self._overlay.put)

    def _commit_storage(self, address: bytes, storage: _Storage) -> None:
        for slot in storage.written:
            value = storage.values[slot]
            encoded = rlp.encode(rlp.integer(value)) if value else b""
            _write(storage.trie, slot_key(slot), encoded)
        storage.written.clear()
        storage.root = storage.trie.commit(self._overlay.put)
        fields = self.account(address)
        if fields is not None and fields.storage_root != storage.root:
            self._accounts[address] = fields._replace(storage_root=storage.root)
            self._written[address] = None


def _write(trie: Trie, key: bytes, value: bytes) -> None:
    """Set a key, or delete it when empty; a value that is there already changes no node."""
    if (trie.get(key) or b"") == value:
        return
    if value:
        trie.set(key, value)
    else:
        trie.delete(key)


def slot_key(slot: int) -> bytes:
    """Return the key of a storage slot in its account's trie."""
    return keccak(slot.to_bytes(32, "big"))
