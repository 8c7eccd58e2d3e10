"""One strict parser for each kind of parameter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from node.rpc import parse
from node.rpc.errors import InvalidParamsError
from node.rpc.method import Method, arguments
from node.rpc.parse import BlockRef

HASH = "0x" + "ab" * 32
ADDRESS = "0x" + "Cd" * 20

GOOD: list[tuple[Callable[[Any], Any], Any, Any]] = [
    (parse.quantity, "0x0", 0),
    (parse.quantity, "0xfF", 255),
    (parse.quantity, "0x" + "f" * 64, 2**256 - 1),
    (parse.number64, "0xffffffffffffffff", 2**64 - 1),
    (parse.count, 3, 3),
    (parse.count, "0x3", 3),
    (parse.data, "0x", b""),
    (parse.data, "0x00fF", b"\x00\xff"),
    (parse.address, ADDRESS, b"\xcd" * 20),
    (parse.hash32, HASH, b"\xab" * 32),
    (parse.slot, "0x00", 0),
    (parse.slot, "0x" + "0" * 63 + "1", 1),
    (parse.block, "latest", BlockRef(tag="latest")),
    (parse.block, "0x10", BlockRef(number=16)),
    (parse.block, HASH, BlockRef(hash=b"\xab" * 32)),
    (parse.block, {"blockHash": HASH, "requireCanonical": True}, BlockRef(hash=b"\xab" * 32)),
    (parse.block, {"blockNumber": "0x1"}, BlockRef(number=1)),
    (parse.block, {"blockNumber": "safe"}, BlockRef(tag="safe")),
]

QUANTITY_TRAPS: list[Any] = [
    "0x_1", "0X1", " 0x1", "0x1 ", "0x1\n", "-0x1", "0x-1", "+0x1", "0x", "", "1", "0x01", "0x00", "0xg", "0x\uff11",
    "0x\u0661", "0x1_0", "0x" + "f" * 65, 1, 1.0, True, None, [], {}, ["0x1"],
]  # fmt: skip
DATA_TRAPS: list[Any] = [
    "",
    "00",
    "0x0",
    "0x0 0",
    "0x 00",
    "0x00\n",
    "0X00",
    "0x\uff10\uff10",
    "0xzz",
    0,
    None,
    [],
    True,
]
BLOCK_TRAPS: list[Any] = [
    "Latest", "newest", "", 1, None, [], {}, {"blockHash": HASH, "blockNumber": "0x1"},
    {"blockHash": "0x1"}, {"blockNumber": 1}, {"blockHash": HASH, "requireCanonical": 1}, HASH[:-1],
    "0x10000000000000000",
]  # fmt: skip
FILTER_TRAPS: list[Any] = [
    [], None, "latest", {"topics": HASH}, {"topics": [1]}, {"topics": [None] * 5}, {"address": "0x1"},
    {"fromBlock": 1}, {"blockHash": HASH, "fromBlock": "0x1"}, {"address": [ADDRESS] * 1_001},
    {"topics": [[HASH] * 1_001]},
]  # fmt: skip
BAD: list[tuple[Callable[[Any], Any], Any]] = [
    *((parse.quantity, value) for value in QUANTITY_TRAPS),
    *((parse.number64, value) for value in [*QUANTITY_TRAPS, "0x10000000000000000"]),
    *((parse.count, value) for value in [-1, True, 1.0, "1", "0x01", 2**64]),
    *((parse.data, value) for value in DATA_TRAPS),
    *((parse.address, value) for value in [*DATA_TRAPS, "0x", HASH, ADDRESS + "0"]),
    *((parse.hash32, value) for value in [*DATA_TRAPS, "0x", ADDRESS]),
    *((parse.slot, value) for value in ["0x", "", "1", "0x" + "0" * 65, "0x_1", "0x1\n", 1, None]),
    *((parse.boolean, value) for value in [0, 1, "true", None]),
    *((parse.block, value) for value in BLOCK_TRAPS),
    *((parse.log_filter, value) for value in FILTER_TRAPS),
]  # fmt: skip


@pytest.mark.parametrize(("parser", "value", "want"), GOOD)
def test_good(parser: Callable[[Any], Any], value: Any, want: Any) -> None:
    assert parser(value) == want


def test_bad() -> None:
    for parser, value in BAD:
        with pytest.raises(ValueError, match=r"[a-z]"):
            print(parser.__name__, repr(value), "->", parser(value))


def test_log_filter() -> None:
    parsed = parse.log_filter(
        {
            "fromBlock": "earliest",
            "address": ADDRESS,
            "topics": [None, HASH, [HASH, HASH], [HASH, None]],
        }
    )
    assert parsed.from_block == BlockRef(tag="earliest")
    assert parsed.to_block is None
    assert parsed.addresses == (b"\xcd" * 20,)
    assert parsed.topics == ((), (b"\xab" * 32,), (b"\xab" * 32,) * 2, ())


def test_arguments() -> None:
    row = Method(lambda _node: None, (parse.address,), (parse.block, parse.boolean))
    assert arguments(row, [ADDRESS]) == [b"\xcd" * 20]
    assert arguments(row, [ADDRESS, None]) == [b"\xcd" * 20]
    assert arguments(row, [ADDRESS, None, True]) == [b"\xcd" * 20, None, True]
    cases: list[tuple[list[Any], str]] = [
        ([], "missing value for required argument 0"),
        ([None], "missing value for required argument 0"),
        ([ADDRESS, "latest", True, 1], "too many arguments, want at most 3"),
        ([ADDRESS, "0x01"], "invalid argument 1: hex number with leading zero digits"),
        ([1], "invalid argument 0: bytes must be a hex string"),
    ]
    for params, message in cases:
        with pytest.raises(InvalidParamsError) as caught:
            arguments(row, params)
        assert (caught.value.code, caught.value.message) == (-32602, message)
