from __future__ import annotations

import random

import pytest
import rlp as rlp_library
from trie import HexaryTrie

from vm import rlp
from vm.crypto import keccak
from vm.errors import LocalFault
from vm.trie import EMPTY_ROOT, Trie, ordered_root, prove


def random_key(rng: random.Random, pool: list[bytes]) -> bytes:
    if pool and rng.random() < 0.5:
        return rng.choice(pool)
    # Keys that share long prefixes make extensions and small embedded nodes.
    key = rng.choice((b"\x00", b"\x01", b"\x11")) * rng.randrange(31)
    return (key + rng.randbytes(32))[:32]


@pytest.mark.parametrize("seed", range(8))
def test_agrees_with_the_library_and_survives_reloading(seed: int) -> None:
    print("seed", seed)
    rng = random.Random(seed)
    store: dict[bytes, bytes] = {}
    ours, theirs = Trie(store.get), HexaryTrie({})
    known: dict[bytes, bytes] = {}
    for _ in range(12):
        for _ in range(25):
            key = random_key(rng, list(known))
            if rng.random() < 0.35:
                ours.delete(key)
                if known.pop(key, None) is not None:
                    del theirs[key]
            else:
                value = rng.randbytes(rng.choice((1, 1, 3, 40)))
                ours.set(key, value)
                theirs[key] = known[key] = value
        root = ours.commit(store.__setitem__)
        assert root == theirs.root_hash
        if rng.random() < 0.5:
            ours = Trie(store.get, root)
        for key in [*known, random_key(rng, [])]:
            assert ours.get(key) == known.get(key)
    for key in list(known):
        ours.delete(key)
    assert ours.commit(store.__setitem__) == EMPTY_ROOT


@pytest.mark.parametrize("count", [0, 1, 2, 127, 128, 129, 300])
def test_ordered_root_agrees_with_the_library(count: int) -> None:
    values = [keccak(index.to_bytes(4, "big"))[: 1 + index % 32] for index in range(count)]
    theirs = HexaryTrie({})
    for index, value in enumerate(values):
        theirs[rlp_library.encode(index)] = value
    assert ordered_root(values) == theirs.root_hash


def test_proofs_show_presence_and_absence() -> None:
    seed = 5
    print("seed", seed)
    rng = random.Random(seed)
    store: dict[bytes, bytes] = {}
    trie = Trie(store.get)
    values = {keccak(rng.randbytes(8)): rng.randbytes(rng.choice((1, 40))) for _ in range(80)}
    for key, value in values.items():
        trie.set(key, value)
    root = trie.commit(store.__setitem__)
    for key in [*values, *(keccak(rng.randbytes(8)) for _ in range(40))]:
        found, proof = prove(store.get, root, key)
        assert found == values.get(key)
        nodes = [rlp_library.decode(node) for node in proof]
        assert keccak(proof[0]) == root
        assert HexaryTrie.get_from_proof(root, key, nodes) == values.get(key, b"")
    assert prove(store.get, EMPTY_ROOT, b"\x00" * 32) == (None, ())


def read_all(trie: Trie) -> None:
    for index in range(40):
        trie.get(keccak(bytes((index,))))


def test_a_missing_node_is_a_local_fault() -> None:
    store: dict[bytes, bytes] = {}
    trie = Trie(store.get)
    for index in range(40):
        trie.set(keccak(bytes((index,))), b"\x01" * 40)
    root = trie.commit(store.__setitem__)
    for digest in list(store):
        broken = {key: value for key, value in store.items() if key != digest}
        reader = Trie(broken.get, root)
        with pytest.raises(LocalFault, match="missing from the database"):
            read_all(reader)


def test_embedded_nodes_round_trip() -> None:
    store: dict[bytes, bytes] = {}
    trie = Trie(store.get)
    prefix = b"\x00" * 31
    for last in range(4):
        trie.set(prefix + bytes((last,)), b"\x05")
    root = trie.commit(store.__setitem__)
    assert any(isinstance(part, list) for part in rlp.as_list(rlp.decode(store[root])))
    assert Trie(store.get, root).get(prefix + b"\x03") == b"\x05"
