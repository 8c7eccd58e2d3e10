"""Reads at any state root, and proofs that a verifier without our code accepts."""

from __future__ import annotations

import rlp
from eth_utils.crypto import keccak
from trie import HexaryTrie

from tests.support.chain import ADDRESSES, RICH, Chain
from tests.support.inference import asm
from vm import world
from vm.results import Account
from vm.trie import EMPTY_ROOT

CONTRACT = b"\xc0" * 20
STORE = asm(0x20, "CALLDATALOAD", 0, "CALLDATALOAD", "SSTORE")
SLOTS = {index: index * index + 1 for index in range(30)}


def test_past_states_stay_readable() -> None:
    chain = Chain({CONTRACT: Account(nonce=1, code=STORE, storage={7: 9})}, ai=False)
    old = chain.head.state_root
    data = (7).to_bytes(32, "big") + (12).to_bytes(32, "big")
    chain.must_mine(chain.transaction(0, to=CONTRACT, data=data, value=3))
    new = chain.head.state_root
    assert world.storage(chain.store, old, CONTRACT, 7) == 9
    assert world.storage(chain.store, new, CONTRACT, 7) == 12
    assert world.account(chain.store, old, CONTRACT).balance == 0
    assert world.account(chain.store, new, CONTRACT).balance == 3
    assert world.account(chain.store, new, ADDRESSES[0]).nonce == 1
    assert world.code(chain.store, new, CONTRACT) == STORE
    assert world.code(chain.store, new, ADDRESSES[0]) == b""
    sender = world.sender(chain.store, old, ADDRESSES[0])
    assert (sender.nonce, sender.balance, sender.code) == (0, RICH, b"")


def verify(root: bytes, key: bytes, proof: tuple[bytes, ...]) -> bytes:
    """As any library does it: the value the nodes prove, empty for a proven absence."""
    if root == EMPTY_ROOT:
        assert proof == ()
        return b""
    return bytes(HexaryTrie.get_from_proof(root, keccak(key), [rlp.decode(n) for n in proof]))


def test_proofs_of_presence_and_absence() -> None:
    chain = Chain({CONTRACT: Account(nonce=1, code=STORE, storage=SLOTS)}, ai=False)
    chain.must_mine(chain.transaction(0, value=1))
    root = chain.head.state_root
    absent = b"\x99" * 20
    for address in (CONTRACT, ADDRESSES[0], absent):
        proof = world.proof(chain.store, root, address, (0, 3, 29, 30, 2**255))
        leaf = verify(root, address, proof.account_proof)
        if address == absent:
            assert leaf == b""
            assert (proof.nonce, proof.balance) == (0, 0)
            assert proof.storage_root == EMPTY_ROOT
            assert proof.code_hash == keccak(b"")
        else:
            nonce, balance, storage_root, code_hash = rlp.decode(leaf)
            assert int.from_bytes(nonce, "big") == proof.nonce
            assert int.from_bytes(balance, "big") == proof.balance
            assert (storage_root, code_hash) == (proof.storage_root, proof.code_hash)
        for entry in proof.storage_proofs:
            value = verify(proof.storage_root, entry.slot.to_bytes(32, "big"), entry.proof)
            expected = SLOTS.get(entry.slot, 0) if address == CONTRACT else 0
            assert entry.value == expected
            assert value == (rlp.encode(expected) if expected else b"")


def test_a_proof_of_another_root_does_not_verify() -> None:
    chain = Chain(ai=False)
    old = chain.head.state_root
    chain.must_mine(chain.transaction(0, value=1))
    proof = world.proof(chain.store, old, ADDRESSES[0], ())
    assert keccak(proof.account_proof[0]) == old
    assert keccak(proof.account_proof[0]) != chain.head.state_root
