"""Hostile bytes: each is one error with the right code, and none raises."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from node.rpc.jsonrpc import Call, Refused, encode_error, encode_result, parse

CALL = b'{"jsonrpc":"2.0","id":1,"method":"m","params":[]}'


def only(body: bytes) -> Call | Refused:
    requests = parse(body, 1_000)
    assert len(requests.items) == 1
    return requests.items[0]


def refused(body: bytes) -> tuple[int, Any]:
    item = only(body)
    assert isinstance(item, Refused), item
    json.loads(encode_error(item.id, item.error))
    return item.error.code, item.id


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b"\x00",
        b"\xff\xfe{\x00}\x00",  # UTF-16, which json.loads would guess
        CALL.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + CALL,  # byte order mark
        b'{"jsonrpc":"2.0","id":NaN,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":[Infinity]}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":[-Infinity]}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":[1e400]}',
        b'{"jsonrpc":"2.0","id":1,"id":2,"method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":[{"a":1,"a":1}]}',
        b'{"jsonrpc":"2.0","id":"\\ud800","method":"m"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\\uDFFF"}',
        b'{"jsonrpc":"2.0","id":"\xed\xa0\x80","method":"m"}',  # the same in raw bytes
        b'{"jsonrpc":"2.0","id":"\xc0\xaf","method":"m"}',  # overlong UTF-8
        b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"method":"m"}',
        b"[" * 65 + b"]" * 65,
        b"[" * 100_000,
        b'{"a":' * 200_000,
        b'{"jsonrpc":"2.0","id":1,"method":"m","params":[' + b"[" * 900 + b"]" * 900 + b"]}",
        CALL + CALL,
        CALL + b"x",
        b'{"jsonrpc":"2.0","id":1,"method":"m",}',
        b"{'jsonrpc':'2.0'}",
        b'{"jsonrpc":"2.0","id":1,"method":"a\nb"}',
        b'{"jsonrpc":"2.0","id":01,"method":"m"}',
    ],
    ids=range(29),
)
def test_not_json_is_a_parse_error(body: bytes) -> None:
    assert refused(body) == (-32700, None)


@pytest.mark.parametrize(
    ("body", "identifier"),
    [
        (b"1", None),
        (b"null", None),
        (b'"text"', None),
        (b"{}", None),
        (b"[]", None),
        (b'{"id":1,"method":"m"}', 1),
        (b'{"jsonrpc":"1.0","id":1,"method":"m"}', 1),
        (b'{"jsonrpc":2.0,"id":1,"method":"m"}', 1),
        (b'{"jsonrpc":"2.0","id":7}', 7),
        (b'{"jsonrpc":"2.0","id":"a","method":1}', "a"),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":1}', 1),
        (b'{"jsonrpc":"2.0","id":1,"method":"m","params":"x"}', 1),
        (b'{"jsonrpc":"2.0","id":true,"method":"m"}', None),
        (b'{"jsonrpc":"2.0","id":1.5,"method":"m"}', None),
        (b'{"jsonrpc":"2.0","id":{},"method":"m"}', None),
        (b'{"jsonrpc":"2.0","id":"' + b"x" * 300 + b'","method":"m"}', None),
    ],
)
def test_json_that_is_no_request(body: bytes, identifier: Any) -> None:
    assert refused(body) == (-32600, identifier)


def test_named_parameters_are_invalid_parameters() -> None:
    assert refused(b'{"jsonrpc":"2.0","id":1,"method":"m","params":{"a":1}}') == (-32602, 1)


@pytest.mark.parametrize(
    ("body", "call"),
    [
        (CALL, Call(id=1, method="m", params=[], notification=False)),
        (b'{"jsonrpc":"2.0","id":null,"method":"m"}', Call(None, "m", [], notification=False)),
        (b'{"jsonrpc":"2.0","method":"m"}', Call(None, "m", [], notification=True)),
        (
            b'{"jsonrpc":"2.0","id":"\\ud83d\\ude00","method":"m","params":null}',
            Call("😀", "m", [], notification=False),
        ),
        (
            b' {"method":"m","params":["[[[","\\"]"],"id":0,"jsonrpc":"2.0"}\n',
            Call(0, "m", ["[[[", '"]'], notification=False),
        ),
    ],
)
def test_requests(body: bytes, call: Call) -> None:
    assert only(body) == call


def test_brackets_in_strings_do_not_count_as_depth() -> None:
    text = "[" * 500 + '\\"{'
    body = b'{"jsonrpc":"2.0","id":1,"method":"m","params":["' + text.encode() + b'"]}'
    assert isinstance(only(body), Call)


def test_batches() -> None:
    mixed = parse(b"[" + CALL + b",1,{}," + CALL + b"]", 1_000)
    assert mixed.batch
    assert [type(item) for item in mixed.items] == [Call, Refused, Refused, Call]
    full = b"[" + b",".join([CALL] * 1_000) + b"]"
    assert len(parse(full, 1_000).items) == 1_000
    assert refused(full[:-1] + b"," + CALL + b"]") == (-32600, None)


def test_answers_are_ascii_json() -> None:
    answer = encode_result("é\u2028😀", {"x": "ü"})
    assert json.loads(answer.decode("ascii")) == {
        "jsonrpc": "2.0",
        "id": "é\u2028😀",
        "result": {"x": "ü"},
    }


def test_random_bytes_never_raise() -> None:
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    pieces = [
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b"\\u",
        b"d8",
        b"00",
        b":",
        b",",
        b"1",
        b"e9",
        b"NaN",
        b"-",
        b"null",
        b'"id"',
        b'"method"',
        b'"2.0"',
        b"\xff",
        b" ",
        CALL,
    ]
    for _ in range(3_000):
        body = b"".join(chance.choices(pieces, k=chance.randrange(12)))
        for item in parse(body, 10).items:
            assert isinstance(item, Call | Refused)
