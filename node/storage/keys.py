"""Key layout of the execution database.

32-byte keys are keccak hashes of their values (trie nodes, contract code, headers), and
``chunk:`` ‖ digest are weight chunks: both belong to the state transition's flat namespace.
Everything else starts with one of the prefixes below, none of which makes a 32-byte key.

| key | value |
|---|---|
| ``head`` | number (8) ‖ hash (32) of the canonical head |
| ``spec`` | text of the chain spec |
| ``format`` | version of this layout |
| ``number:`` ‖ number (8) | hash of the canonical block |
| ``block:`` ‖ hash | RLP of the block |
| ``receipts:`` ‖ hash | receipts of the block |
| ``certificate:`` ‖ hash | certificate over the block; the child's batch replaces it |
| ``sidecar:`` ‖ hash | inference records and step digests of the block |
| ``tx:`` ‖ hash | hash of the block (32) ‖ index (4) |
| ``commit:`` ‖ number (8) | commit record (`node.storage.commit`) |
| ``keys:`` ‖ number (8) | the keys of that block's batch, kept for the newest blocks |
"""

from __future__ import annotations

from typing import Final

HEAD: Final = b"head"
SPEC: Final = b"spec"
FORMAT: Final = b"format"
CHUNK_PREFIX: Final = b"chunk:"
COMMIT_PREFIX: Final = b"commit:"
LAST_NUMBER: Final = 2**64 - 1


def number_key(number: int) -> bytes:
    """Key of the canonical hash at a height."""
    return b"number:" + number.to_bytes(8, "big")


def block_key(block_hash: bytes) -> bytes:
    """Key of a block's RLP."""
    return b"block:" + block_hash


def receipts_key(block_hash: bytes) -> bytes:
    """Key of a block's receipts."""
    return b"receipts:" + block_hash


def certificate_key(block_hash: bytes) -> bytes:
    """Key of the certificate over a block; the one kind of entry that a later batch replaces."""
    return b"certificate:" + block_hash


def sidecar_key(block_hash: bytes) -> bytes:
    """Key of a block's sidecar."""
    return b"sidecar:" + block_hash


def transaction_key(transaction_hash: bytes) -> bytes:
    """Key of a transaction's place."""
    return b"tx:" + transaction_hash


def commit_key(number: int) -> bytes:
    """Key of a height's commit record."""
    return COMMIT_PREFIX + number.to_bytes(8, "big")


def batch_keys_key(number: int) -> bytes:
    """Key of the list of a batch's keys."""
    return b"keys:" + number.to_bytes(8, "big")
