"""Inputs and plain expectations for the vectors of page 05; nothing here imports `vm`."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from eth_account import Account

Case = dict[str, Any]

HEADER: dict[str, bytes] = {
    "parent_hash": b"\x01" * 32,
    "ommers_hash": bytes.fromhex(
        "1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347"
    ),
    "coinbase": b"\x02" * 20,
    "state_root": b"\x03" * 32,
    "transactions_root": b"\x04" * 32,
    "receipts_root": b"\x05" * 32,
    "logs_bloom": b"\x06" * 256,
    "difficulty": b"",
    "number": b"\x07",
    "gas_limit": bytes.fromhex("01c9c380"),
    "gas_used": bytes.fromhex("5208"),
    "timestamp": bytes.fromhex("6553f100"),
    "extra_data": b"\x08" * 32,
    "prev_randao": b"\x09" * 32,
    "nonce": bytes(8),
    "base_fee": bytes.fromhex("3b9aca00"),
    "withdrawals_root": b"\x0a" * 32,
    "blob_gas_used": bytes.fromhex("020000"),
    "excess_blob_gas": b"",
    "parent_beacon_block_root": b"\x0b" * 32,
    "requests_hash": b"\x0c" * 32,
}
BAD_HEADER_FIELDS: tuple[tuple[str, bytes], ...] = (
    ("parent_hash", b"\x01" * 31),
    ("coinbase", b"\x02" * 21),
    ("logs_bloom", b"\x06" * 255),
    ("number", b"\x00\x07"),
    ("number", b"\x01" + bytes(8)),
    ("gas_limit", b"\x01" + bytes(8)),
    ("timestamp", b"\x00"),
    ("base_fee", b"\x01" + bytes(32)),
    ("nonce", b""),
    ("requests_hash", b""),
)

_TO = "0x" + "11" * 20
_COMMON: Case = {"nonce": 3, "gas": 21_000, "to": _TO, "value": 5, "data": b"\x01\x02"}
_FEES: Case = {"maxFeePerGas": 9, "maxPriorityFeePerGas": 2, "chainId": 1}
_ACCESS: list[Any] = [{"address": "0x" + "22" * 20, "storageKeys": ["0x" + "07".zfill(64)]}]
_AUTHORIZATION = Account.sign_authorization(
    {"chainId": 1, "address": "0x" + "33" * 20, "nonce": 4}, bytes(31) + b"\x02"
)
TRANSACTIONS: tuple[Case, ...] = (
    {**_COMMON, "gasPrice": 9},
    {**_COMMON, "gasPrice": 9, "chainId": 1},
    {**_COMMON, "gasPrice": 9, "chainId": 1, "type": 1, "accessList": _ACCESS},
    {**_COMMON, **_FEES, "type": 2, "accessList": _ACCESS, "to": b""},
    {
        **_COMMON, **_FEES, "type": 3, "maxFeePerBlobGas": 7,
        "blobVersionedHashes": [b"\x01" + bytes(31)],
    },
    {**_COMMON, **_FEES, "type": 4, "authorizationList": [_AUTHORIZATION]},
)  # fmt: skip

_LOG = (b"\x01" * 20, (b"\x02" * 32, b"\x03" * 32), b"\x04" * 70)
RECEIPTS: tuple[tuple[int, int, int, list[Any]], ...] = (
    (0, 1, 21_000, []),
    (2, 0, 70_000, []),
    (4, 1, 2**40, [_LOG, (b"\x05" * 20, (), b"")]),
)

_DEPOSIT_FIELDS = (b"\x01" * 48, b"\x02" * 32, b"\x03" * 8, b"\x04" * 96, b"\x05" * 8)
DEPOSIT = b"".join(_DEPOSIT_FIELDS)


def deposit_event() -> bytes:
    """ABI encoding of five byte strings, as the deposit contract logs them."""
    head, tail, offset = b"", b"", 160
    for field in _DEPOSIT_FIELDS:
        head += offset.to_bytes(32, "big")
        padded = field + bytes(-len(field) % 32)
        tail += len(field).to_bytes(32, "big") + padded
        offset += 32 + len(padded)
    return head + tail


def validity(key: bytes) -> list[Case]:
    """B-5: a transaction, an account, a base fee, and whether it may be included."""
    base: Case = {**_COMMON, **_FEES, "type": 2, "gas": 50_000}
    rich = {"nonce": 3, "balance": str(10**18), "code": ""}
    rows: tuple[tuple[Case, Case, int, bool], ...] = (
        (base, rich, 7, True),
        (base, rich, 9, True),
        (base, rich, 10, False),
        (base, {**rich, "nonce": 2}, 7, False),
        (base, {**rich, "nonce": 4}, 7, False),
        (base, {**rich, "code": "00"}, 7, False),
        (base, {**rich, "code": "ef0100" + "33" * 20}, 7, True),
        (base, {**rich, "balance": str(50_000 * 9 + 5)}, 7, True),
        (base, {**rich, "balance": str(50_000 * 9 + 4)}, 7, False),
        ({**base, "chainId": 2}, rich, 7, False),
        ({**base, "maxPriorityFeePerGas": 10}, rich, 7, False),
        ({**base, "gas": 2**24}, rich, 7, True),
        ({**base, "gas": 2**24 + 1}, rich, 7, False),
        # Intrinsic: 21000 + 2 * 16, and 4800 + 1900 of access list are not there.
        ({**base, "gas": 21_000 + 80}, rich, 7, True),
        ({**base, "gas": 21_000 + 79}, rich, 7, False),  # floor: 10 for each of 8 tokens
        ({**base, "data": bytes(100), "gas": 21_000 + 1_000}, rich, 7, True),
        ({**base, "data": bytes(100), "gas": 21_000 + 999}, rich, 7, False),
        ({**base, "nonce": 2**64 - 1}, {**rich, "nonce": 2**64 - 1}, 7, False),
        ({**TRANSACTIONS[4], "gas": 50_000}, rich, 7, True),
        ({**TRANSACTIONS[4], "gas": 50_000, "maxFeePerBlobGas": 0}, rich, 7, False),
        ({**TRANSACTIONS[4], "gas": 50_000, "blobVersionedHashes": [bytes(32)]}, rich, 7, False),
        ({**TRANSACTIONS[5], "gas": 50_000}, rich, 7, True),
        ({**TRANSACTIONS[5], "gas": 21_000 + 25_000 + 31}, rich, 7, False),
    )
    return [
        {
            "rule": "B-5",
            "raw": bytes(Account.sign_transaction(fields, key).raw_transaction).hex(),
            "account": {**account, "nonce": str(account["nonce"])},
            "base_fee": base_fee,
            "valid": valid,
        }
        for fields, account, base_fee, valid in rows
    ]


def fees() -> list[Case]:
    """B-6, with exact fractions where the rule has a floor of a quotient."""
    cases: list[Case] = []
    for used in (0, 1, 7_500_000, 14_999_999, 15_000_000, 15_000_001, 30_000_000):
        for base_fee in (0, 7, 10**9, 10**18):
            change = abs(Fraction(base_fee * (used - 15_000_000), 15_000_000)) // 1 // 8
            expected = base_fee + max(change, 1) if used > 15_000_000 else base_fee - change
            cases.append({
                "rule": "B-6", "gas_limit": 30_000_000, "gas_used": used,
                "base_fee": str(base_fee), "next_base_fee": str(expected),
            })  # fmt: skip
    for limit in (5_000, 5_003, 30_000_000, 2**40):
        step = limit // 1_024
        bounds = [max(limit - step + 1, 5_000), limit + step - 1]
        cases.append({"rule": "B-6", "gas_limit": limit, "bounds": bounds})
    # 786432 is six blobs; e is not needed: the series is the rule.
    for excess, used in ((0, 0), (0, 786_432), (0, 917_504), (393_216, 393_217), (10**8, 0)):
        after = max(0, excess + used - 786_432)
        cases.append({
            "rule": "B-6", "excess_blob_gas": excess, "blob_gas_used": used,
            "next_excess": after, "blob_base_fee": str(_blob_fee(after)),
        })  # fmt: skip
    return cases


def _blob_fee(excess: int) -> int:
    fraction, term, total, index = 5_007_716, 5_007_716, 0, 1
    while term > 0:
        total += term
        term = term * excess // (fraction * index)
        index += 1
    return total // fraction


def settlements() -> list[Case]:
    """B-9 and B-10: figures of a transaction, and where its wei went."""
    rows = (
        # limit, left, drawn, credited, refund counter, floor
        (100_000, 40_000, 0, 0, 0, 21_000),
        (100_000, 40_000, 0, 0, 4_800, 21_000),
        (100_000, 40_000, 0, 0, 50_000, 21_000),
        (100_000, 40_000, 7_000, 7_000, 0, 21_000),
        (100_000, 40_000, 7_000, 0, 0, 21_000),
        (100_000, 0, 7_000, 0, 0, 21_000),
        (100_000, 0, 79_000, 0, 0, 21_000),
        (100_000, 0, 50_000, 50_000, 60_000, 30_000),
        (100_000, 10_000, 50_000, 20_000, 9_000, 50_000),
        (16_777_216, 1, 16_000_000, 16_000_000, 0, 777_216),
    )
    cases = []
    for limit, left, drawn, credited, counter, floor in rows:
        execution = limit - left - drawn
        refund = min(counter, execution // 5)
        used = max(execution - refund, floor)
        price, base_fee = 3_000_000_007, 1_000_000_000
        cases += [
            {
                "rule": rule, "limit": limit, "left": left, "drawn": drawn, "credited": credited,
                "refund_counter": counter, "floor": floor, "price": price, "base_fee": base_fee,
                "gas_used": used,
                "returned": str(limit * price - (used + credited) * price),
                "authors": str(credited * price),
                "coinbase": str(used * 2_000_000_007),
                "burned": str(used * base_fee),
            }
            for rule in ("B-9", "B-10")
        ]  # fmt: skip
    return cases


def judgements() -> list[Case]:
    """B-11 and B-12: calls of one model in a block, what is altered, and the verdict.

    ``limit_in_calls`` is the chain's inference limit as a multiple of one call's gas.
    """
    limits: list[Case] = [
        {"rule": "B-11", "calls": 2, "limit_in_calls": 2, "included": [0, 1], "deferred": []},
        {"rule": "B-11", "calls": 3, "limit_in_calls": 2, "included": [0, 1], "deferred": [2]},
        {"rule": "B-11", "calls": 5, "limit_in_calls": 2, "included": [0, 1], "deferred": [2, 3]},
        {"rule": "B-11", "calls": 1, "limit_in_calls": 0, "included": [], "rejected": [0]},
        {"rule": "B-11", "calls": 2, "limit_in_calls": 0, "included": [], "rejected": [0, 1]},
    ]
    altered: list[Case] = [
        {
            "rule": "B-12", "field": what, "header_recomputed": header_too,
            "verdict": "invalid" if header_too else "valid, the carrier is at fault",
            "transaction": 1, "call": 0,
        }
        for what in ("output_digest", "gas", "model", "steps_root", "input_digest")
        for header_too in (False, True)
    ]  # fmt: skip
    altered.append({"rule": "B-12", "field": None, "verdict": "valid"})
    return limits + altered


def evm() -> list[Case]:
    """B-7 and B-14: one call on a state, and what it returns or leaves."""
    word = "{:064x}".format
    modexp = "00" * 19 + "05"
    broken = {"00000961ef480eb55e80d19ad83579a64c007002": {"nonce": 1, "code": "fe"}}
    missing = {"0000bbddc7ce488642fb579f8b00f3a590007251": {"nonce": 0, "code": ""}}
    return [
        {"rule": "B-7", "alloc": {}, "block": "valid"},
        {"rule": "B-7", "alloc": broken, "block": "invalid"},
        {"rule": "B-7", "alloc": missing, "block": "invalid"},
        {
            "rule": "B-7",
            "alloc": {"000f3df6d732807ef1319fb7b8bb8522d0beac02": {"nonce": 1, "code": "fe"}},
            "block": "valid",
        },
        {
            "rule": "B-14", "name": "0 ** 0 modulo 5", "to": modexp,
            "data": word(0) + word(0) + word(1) + "05", "output": "01",
        },
        {
            "rule": "B-14", "name": "0 ** 3 modulo 5", "to": modexp,
            "data": word(0) + word(1) + word(1) + "0305", "output": "00",
        },
        {
            # CREATE2 with salt 7 and one zero byte (STOP) as initcode; return the address.
            "rule": "B-14", "name": "CREATE2 onto storage", "to": "c0" * 20,
            "alloc": {"c0" * 20: {"nonce": 1, "code": "600760015f5ff55f5260205ff3"}},
            "storage_at_created": True, "output": word(0),
        },
        {
            "rule": "B-14", "name": "delegation to a precompile runs empty code", "to": "d0" * 20,
            "alloc": {"d0" * 20: {"nonce": 1, "code": "ef0100" + "00" * 18 + "a110"}},
            "data": "ffffffff", "output": "",
        },
    ]  # fmt: skip
