"""Writes docs/spec/vectors/08-consensus with other libraries than the code under test uses.

Run: python -m tests.spec.generate_consensus_vectors
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import rlp
from Crypto.Hash import keccak as keccak_module
from eth_keys.backends.native.main import NativeECCBackend
from eth_keys.main import KeyAPI

OUT = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors" / "08-consensus"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
API = KeyAPI(NativeECCBackend())  # pure Python, not coincurve


def keccak(data: bytes) -> bytes:
    return keccak_module.new(data=data, digest_bits=256).digest()


KEYS = sorted(
    (API.PrivateKey(keccak(b"validator %d" % index)) for index in range(7)),
    key=lambda key: key.public_key.to_canonical_address(),
)
ADDRESSES = [key.public_key.to_canonical_address() for key in KEYS]
BLOCK = keccak(b"a block")


def hexed(data: bytes) -> str:
    return "0x" + data.hex()


def digest(height: int, round_: int, block: bytes) -> bytes:
    return keccak(b"engram commit" + rlp.encode([height, round_, block]))


def seal(key: Any, height: int, round_: int, block: bytes) -> bytes:
    return bytes(key.sign_msg_hash(digest(height, round_, block)).to_bytes())


def certificate(height: int, round_: int, block: bytes, seals: list[bytes]) -> bytes:
    return bytes(rlp.encode([height, round_, block, seals]))


def quorums() -> list[dict[str, Any]]:
    table = {1: (0, 1), 2: (0, 2), 3: (0, 2), 4: (1, 3), 5: (1, 4), 6: (1, 4), 7: (2, 5)}
    table |= {10: (3, 7), 100: (33, 67), 256: (85, 171)}
    return [
        {"rule": "C-1", "validators": n, "faults": f, "quorum": q} for n, (f, q) in table.items()
    ]


def sets() -> list[dict[str, Any]]:
    cases = []
    for size in (1, 4, 7):
        chosen = ADDRESSES[:size]
        cases.append(
            {
                "rule": "C-2",
                "addresses": [hexed(item) for item in reversed(chosen)],
                "extra_data": hexed(keccak(rlp.encode(chosen))),
            }
        )
    return cases


def encodings() -> list[dict[str, Any]]:
    good = seal(KEYS[0], 9, 2, BLOCK)
    plain = certificate(9, 2, BLOCK, [good])
    cases = [
        {"rule": "C-3", "bytes": hexed(plain), "hash": hexed(keccak(plain))},
        {
            "rule": "C-3",
            "bytes": hexed(certificate(2**64 - 1, 0, BLOCK, [good, good])),
            "hash": hexed(keccak(certificate(2**64 - 1, 0, BLOCK, [good, good]))),
        },
    ]
    bad = [
        plain + b"\x00",
        plain[:-1],
        b"",
        rlp.encode([9, 2, BLOCK]),
        rlp.encode([9, 2, BLOCK, [good], b""]),
        rlp.encode([b"\x00\x09", 2, BLOCK, [good]]),
        rlp.encode([2**64, 2, BLOCK, [good]]),
        rlp.encode([9, 2, BLOCK[1:], [good]]),
        rlp.encode([9, 2, BLOCK, [good[1:]]]),
        rlp.encode([9, 2, BLOCK, good]),
    ]
    return cases + [{"rule": "C-3", "bytes": hexed(item), "malformed": True} for item in bad]


def seals() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = []
    for index, (height, round_) in enumerate([(1, 0), (9, 2), (2**32, 300)]):
        signature = seal(KEYS[index], height, round_, BLOCK)
        s = ORDER - int.from_bytes(signature[32:64], "big")
        high = signature[:32] + s.to_bytes(32, "big") + bytes([signature[64] ^ 1])
        common = {"rule": "C-4", "height": height, "round": round_, "block_hash": hexed(BLOCK)}
        cases += [
            {
                **common,
                "key": hexed(KEYS[index].to_bytes()),
                "digest": hexed(digest(height, round_, BLOCK)),
                "seal": hexed(signature),
                "address": hexed(ADDRESSES[index]),
            },
            {**common, "seal": hexed(high), "refused": True},
            {**common, "seal": hexed(signature[:64] + b"\x1b"), "refused": True},
            {**common, "seal": hexed(bytes(65)), "refused": True},
        ]
    return cases


def verifications() -> list[dict[str, Any]]:
    def case(items: list[bytes], size: int, *, final: bool, round_: int = 2) -> dict[str, Any]:
        return {
            "rule": "C-5",
            "certificate": hexed(certificate(9, round_, BLOCK, items)),
            "height": 9,
            "block_hash": hexed(BLOCK),
            "validators": [hexed(item) for item in ADDRESSES[:size]],
            "final": final,
        }

    four = [seal(key, 9, 2, BLOCK) for key in KEYS[:4]]
    outsider = seal(KEYS[6], 9, 2, BLOCK)
    cases = [
        case([seal(KEYS[0], 9, 2, BLOCK)], 1, final=True),
        case(four[:3], 4, final=True),
        case(four[1:], 4, final=True),
        case([four[0], four[2], four[3]], 4, final=True),
        case(four[:2], 4, final=False),
        case(four, 4, final=False),
        case([four[1], four[0], four[2]], 4, final=False),
        case([four[0], four[0], four[1]], 4, final=False),
        case([*four[:2], outsider], 4, final=False),
        case(four[:3], 4, final=False, round_=3),
        case([], 4, final=False),
    ]
    wrong_height = {**case(four[:3], 4, final=False), "height": 10}
    wrong_block = {**case(four[:3], 4, final=False), "block_hash": hexed(keccak(b"other"))}
    return [*cases, wrong_height, wrong_block]


def randao() -> list[dict[str, Any]]:
    cases = []
    value = bytes(32)
    for height in range(1, 4):
        parent = keccak(b"block %d" % (height - 1))
        following = keccak(b"engram randao" + value + parent)
        cases.append(
            {
                "rule": "C-6",
                "parent_prev_randao": hexed(value),
                "parent_hash": hexed(parent),
                "prev_randao": hexed(following),
            }
        )
        value = following
    return cases


def header(fields: dict[str, Any]) -> list[Any]:
    base: dict[str, Any] = {
        "parent_hash": bytes(32),
        "ommers_hash": keccak(rlp.encode([])),
        "coinbase": bytes(20),
        "state_root": keccak(rlp.encode(b"")),
        "transactions_root": keccak(rlp.encode(b"")),
        "receipts_root": keccak(rlp.encode(b"")),
        "logs_bloom": bytes(256),
        "difficulty": 0,
        "number": 0,
        "gas_limit": 30_000_000,
        "gas_used": 0,
        "timestamp": 100,
        "extra_data": keccak(rlp.encode(ADDRESSES[:4])),
        "prev_randao": bytes(32),
        "nonce": bytes(8),
        "base_fee": 10**9,
        "withdrawals_root": keccak(rlp.encode(b"")),
        "blob_gas_used": 0,
        "excess_blob_gas": 0,
        "parent_beacon_block_root": bytes(32),
        "requests_hash": bytes.fromhex(
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        ),
    }
    return list({**base, **fields}.values())


def headers() -> list[dict[str, Any]]:
    genesis = rlp.encode(header({}))

    def follow(parent: bytes, number: int, randao_of: bytes, /, **changes: Any) -> bytes:
        fields: dict[str, Any] = {
            "parent_hash": keccak(parent),
            "number": number,
            "timestamp": 100 + number,
            "prev_randao": keccak(b"engram randao" + randao_of + keccak(parent)),
        }
        return bytes(rlp.encode(header({**fields, **changes})))

    first = follow(genesis, 1, bytes(32))
    first_randao = keccak(b"engram randao" + bytes(32) + keccak(genesis))
    sealed = certificate(1, 0, keccak(first), [seal(k, 1, 0, keccak(first)) for k in KEYS[:3]])
    short = certificate(1, 0, keccak(first), [seal(k, 1, 0, keccak(first)) for k in KEYS[:2]])
    other = certificate(1, 1, keccak(first), [seal(k, 1, 1, keccak(first)) for k in KEYS[:3]])

    def case(
        rule: str, parent: bytes, child: bytes, carried: bytes | None, outcome: str
    ) -> dict[str, Any]:
        return {
            "rule": rule,
            "validators": [hexed(item) for item in ADDRESSES[:4]],
            "parent": hexed(parent),
            "header": hexed(child),
            "parent_certificate": None if carried is None else hexed(carried),
            "outcome": outcome,
        }

    def second(root: bytes, **changes: Any) -> bytes:
        return follow(first, 2, first_randao, parent_beacon_block_root=root, **changes)

    good = second(keccak(sealed))
    return [
        case("C-7", genesis, first, None, "valid"),
        case("C-7", first, good, sealed, "valid"),
        case("C-7", first, second(keccak(other)), other, "valid"),
        case("C-7", first, good, None, "incomplete"),
        case("C-7", first, good, other, "incomplete"),
        case("C-7", first, second(keccak(short)), short, "invalid"),
        case(
            "C-7",
            genesis,
            follow(genesis, 1, bytes(32), parent_beacon_block_root=keccak(sealed)),
            None,
            "invalid",
        ),
        case("C-2", first, second(keccak(sealed), extra_data=b""), sealed, "invalid"),
        case("C-6", first, second(keccak(sealed), prev_randao=bytes(32)), sealed, "invalid"),
        case("C-8", first, second(keccak(sealed), number=3), sealed, "invalid"),
        case("C-8", first, second(keccak(sealed), parent_hash=BLOCK), sealed, "invalid"),
        case("C-8", first, second(keccak(sealed), timestamp=101), sealed, "invalid"),
        case("C-8", first, second(keccak(sealed), timestamp=102), sealed, "valid"),
        case("C-9", first, second(keccak(sealed), withdrawals_root=BLOCK), sealed, "invalid"),
    ]


FILES: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "certificates.json": lambda: [*encodings(), *seals(), *verifications()],
    "headers.json": lambda: [*randao(), *headers()],
    "validators.json": lambda: [*quorums(), *sets()],
}


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name, cases in FILES.items():
        lines = ",\n".join("  " + json.dumps(case) for case in cases())
        text = '{\n "page": "08-consensus.md",\n "cases": [\n' + lines + "\n ]\n}\n"
        (OUT / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
