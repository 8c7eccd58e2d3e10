"""What the pool asks of the world state: nonce, balance and code of one sender."""

from __future__ import annotations

from vm.crypto import EMPTY_KECCAK, keccak
from vm.database import KeyValueStore
from vm.errors import LocalFault
from vm.journal import NO_ACCOUNT, AccountFields
from vm.transaction_rules import Sender
from vm.trie import Trie


def sender_state(store: KeyValueStore, state_root: bytes, address: bytes) -> Sender:
    """Return the account of ``address`` in the state with this root.

    Raises
    ------
    LocalFault
        When the store lost part of the state.
    """
    leaf = Trie(store.get, state_root).get(keccak(address))
    fields = NO_ACCOUNT if leaf is None else AccountFields.decode(leaf)
    code = b"" if fields.code_hash == EMPTY_KECCAK else store.get(fields.code_hash)
    if code is None:
        raise LocalFault(f"the code of 0x{address.hex()} is missing from the store")
    return Sender(nonce=fields.nonce, balance=fields.balance, code=code)
