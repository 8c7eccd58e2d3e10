"""The strict ABI agrees with eth_abi on what it writes and refuses every other spelling."""

from __future__ import annotations

import random
import tracemalloc

import pytest
from eth_abi.abi import encode as eth_abi_encode

from vm import abi

SEED = 20261124


def test_encoding_equals_eth_abi() -> None:
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    types = ("address", "bytes", "bytes[]", "uint256", "bytes32", "uint256[]")
    for _ in range(100):
        items = [rng.randbytes(rng.randrange(0, 70)) for _ in range(rng.randrange(0, 4))]
        numbers = [rng.getrandbits(256) for _ in range(rng.randrange(0, 3))]
        values = (
            rng.randbytes(20),
            rng.randbytes(rng.randrange(0, 99)),
            items,
            rng.getrandbits(256),
            rng.randbytes(32),
            numbers,
        )
        theirs = eth_abi_encode(types, ("0x" + values[0].hex(), *values[1:]))
        assert abi.encode(types, values) == theirs


def test_decoding_reads_back() -> None:
    types = ("address", "bytes[]", "bytes")
    values = (b"\x11" * 20, (b"", b"abc", b"x" * 33), b"tail")
    assert abi.decode(types, abi.encode(types, values)) == values


GOOD = abi.encode(("address", "bytes"), (b"\x22" * 20, b"hello"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        GOOD[:-1],
        b"\x01" + GOOD[1:],
        GOOD[:63] + b"\x41" + GOOD[64:],
        GOOD[:32] + b"\xff" * 32 + GOOD[64:],
        GOOD[:64] + b"\xff" * 32 + GOOD[96:],
        GOOD[:-1] + b"\x01",
    ],
    ids=[
        "empty",
        "short",
        "dirty address",
        "odd offset",
        "offset out",
        "length out",
        "pad",
    ],
)
def test_other_spellings_are_refused(data: bytes) -> None:
    with pytest.raises(abi.AbiError):
        abi.decode(("address", "bytes"), data)


def test_bytes_after_the_arguments_are_ignored() -> None:
    for more in (b"\0", b"\xff" * 70):
        assert abi.decode(("address", "bytes"), GOOD + more) == (b"\x22" * 20, b"hello")


def test_a_huge_array_length_is_refused_before_any_work() -> None:
    head = (32).to_bytes(32, "big") + (2**200).to_bytes(32, "big")
    with pytest.raises(abi.AbiError):
        abi.decode(("bytes[]",), head)


def test_offsets_that_all_name_one_long_item_copy_nothing() -> None:
    count, size = 512, 32_768
    offsets = (32 * count).to_bytes(32, "big") * count
    body = offsets + size.to_bytes(32, "big") + bytes(size)
    data = (32).to_bytes(32, "big") + count.to_bytes(32, "big") + body
    tracemalloc.start()
    try:
        with pytest.raises(abi.AbiError, match="canonical form"):
            abi.decode(("bytes[]",), data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * len(data)  # once for each item would be 16 MB


def test_known_selectors() -> None:
    assert abi.selector("transfer(address,uint256)").hex() == "a9059cbb"
    assert abi.revert_reason("no")[:4].hex() == "08c379a0"
