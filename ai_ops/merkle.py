"""BLAKE3 Merkle trees in the shape of RFC 6962: model ids, data ids, step and record roots.

Source: docs/spec/03-models.md M-9 to M-11; RFC 6962 section 2.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from blake3 import blake3

CHUNK_BYTES = 65_536
LEAF_PREFIX = b"\x00"
NODE_PREFIX = b"\x01"


def chunk_count(size: int) -> int:
    """Chunks that `size` bytes are cut into: all full but the last."""
    return -(-size // CHUNK_BYTES)


def chunks(data: bytes) -> tuple[bytes, ...]:
    """Cut `data` into chunks of `CHUNK_BYTES`, the last possibly shorter."""
    return tuple(data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES))


def leaf_digest(chunk: bytes) -> bytes:
    """Digest a leaf: BLAKE3(0x00 ‖ chunk)."""
    hasher = blake3(LEAF_PREFIX)
    hasher.update(chunk)
    return hasher.digest()


def node_digest(left: bytes, right: bytes) -> bytes:
    """Digest an inner node: BLAKE3(0x01 ‖ left ‖ right)."""
    return blake3(NODE_PREFIX + left + right).digest()


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """Root over leaf digests.

    Pairing neighbours level by level, an odd last one moving up unchanged, gives exactly the
    RFC 6962 tree (left subtrees are the largest powers of two) without recursion.

    Raises
    ------
    ValueError
        There is no leaf.
    """
    if not leaves:
        raise ValueError("a Merkle tree has at least one leaf")
    level = list(leaves)
    while len(level) > 1:
        level = _parents(level)
    return level[0]


def merkle_path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Sibling digests from leaf `index` up to the root (RFC 6962 audit path).

    Raises
    ------
    ValueError
        `index` names no leaf.
    """
    if not 0 <= index < len(leaves):
        raise ValueError(f"leaf {index} of {len(leaves)} does not exist")
    path = []
    level = list(leaves)
    while len(level) > 1:
        sibling = index ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        level = _parents(level)
        index >>= 1
    return tuple(path)


def root_from_path(leaf: bytes, index: int, count: int, path: Sequence[bytes]) -> bytes:
    """Recompute the root that `path` claims for `leaf`.

    Parameters
    ----------
    leaf : bytes
        Leaf digest (32 bytes).
    index, count : int
        Position of the leaf and number of leaves.
    path : sequence of bytes
        Sibling digests, lowest first.

    Raises
    ------
    ValueError
        The index does not exist or the path has the wrong length for it.
    """
    if not 0 <= index < count:
        raise ValueError(f"leaf {index} of {count} does not exist")
    siblings = iter(path)
    digest, used = leaf, 0
    while count > 1:
        if index & 1 or index + 1 < count:
            sibling = next(siblings, None)
            if sibling is None:
                raise ValueError("the path is too short for this leaf")
            used += 1
            digest = node_digest(sibling, digest) if index & 1 else node_digest(digest, sibling)
        index >>= 1
        count = (count + 1) >> 1
    if used != len(path):
        raise ValueError("the path is too long for this leaf")
    return digest


def leaf_digests(data: bytes) -> tuple[bytes, ...]:
    """Digests of the chunks of `data`."""
    return tuple(leaf_digest(chunk) for chunk in chunks(data))


def model_id(data: bytes) -> bytes:
    """Merkle root over the chunks of a model (or of a data object): its identity."""
    return merkle_root(leaf_digests(data))


def _parents(level: list[bytes]) -> list[bytes]:
    paired = [node_digest(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return paired + level[len(level) & ~1 :]
