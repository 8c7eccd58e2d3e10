"""Write the vectors of page 05: `python -m tests.spec.generate_block_vectors`.

Hashes and encodings come from pyrlp, eth-account and plain integers, not from `vm`; only the
chain of B-13, whose blocks nothing else can build, comes from the node itself.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import rlp
from eth_account import Account
from eth_utils.crypto import keccak

from tests.spec import block_cases
from tests.spec.block_chain import chain_vector

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors" / "05-blocks"
Case = dict[str, Any]
KEY = bytes(31) + b"\x01"
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def header_items(**changes: bytes) -> list[bytes]:
    items = dict(block_cases.HEADER)
    items.update(changes)
    return list(items.values())


def headers() -> list[Case]:
    """B-1: one good header, and every way to write it badly."""
    good = rlp.encode(header_items())
    cases: list[Case] = [{"rule": "B-1", "header": good.hex(), "hash": keccak(good).hex()}]
    bad = [good[:-1], good + b"\x00", rlp.encode(header_items()[:-1])]
    bad += [
        rlp.encode(header_items(**{name: value})) for name, value in block_cases.BAD_HEADER_FIELDS
    ]
    cases += [{"rule": "B-1", "header": data.hex(), "refused": True} for data in bad]
    return cases


def signed(fields: Case) -> bytes:
    return bytes(Account.sign_transaction(fields, KEY).raw_transaction)


def transactions() -> list[Case]:
    """B-2 and B-3: each type, and each way to be refused."""
    sender = Account.from_key(KEY).address[2:].lower()
    cases: list[Case] = []
    for fields in block_cases.TRANSACTIONS:
        raw = signed(fields)
        prefix = raw[:1] if raw[0] < 0x80 else b""
        cases.append({"rule": "B-3", "raw": raw.hex(), "hash": keccak(raw).hex(), "sender": sender})
        items = rlp.decode(raw[len(prefix) :])
        mirrored = ORDER - int.from_bytes(items[-1], "big")
        parity = int.from_bytes(items[-3], "big")
        flipped = parity ^ 1 if prefix else parity + (1 if parity % 2 else -1)
        refused = [
            raw + b"\x00",
            raw[:-1],
            prefix + rlp.encode([*items[:-1], mirrored.to_bytes(32, "big")]),
            prefix
            + rlp.encode(
                [*items[:-3], rlp.sedes.big_endian_int.serialize(flipped), items[-2],
                 mirrored.to_bytes(32, "big")]
            ),
            prefix + rlp.encode([*items[:-1], b""]),
            prefix + rlp.encode([*items[:-2], b"", items[-1]]),
            prefix + rlp.encode([*items[:-3], b"\x02", *items[-2:]]),
            prefix + rlp.encode([b"\x00" + items[0], *items[1:]]),
            prefix + rlp.encode(items[1:]),
        ]  # fmt: skip
        cases += [{"rule": "B-3", "raw": data.hex(), "refused": True} for data in refused]
    cases += [{"rule": "B-3", "raw": raw, "refused": True} for raw in ("", "05c0", "80", "02")]
    header, legacy = header_items(), signed(block_cases.TRANSACTIONS[0])
    listed = [header, [rlp.decode(legacy)], [], []]
    cases.append({"rule": "B-2", "block": rlp.encode(listed).hex(), "transactions": 1})
    for body in ([header, [legacy], [], []], [header, [], [header], []], [header, [], []]):
        cases.append({"rule": "B-2", "block": rlp.encode(body).hex(), "refused": True})
    return cases


def receipts() -> list[Case]:
    """B-4, with the bloom filter computed bit by bit."""
    cases = []
    for kind, status, used, logs in block_cases.RECEIPTS:
        bloom = 0
        for address, topics, _ in logs:
            for value in (address, *topics):
                digest = keccak(value)
                for at in (0, 2, 4):
                    bloom |= 1 << (int.from_bytes(digest[at : at + 2], "big") % 2048)
        payload = rlp.encode([status, used, bloom.to_bytes(256, "big"), logs])
        cases.append(
            {
                "rule": "B-4",
                "type": kind,
                "status": status,
                "cumulative_gas_used": used,
                "logs": [
                    {"address": a.hex(), "topics": [t.hex() for t in topics], "data": d.hex()}
                    for a, topics, d in logs
                ],
                "encoded": ((bytes((kind,)) if kind else b"") + payload).hex(),
            }
        )
    return cases


def requests() -> list[Case]:
    """B-8: the hash, and the deposit layout."""
    lists: list[list[bytes]] = [[], [b"\x01abc"], [b"\x00a", b"\x02b", b"\xa1" + bytes(45)]]
    cases: list[Case] = [
        {
            "rule": "B-8",
            "requests": [request.hex() for request in items],
            "hash": sha256(b"".join(sha256(item).digest() for item in items)).hexdigest(),
        }
        for items in lists
    ]
    good = block_cases.deposit_event()
    cases.append({"rule": "B-8", "event": good.hex(), "deposit": block_cases.DEPOSIT.hex()})
    for position in (31, 63, 95, 127, 159, 191, 287, 351, 415, 543):
        bad = good[:position] + bytes((good[position] ^ 0x20,)) + good[position + 1 :]
        cases.append({"rule": "B-8", "event": bad.hex(), "refused": True})
    cases.append({"rule": "B-8", "event": good[:-32].hex(), "refused": True})
    return cases


def write(name: str, cases: list[Case]) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"page": "05-blocks", "cases": cases}, indent=1)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


def main() -> None:
    """Write every file of the page."""
    write("headers", headers())
    write("transactions", transactions())
    write("receipts", receipts())
    write("requests", requests())
    write("validity", block_cases.validity(KEY))
    write("fees", block_cases.fees())
    write("settlement", block_cases.settlements())
    write("judgement", block_cases.judgements())
    write("evm", block_cases.evm())
    write("chain", [chain_vector()])


if __name__ == "__main__":
    main()
