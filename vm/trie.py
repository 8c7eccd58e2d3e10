"""The Merkle Patricia trie (yellow paper, appendix D): changed in memory, hashed once at the end.

No key may be a prefix of another: true of hashed keys (all 32 bytes) and of RLP-encoded indexes,
the only two kinds that Ethereum commits to. A branch therefore never carries a value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from vm import rlp
from vm.crypto import keccak
from vm.errors import LocalFault
from vm.rlp import RlpItem

EMPTY_ROOT = keccak(b"\x80")
_DIGITS = b"0123456789abcdef"
_NIBBLES = bytes(max(_DIGITS.find(byte), 0) for byte in range(256))
_HEX = _DIGITS + bytes(240)
_LEAF_FLAG = 2


GetNode: TypeAlias = Callable[[bytes], bytes | None]
PutNode: TypeAlias = Callable[[bytes, bytes], None]


class Leaf:
    """The rest of a key, and its value."""

    __slots__ = ("path", "reference", "value")

    def __init__(self, path: bytes, value: bytes) -> None:
        self.path = path
        self.value = value
        self.reference: RlpItem | None = None


class Extension:
    """A run of nibbles that all keys below share."""

    __slots__ = ("child", "path", "reference")

    def __init__(self, path: bytes, child: Node) -> None:
        self.path = path
        self.child = child
        self.reference: RlpItem | None = None


class Branch:
    """One child for each next nibble."""

    __slots__ = ("children", "reference")

    def __init__(self, children: list[Node | None]) -> None:
        self.children = children
        self.reference: RlpItem | None = None


# Bytes are the hash of a node that has not been read yet. ``reference`` is how a node's parent
# names it (hash, or the node itself when shorter than 32 bytes); None after a change.
ReadNode: TypeAlias = Leaf | Extension | Branch
Node: TypeAlias = ReadNode | bytes


class Trie:
    """A trie at a root, with changes in memory until `commit`.

    Parameters
    ----------
    get_node : callable
        From a 32-byte hash to the encoded node, or None when the store lacks it.
    root_hash : bytes
        Where to start; `EMPTY_ROOT` for an empty trie.
    """

    __slots__ = ("_get_node", "_root")

    def __init__(self, get_node: GetNode, root_hash: bytes = EMPTY_ROOT) -> None:
        self._get_node = get_node
        self._root: Node | None = None if root_hash == EMPTY_ROOT else root_hash

    def get(self, key: bytes) -> bytes | None:
        """Return the value of ``key``, or None."""
        path = nibbles(key)
        if isinstance(self._root, bytes):
            self._root = self._read(self._root)
        node = self._root
        while node is not None:
            if isinstance(node, Leaf):
                return node.value if node.path == path else None
            if isinstance(node, Extension):
                if not path.startswith(node.path):
                    return None
                path = path[len(node.path) :]
                if isinstance(node.child, bytes):
                    node.child = self._read(node.child)
                node = node.child
            else:
                assert isinstance(node, Branch)
                child = node.children[path[0]]
                if isinstance(child, bytes):
                    child = node.children[path[0]] = self._read(child)
                path = path[1:]
                node = child
        return None

    def set(self, key: bytes, value: bytes) -> None:
        """Give ``key`` a non-empty value."""
        assert value
        self._root = self._set(self._root, nibbles(key), value)

    def delete(self, key: bytes) -> None:
        """Remove ``key`` if it is there."""
        self._root = self._delete(self._root, nibbles(key))

    def commit(self, put_node: PutNode) -> bytes:
        """Hand every changed node to ``put_node`` and return the root hash."""
        if self._root is None:
            return EMPTY_ROOT
        if isinstance(self._root, bytes):
            return self._root
        reference = _reference(self._root, put_node)
        if isinstance(reference, bytes):
            return reference
        encoded = rlp.encode(reference)
        digest = keccak(encoded)
        put_node(digest, encoded)
        return digest

    def _read(self, digest: bytes) -> ReadNode:
        encoded = self._get_node(digest)
        if encoded is None:
            raise LocalFault(f"trie node {digest.hex()} is missing from the database")
        node = decode_node(rlp.decode(encoded))
        node.reference = digest
        return node

    def _set(self, node: Node | None, path: bytes, value: bytes) -> Node:
        if isinstance(node, bytes):
            node = self._read(node)
        if node is None:
            return Leaf(path, value)
        if isinstance(node, Branch):
            node.children[path[0]] = self._set(node.children[path[0]], path[1:], value)
            node.reference = None
            return node
        shared = _shared_length(node.path, path)
        if isinstance(node, Leaf) and shared == len(node.path) == len(path):
            node.value = value
            node.reference = None
            return node
        if isinstance(node, Extension) and shared == len(node.path):
            node.child = self._set(node.child, path[shared:], value)
            node.reference = None
            return node
        return _split(node, shared, path, value)

    def _delete(self, node: Node | None, path: bytes) -> Node | None:
        if isinstance(node, bytes):
            node = self._read(node)
        if node is None:
            return None
        if isinstance(node, Leaf):
            return None if node.path == path else node
        if isinstance(node, Extension):
            if not path.startswith(node.path):
                return node
            child = self._delete(node.child, path[len(node.path) :])
            assert child is not None, "an extension has at least two keys below"
            return self._extend(node.path, child)
        index = path[0]
        old = node.children[index]
        node.children[index] = self._delete(old, path[1:])
        node.reference = None
        left = [place for place, child in enumerate(node.children) if child is not None]
        if len(left) > 1:
            return node
        only = node.children[left[0]]
        assert only is not None
        return self._extend(bytes((left[0],)), only)

    def _extend(self, path: bytes, child: Node) -> Node:
        """Put a run of nibbles in front of a node, merging it with a run already there."""
        if isinstance(child, bytes):
            child = self._read(child)
        if isinstance(child, Leaf):
            return Leaf(path + child.path, child.value)
        if isinstance(child, Extension):
            return Extension(path + child.path, child.child)
        return Extension(path, child)


def nibbles(key: bytes) -> bytes:
    """Return the half-bytes of ``key``, one a byte."""
    return key.hex().encode("ascii").translate(_NIBBLES)


def decode_node(item: RlpItem) -> ReadNode:
    """Build a node from its decoded RLP; children stay hashes unless they are embedded."""
    parts = rlp.as_list(item)
    if len(parts) == 17:
        branch = Branch([_decode_child(part) for part in parts[:16]])
        branch.reference = item
        return branch
    path, is_leaf = _unpack_path(rlp.as_bytes(parts[0]))
    node: Leaf | Extension
    if is_leaf:
        node = Leaf(path, rlp.as_bytes(parts[1]))
    else:
        child = _decode_child(parts[1])
        assert child is not None
        node = Extension(path, child)
    node.reference = item
    return node


def _decode_child(item: RlpItem) -> Node | None:
    if isinstance(item, bytes):
        return item or None
    return decode_node(item)


def _split(node: Leaf | Extension, shared: int, path: bytes, value: bytes) -> Node:
    """Replace a leaf or extension by a branch where ``path`` leaves it."""
    children: list[Node | None] = [None] * 16
    rest = node.path[shared + 1 :]
    if isinstance(node, Leaf):
        children[node.path[shared]] = Leaf(rest, node.value)
    else:
        children[node.path[shared]] = Extension(rest, node.child) if rest else node.child
    children[path[shared]] = Leaf(path[shared + 1 :], value)
    branch = Branch(children)
    return Extension(path[:shared], branch) if shared else branch


def _reference(node: Node, put_node: PutNode) -> RlpItem:
    """Return how a parent names this node, storing it and its changed descendants."""
    if isinstance(node, bytes):
        return node
    if node.reference is not None:
        return node.reference
    item: RlpItem
    if isinstance(node, Leaf):
        item = (_pack_path(node.path, _LEAF_FLAG), node.value)
    elif isinstance(node, Extension):
        item = (_pack_path(node.path, 0), _reference(node.child, put_node))
    else:
        item = (
            *(b"" if child is None else _reference(child, put_node) for child in node.children),
            b"",
        )
    encoded = rlp.encode(item)
    if len(encoded) < 32:
        node.reference = item
        return item
    digest = keccak(encoded)
    put_node(digest, encoded)
    node.reference = digest
    return digest


def _pack_path(path: bytes, flag: int) -> bytes:
    """Hex-prefix encoding: two flag bits, and one nibble of padding when the path is even."""
    odd = len(path) % 2
    digits = (path if odd else b"\x00" + path).translate(_HEX).decode("ascii")
    return bytes.fromhex(f"{flag | odd}{digits}")


def _unpack_path(packed: bytes) -> tuple[bytes, bool]:
    half_bytes = nibbles(packed)
    kind = half_bytes[0]
    return half_bytes[1 if kind & 1 else 2 :], kind >= 2


def _shared_length(first: bytes, second: bytes) -> int:
    length = min(len(first), len(second))
    for index in range(length):
        if first[index] != second[index]:
            return index
    return length


def ordered_root(values: Iterable[bytes]) -> bytes:
    """Return the root of the trie from RLP-encoded index to value: transactions, receipts."""
    trie = Trie(lambda _: None)
    for index, value in enumerate(values):
        trie.set(rlp.encode(rlp.integer(index)), value)
    return trie.commit(lambda _digest, _encoded: None)


def prove(
    get_node: GetNode, root_hash: bytes, key: bytes
) -> tuple[bytes | None, tuple[bytes, ...]]:
    """Return the value of ``key`` or None, and the encoded nodes from the root that show it.

    A node shorter than 32 bytes stands inside its parent and is not listed by itself. The proof
    of absence ends with the node in which the key's path ends or leaves the trie.
    """
    if root_hash == EMPTY_ROOT:
        return None, ()
    path = nibbles(key)
    encodings: list[bytes] = []
    child: Node | None = root_hash
    while child is not None:
        if isinstance(child, bytes):
            encoded = get_node(child)
            if encoded is None:
                raise LocalFault(f"trie node {child.hex()} is missing from the database")
            encodings.append(encoded)
            child = decode_node(rlp.decode(encoded))
        if isinstance(child, Leaf):
            return (child.value if child.path == path else None), tuple(encodings)
        if isinstance(child, Extension):
            if not path.startswith(child.path):
                break
            path = path[len(child.path) :]
            child = child.child
        elif isinstance(child, Branch):
            child, path = child.children[path[0]], path[1:]
    return None, tuple(encodings)
