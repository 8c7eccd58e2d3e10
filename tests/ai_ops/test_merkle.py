"""The Merkle tree against RFC 6962's recursive definition."""

from __future__ import annotations

import pytest
from blake3 import blake3

from ai_ops.merkle import (
    CHUNK_BYTES,
    chunk_count,
    leaf_digests,
    merkle_path,
    merkle_root,
    model_id,
    root_from_path,
)


def rfc6962(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return blake3(b"\x01" + rfc6962(leaves[:split]) + rfc6962(leaves[split:])).digest()


@pytest.mark.parametrize("count", [*range(1, 20), 31, 32, 33, 64, 65])
def test_root_and_every_path(count: int) -> None:
    leaves = [blake3(bytes([i])).digest() for i in range(count)]
    root = merkle_root(leaves)
    assert root == rfc6962(leaves)
    for index, leaf in enumerate(leaves):
        path = merkle_path(leaves, index)
        assert root_from_path(leaf, index, count, path) == root
        with pytest.raises(ValueError, match="long"):
            root_from_path(leaf, index, count, (*path, leaf))
        if path:
            with pytest.raises(ValueError, match="short"):
                root_from_path(leaf, index, count, path[:-1])
            assert root_from_path(leaf, index, count, (bytes(32), *path[1:])) != root


@pytest.mark.parametrize(
    ("size", "count"), [(1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (10 * CHUNK_BYTES, 10)]
)
def test_chunks(size: int, count: int) -> None:
    data = bytes(size)
    assert chunk_count(size) == count == len(leaf_digests(data))
    assert model_id(data) == merkle_root(leaf_digests(data))


def test_one_chunk_is_its_own_root() -> None:
    assert model_id(b"abc") == blake3(b"\x00abc").digest()


def test_what_does_not_exist_is_refused() -> None:
    for call in (
        lambda: merkle_root([]),
        lambda: merkle_path([bytes(32)], 1),
        lambda: root_from_path(bytes(32), 1, 1, ()),
        lambda: root_from_path(bytes(32), -1, 1, ()),
    ):
        with pytest.raises(ValueError, match="leaf"):
            call()
