"""Chunks in state: presence words, the store behind them, and the lists of leaf digests.

The presence word decides; the store only holds the bytes. A present chunk that the store lacks,
or holds altered, is a fault of this machine and never an outcome.
"""

from __future__ import annotations

from ai_ops import merkle
from vm.errors import LocalFault
from vm.registry import layout
from vm.registry.facts import Registry

DIGEST_BYTES = 32


def present_length(registry: Registry, digest: bytes) -> int:
    """Return the length of the chunk with this leaf digest; 0 when it is not in state."""
    return registry.read(layout.present_slot(digest))


def store_chunk(registry: Registry, digest: bytes, chunk: bytes) -> None:
    """Put a chunk into state: its bytes into the store, its length into its presence word."""
    registry.write_chunk(layout.chunk_key(digest), chunk)
    registry.write(layout.present_slot(digest), len(chunk))


def load_chunk(registry: Registry, digest: bytes) -> bytes:
    """Return the bytes of a chunk that is present in state.

    Raises
    ------
    LocalFault
        When the store lacks the bytes or holds others.
    """
    chunk = registry.read_chunk(layout.chunk_key(digest))
    if chunk is None:
        raise LocalFault(f"chunk {digest.hex()} is missing from the chunk store")
    if merkle.leaf_digest(chunk) != digest:
        raise LocalFault(f"chunk {digest.hex()} is damaged in the chunk store")
    return chunk


def store_digests(registry: Registry, model: bytes, digests: tuple[bytes, ...]) -> None:
    """Store a model's leaf digests as one value, named by its own leaf digest."""
    content = b"".join(digests)
    name = merkle.leaf_digest(content)
    registry.write_chunk(layout.chunk_key(name), content)
    registry.set_word(model, layout.DIGESTS, int.from_bytes(name, "big"))


def load_digests(registry: Registry, model: bytes) -> tuple[bytes, ...]:
    """Return the leaf digests of a created model, in chunk order."""
    name = registry.word(model, layout.DIGESTS).to_bytes(DIGEST_BYTES, "big")
    return split_digests(load_chunk(registry, name))


def load_digest(registry: Registry, model: bytes, index: int) -> bytes:
    """Return one leaf digest of a created model."""
    name = registry.word(model, layout.DIGESTS).to_bytes(DIGEST_BYTES, "big")
    content = load_chunk(registry, name)
    return content[DIGEST_BYTES * index : DIGEST_BYTES * (index + 1)]


def split_digests(content: bytes) -> tuple[bytes, ...]:
    """Cut a whole number of 32-byte digests apart."""
    return tuple(
        content[start : start + DIGEST_BYTES] for start in range(0, len(content), DIGEST_BYTES)
    )


def chunk_length(size: int, index: int) -> int:
    """Return the length that chunk `index` of `size` bytes must have."""
    return min(merkle.CHUNK_BYTES, size - merkle.CHUNK_BYTES * index)


def load_range(registry: Registry, digests: tuple[bytes, ...], size: int) -> bytes:
    """Return the first `size` bytes of the chunks named by `digests`."""
    count = merkle.chunk_count(size)
    return b"".join(load_chunk(registry, digest) for digest in digests[:count])[:size]
