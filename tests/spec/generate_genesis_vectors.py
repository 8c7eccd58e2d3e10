"""Writes docs/spec/vectors/09-genesis and 10-export.

State roots and block hashes of 09 come from the `trie` and `rlp` libraries, not from the code
under test; the export of 10 is written with `struct` and `rlp` from a chain's raw parts.

Run: python -m tests.spec.generate_genesis_vectors
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import rlp
from blake3 import blake3
from Crypto.Hash import keccak as keccak_module
from trie import HexaryTrie

from genesis.spec import TEMPLATES, ChainSpec, template
from node.chain import Chain
from tests.support.chains import TestChain, around, transfer

VECTORS = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors"
FIXTURE_CODES = {
    "0x000f3df6d732807ef1319fb7b8bb8522d0beac02": (
        "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f3580156049576200"
        "1fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f359062001f"
        "ff015500"
    ),
    "0x0000f90827f1c53a10cb7a02335b175320002935": (
        "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257611fff"
        "81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
    ),
}


def keccak(data: bytes) -> bytes:
    return keccak_module.new(data=data, digest_bits=256).digest()


def system_codes() -> dict[str, str]:
    """Address to code, the larger two as this project carries them."""
    from genesis.alloc import (
        CONSOLIDATION_REQUESTS_ADDRESS,
        CONSOLIDATION_REQUESTS_CODE,
        WITHDRAWAL_REQUESTS_ADDRESS,
        WITHDRAWAL_REQUESTS_CODE,
    )

    return {
        **FIXTURE_CODES,
        "0x" + WITHDRAWAL_REQUESTS_ADDRESS.hex(): WITHDRAWAL_REQUESTS_CODE.hex(),
        "0x" + CONSOLIDATION_REQUESTS_ADDRESS.hex(): CONSOLIDATION_REQUESTS_CODE.hex(),
    }


def storage_root(words: dict[str, Any]) -> bytes:
    trie = HexaryTrie({})
    for slot, value in words.items():
        trie[keccak(int(str(slot), 0).to_bytes(32, "big"))] = rlp.encode(int(str(value), 0))
    return bytes(trie.root_hash)


def state_root(table: dict[str, Any]) -> bytes:
    accounts: dict[str, dict[str, Any]] = {
        address: {"nonce": 1, "code": "0x" + code} for address, code in system_codes().items()
    }
    if table["ai"]:
        for last in ("a100", "a110"):
            accounts["0x" + "00" * 18 + last] = {"code": "0xfe"}
    accounts.update(table["alloc"])
    trie = HexaryTrie({})
    for address, account in accounts.items():
        code = bytes.fromhex(account.get("code", "0x")[2:])
        trie[keccak(bytes.fromhex(address[2:]))] = rlp.encode(
            [
                account.get("nonce", 0),
                int(account.get("balance", "0")),
                storage_root(account.get("storage", {})),
                keccak(code),
            ]
        )
    return bytes(trie.root_hash)


def genesis_header(table: dict[str, Any]) -> bytes:
    chosen = table["genesis"]
    validators = [bytes.fromhex(item[2:]) for item in table["consensus"]["validators"]]
    sealed = table["consensus"]["engine"] == "qbft"
    empty = keccak(rlp.encode(b""))

    def octets(name: str) -> bytes:
        return bytes.fromhex(chosen[name][2:])

    return bytes(
        rlp.encode(
            [
                bytes(32),
                keccak(rlp.encode([])),
                octets("coinbase"),
                state_root(table),
                empty,
                empty,
                bytes(256),
                chosen["difficulty"],
                0,
                chosen["gas_limit"],
                0,
                chosen["timestamp"],
                keccak(rlp.encode(validators)) if sealed else octets("extra_data"),
                octets("prev_randao"),
                octets("nonce"),
                chosen["base_fee"],
                empty,
                chosen["blob_gas_used"],
                chosen["excess_blob_gas"],
                octets("parent_beacon_block_root"),
                bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ]
        )
    )


ONE = "0x" + "11" * 20
TWO = "0x" + "22" * 20
PLAIN = 'name = "plain"\nchain_id = 7\nai = false\n[consensus]\nengine = "none"\n'
SEALED = f'name = "sealed"\nchain_id = 8\n[consensus]\nvalidators = ["{TWO}", "{ONE}"]\n'
SEALED += "[blobs]\nmax_blobs = 0\ntarget_blobs = 0\n"
SMALL = "[limits]\nmodel_bytes = 65536000\noperators = 100\n"
ALLOC = f"""[alloc.{ONE}]
balance = "340282366920938463463374607431768211456"
[alloc.{TWO}]
nonce = 1
code = "0x6001600255"
storage = {{ "0x0" = 5, "115" = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff" }}
"""
ACCEPTED = [
    PLAIN,
    PLAIN + '[genesis]\nextra_data = "0x0102"\ntimestamp = "0x64"\ngas_limit = "5000"\n' + ALLOC,
    SEALED + SMALL,
    SEALED + SMALL + ALLOC,
    json.dumps({"name": "json", "chain_id": 9, "ai": False, "consensus": {"engine": "none"}}),
]
REFUSED = [
    PLAIN.replace('name = "plain"\n', ""),
    PLAIN.replace("chain_id = 7\n", ""),
    PLAIN.replace("chain_id = 7", "chain_id = 0"),
    PLAIN.replace("chain_id = 7", "chain_id = 7.0"),
    PLAIN.replace("chain_id = 7", 'chain_id = "07"'),
    PLAIN.replace("chain_id = 7", 'chain_id = "0x07"'),
    PLAIN.replace("chain_id = 7", 'chain_id = " 7"'),
    PLAIN + 'validators = ["' + ONE + '"]\n',
    PLAIN + "[colour]\n",
    PLAIN + "[rules]\nblock_gas = 1\n",
    PLAIN + '[genesis]\nextra_data = "0x010"\n',
    PLAIN + f"[genesis]\nextra_data = '0x{'00' * 33}'\n",
    PLAIN + "[alloc.0x11]\nbalance = 1\n",
    PLAIN + f"[alloc.{'0x' + 'ab' * 20}]\n[alloc.{'0x' + 'AB' * 20}]\n",
    PLAIN + f"[alloc.{ONE}]\nbalance = {2**256}\n",
    SEALED + SMALL + '[genesis]\nextra_data = "0x"\n',
    SEALED.replace(TWO, ONE) + SMALL,
    '{"name": "a", "name": "b", "chain_id": 1}',
    '{"name": "a", "chain_id": NaN}',
    "name = ",
]
RESERVED = [
    PLAIN + '[alloc.0x000f3df6d732807ef1319fb7b8bb8522d0beac02]\ncode = "0x00"\n',
    SEALED + SMALL + f'[alloc.0x{"00" * 18}a100]\ncode = "0x00"\n',
]
UNFIT = [
    SEALED.replace("max_blobs = 0", "max_blobs = 6") + SMALL,
    SEALED + SMALL + "[genesis]\ngas_limit = 4999\n",
    SEALED + SMALL + "[rules]\nbase_fee_change_denominator = 0\n",
    SEALED + SMALL + "[prices.cost_class_q16]\nsteps = 1\n",
    SEALED + SMALL + "[prices]\nstored_byte_gas = 85\n",
    SEALED + SMALL + "[genesis]\ngas_limit = 5000000\n",
    SEALED + "[limits]\nmodel_bytes = 1073741824\noperators = 100\n",
    SEALED + "[limits]\nmodel_bytes = 65536000\noperators = 100000\n",
    SEALED + SMALL + "head_bytes = 8388608\n",
    SEALED.replace("[blobs]", "period_seconds = 10\n[blobs]") + SMALL,
]


def genesis_cases() -> list[dict[str, Any]]:
    cases: list[dict[str, Any]] = []
    texts = ACCEPTED + [template(name).to_json() for name in TEMPLATES]
    for text in texts:
        canonical = ChainSpec.from_text(text).to_json()
        header = genesis_header(json.loads(canonical))
        cases += [
            {"rule": "N-1", "text": text, "refused": False},
            {"rule": "N-2", "text": text, "canonical": canonical},
            {"rule": "N-4", "text": text, "header": "0x" + header.hex()},
        ]
    for name in TEMPLATES:
        table = json.loads(template(name).to_json())
        genesis_hash = keccak(genesis_header(table)).hex()
        cases.append({"rule": "N-4", "template": name, "hash": "0x" + genesis_hash})
    cases += [{"rule": "N-1", "text": text, "refused": True} for text in REFUSED]
    for address, code in system_codes().items():
        cases.append({"rule": "N-3", "address": address, "nonce": 1, "code": "0x" + code})
    for last in ("a100", "a110"):
        stub = {"rule": "N-3", "address": "0x" + "00" * 18 + last, "nonce": 0, "code": "0xfe"}
        cases.append(stub)
    cases += [{"rule": "N-3", "text": text, "refused": True} for text in RESERVED]
    cases += [{"rule": "N-5", "text": text, "refused": False} for text in texts]
    cases += [{"rule": "N-5", "text": text, "refused": True} for text in UNFIT]
    return cases


# ---------------------------------------------------------------- export files


def small_chain() -> TestChain:
    from node.storage.memory import MemoryStore
    from tests.support.chains import ADDRESSES

    alloc = f"[alloc.0x{ADDRESSES[0].hex()}]\nbalance = 1000000000000000000\n"
    text = (
        'name = "export"\nchain_id = 31337\nai = false\n[consensus]\n'
        'validators = ["0x8c8d35429f74ec245f8ef2f4fd1e551cff97d650"]\n'
        "[blobs]\nmax_blobs = 0\ntarget_blobs = 0\n" + alloc
    )
    made = around(Chain.create(ChainSpec.from_text(text), MemoryStore()))
    made.mine(transfer(0, 0))
    made.mine()
    return made


def frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">BI", kind, len(payload)) + payload


def export_parts(chain: Chain) -> list[bytes]:
    spec = chain.spec.to_json().encode()
    blocks = [chain.block_by_number(number) for number in (1, 2)]
    first, second = (block for block in blocks if block is not None)
    own = [chain.certificate(block.hash) for block in (first, second)]
    first_certificate, last_certificate = (item.encode() for item in own if item is not None)
    return [
        b"engram chain\x01",
        frame(1, rlp.encode([chain.genesis_hash, 1, 2, spec])),
        frame(2, rlp.encode([first.encode(), b"", b""])),
        frame(2, rlp.encode([second.encode(), first_certificate, b""])),
        frame(3, last_certificate),
    ]


def closed(parts: list[bytes]) -> bytes:
    content = b"".join(parts)
    return content + frame(4, blake3(content).digest())


def export_cases() -> list[dict[str, Any]]:
    chain = small_chain().chain
    parts = export_parts(chain)
    good = closed(parts)
    start, one, two, last = parts[1:]
    magic = parts[0]
    foreign = closed(
        [magic, frame(1, rlp.encode([bytes(32), 1, 2, chain.spec.to_json()])), *parts[2:]]
    )
    flipped = bytearray(good)
    flipped[-1] ^= 1
    late = closed(
        [magic, frame(1, rlp.encode([chain.genesis_hash, 2, 2, chain.spec.to_json()])), two, last]
    )
    none = closed(
        [
            magic,
            frame(1, rlp.encode([chain.genesis_hash, 1, 0, chain.spec.to_json()])),
            frame(3, b""),
        ]
    )
    bad_block = bytearray(two)
    bad_block[200] ^= 1

    def case(rule: str, content: bytes, head: int | None, *, accepted: bool) -> dict[str, Any]:
        """``head`` is the height that an import into a new data directory leaves."""
        return {"rule": rule, "file": "0x" + content.hex(), "accepted": accepted, "head": head}

    return [
        case("X-1", good, 2, accepted=True),
        case("X-1", none, 0, accepted=True),
        case("X-1", good + b"\x00", 2, accepted=False),
        case("X-1", closed([magic, start, two, one, last]), 0, accepted=False),
        case("X-1", closed([magic, start, one, two, two, last]), 1, accepted=False),
        case("X-1", closed([magic, start, one, last]), 0, accepted=False),
        case("X-1", closed([b"engram chain\x02", *parts[1:]]), None, accepted=False),
        case("X-1", closed([magic, one, start]), None, accepted=False),
        case("X-2", b"".join([magic, start, one]), 0, accepted=False),
        case("X-2", b"".join([magic, start, one, two]), 1, accepted=False),
        case("X-2", closed([magic, start, one, two]), 1, accepted=False),
        case("X-3", bytes(flipped), 2, accepted=False),
        case("X-3", good[:-1], 2, accepted=False),
        case("X-3", good[:-37], 2, accepted=False),
        case("X-4", closed([magic, start, one, bytes(bad_block), last]), 1, accepted=False),
        case("X-4", closed([magic, start, one, two, frame(3, b"")]), 1, accepted=False),
        case("X-5", foreign, None, accepted=False),
        case("X-5", late, 0, accepted=False),
    ]


def write(page: str, cases: list[dict[str, Any]]) -> None:
    folder = VECTORS / page
    folder.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join("  " + json.dumps(case) for case in cases)
    text = f'{{\n "page": "{page}.md",\n "cases": [\n{lines}\n ]\n}}\n'
    (folder / "cases.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write("09-genesis", genesis_cases())
    write("10-export", export_cases())
