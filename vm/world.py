"""Reading accounts, storage and code at any state root, with Merkle proofs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vm import rlp
from vm.crypto import EMPTY_KECCAK, keccak
from vm.database import KeyValueStore
from vm.errors import LocalFault
from vm.journal import NO_ACCOUNT, AccountFields, slot_key
from vm.transaction_rules import Sender
from vm.trie import Trie, prove


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageProof:
    """A slot's value (0 when absent) and the trie nodes from the storage root that show it."""

    slot: int
    value: int
    proof: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountProof:
    """An account's fields and the trie nodes that show them, in the shape of eth_getProof.

    An absent account has nonce and balance 0, the empty code hash and the empty storage root; its
    proof ends where the path leaves the trie.
    """

    address: bytes
    nonce: int
    balance: int
    code_hash: bytes
    storage_root: bytes
    account_proof: tuple[bytes, ...]
    storage_proofs: tuple[StorageProof, ...]


def account(store: KeyValueStore, state_root: bytes, address: bytes) -> AccountFields:
    """Return an account's four fields; an absent account reads as an empty one.

    Raises
    ------
    LocalFault
        When the store lacks a node of this state, as a pruned or damaged database does.
    """
    encoded = Trie(store.get, state_root).get(keccak(address))
    return NO_ACCOUNT if encoded is None else AccountFields.decode(encoded)


def code(store: KeyValueStore, state_root: bytes, address: bytes) -> bytes:
    """Return an account's code; raises LocalFault as `account` does."""
    return _code(store, account(store, state_root, address).code_hash)


def sender(store: KeyValueStore, state_root: bytes, address: bytes) -> Sender:
    """Return what `vm.transaction_rules.validate_transaction` wants to know of an account."""
    fields = account(store, state_root, address)
    return Sender(nonce=fields.nonce, balance=fields.balance, code=_code(store, fields.code_hash))


def storage(store: KeyValueStore, state_root: bytes, address: bytes, slot: int) -> int:
    """Return a slot's value, 0 when absent; raises LocalFault as `account` does."""
    root = account(store, state_root, address).storage_root
    return _word(Trie(store.get, root).get(slot_key(slot)))


def proof(
    store: KeyValueStore, state_root: bytes, address: bytes, slots: Sequence[int]
) -> AccountProof:
    """Prove an account and some of its slots, present or absent, against ``state_root``."""
    encoded, account_proof = prove(store.get, state_root, keccak(address))
    fields = NO_ACCOUNT if encoded is None else AccountFields.decode(encoded)
    storage_proofs = []
    for slot in slots:
        value, nodes = prove(store.get, fields.storage_root, slot_key(slot))
        storage_proofs.append(StorageProof(slot=slot, value=_word(value), proof=nodes))
    return AccountProof(
        address=address,
        nonce=fields.nonce,
        balance=fields.balance,
        code_hash=fields.code_hash,
        storage_root=fields.storage_root,
        account_proof=account_proof,
        storage_proofs=tuple(storage_proofs),
    )


def _code(store: KeyValueStore, code_hash: bytes) -> bytes:
    if code_hash == EMPTY_KECCAK:
        return b""
    found = store.get(code_hash)
    if found is None:
        raise LocalFault(f"code {code_hash.hex()} is missing from the database")
    return found


def _word(encoded: bytes | None) -> int:
    return 0 if encoded is None else rlp.as_int(rlp.decode(encoded), 256)
