from __future__ import annotations

import random

import pytest
import rlp as reference

from vm import rlp


def random_item(rng: random.Random, depth: int) -> rlp.RlpItem:
    if depth and rng.random() < 0.5:
        return tuple(random_item(rng, depth - 1) for _ in range(rng.randrange(5)))
    return rng.randbytes(rng.choice((0, 1, 1, 2, 54, 55, 56, 57, 255, 256, 300)))


def as_tuples(item: rlp.RlpItem) -> rlp.RlpItem:
    return item if isinstance(item, bytes) else tuple(as_tuples(child) for child in item)


def test_agrees_with_the_library_on_random_items() -> None:
    seed = 20_261
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(300):
        item = random_item(rng, 4)
        encoded = rlp.encode(item)
        assert encoded == reference.encode(item)
        assert as_tuples(rlp.decode(encoded)) == item


def test_a_changed_byte_never_decodes_to_two_encodings() -> None:
    seed = 7
    print("seed", seed)
    rng = random.Random(seed)
    for _ in range(2000):
        data = bytearray(rlp.encode(random_item(rng, 3)))
        data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            item = rlp.decode(bytes(data))
        except rlp.RlpError:
            continue
        assert rlp.encode(item) == bytes(data)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("", "ends before"),
        ("8100", "below 0x80"),
        ("b800", "shortest"),
        ("b90000", "shortest"),
        ("b837" + "00" * 55, "shortest"),
        ("f800", "shortest"),
        ("8200", "beyond"),
        ("c28100", "below 0x80"),
        ("c2", "beyond"),
        ("c182", "beyond"),
        ("0000", "1 trailing"),
        ("bfffffffffffffffff", "beyond"),
        ("c1" * 40 + "c0", "beyond"),
    ],
)
def test_refuses(data: str, message: str) -> None:
    with pytest.raises(rlp.RlpError, match=message):
        rlp.decode(bytes.fromhex(data))


def test_deep_nesting_is_refused_before_the_interpreter_overflows() -> None:
    item: rlp.RlpItem = ()
    for _ in range(100):
        item = (item,)
    with pytest.raises(rlp.RlpError, match="nested deeper"):
        rlp.decode(rlp.encode(item))


@pytest.mark.parametrize("item", [b"\x00", b"\x00\x01", b"\x01" + bytes(8), (), b"\x02" * 9])
def test_integers_are_bounded_and_shortest(item: rlp.RlpItem) -> None:
    with pytest.raises(rlp.RlpError):
        rlp.as_int(item, 64)


def test_split_list_returns_the_encodings() -> None:
    parts = (b"", (b"a", b"b"), b"c" * 60)
    assert rlp.split_list(rlp.encode(parts)) == tuple(rlp.encode(part) for part in parts)
