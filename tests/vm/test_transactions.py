from __future__ import annotations

from typing import Any

import pytest
from eth_account import Account

from vm import rlp
from vm.config import VmConfig
from vm.crypto import HALF_ORDER, SECP256K1_ORDER, keccak
from vm.errors import InvalidTransaction
from vm.transaction_rules import check_static
from vm.transactions import Transaction, decode_transaction

KEY = b"\x01" * 32
ADDRESS = bytes.fromhex("1a642f0e3c3af545e7acbd38b07251b3990914f1")
TO = "0x" + "11" * 20
COMMON: dict[str, Any] = {"nonce": 3, "gas": 21_000, "to": TO, "value": 5, "data": b"\x01\x02"}
FEES: dict[str, Any] = {"maxFeePerGas": 9, "maxPriorityFeePerGas": 2, "chainId": 1}
ACCESS: list[Any] = [{"address": "0x" + "22" * 20, "storageKeys": ["0x" + "07".zfill(64)]}]
AUTHORIZATION = Account.sign_authorization(
    {"chainId": 1, "address": "0x" + "33" * 20, "nonce": 4}, KEY
)
UNSIGNED: list[dict[str, Any]] = [
    {**COMMON, "gasPrice": 9},
    {**COMMON, "gasPrice": 9, "chainId": 1},
    {**COMMON, "gasPrice": 9, "chainId": 1, "type": 1, "accessList": ACCESS},
    {**COMMON, **FEES, "type": 2, "accessList": ACCESS},
    {
        **COMMON, **FEES, "type": 3, "maxFeePerBlobGas": 7,
        "blobVersionedHashes": [b"\x01" + bytes(31)],
    },
    {**COMMON, **FEES, "type": 4, "authorizationList": [AUTHORIZATION]},
]  # fmt: skip


def sign(fields: dict[str, Any]) -> bytes:
    return bytes(Account.sign_transaction(fields, KEY).raw_transaction)


@pytest.mark.parametrize("fields", UNSIGNED)
def test_every_type_decodes_to_what_was_signed(fields: dict[str, Any]) -> None:
    signed = Account.sign_transaction(fields, KEY)
    transaction = decode_transaction(bytes(signed.raw_transaction))
    assert transaction.sender == ADDRESS
    assert transaction.hash == bytes(signed.hash)
    assert transaction.raw == bytes(signed.raw_transaction)
    assert transaction.type == fields.get("type", 0)
    assert transaction.chain_id == fields.get("chainId")
    assert (transaction.nonce, transaction.gas_limit, transaction.value) == (3, 21_000, 5)
    assert (transaction.to, transaction.data) == (bytes.fromhex("11" * 20), b"\x01\x02")
    assert (transaction.r, transaction.s) == (signed.r, signed.s)
    legacy_price = "gasPrice" in fields
    assert transaction.max_fee == 9
    assert transaction.max_priority_fee == (9 if legacy_price else 2)
    assert transaction.effective_gas_price(4) == (9 if legacy_price else 6)
    assert transaction.effective_gas_price(8) == 9
    has_access = "accessList" in fields
    assert transaction.access_list == (((bytes.fromhex("22" * 20), (7,)),) if has_access else ())
    assert transaction.blob_hashes == tuple(fields.get("blobVersionedHashes", ()))


def test_authorization_names_its_authority() -> None:
    transaction = decode_transaction(sign(UNSIGNED[5]))
    (authorization,) = transaction.authorization_list
    assert authorization.authority() == ADDRESS
    assert (authorization.chain_id, authorization.nonce) == (1, 4)


@pytest.mark.parametrize("fields", UNSIGNED)
def test_every_cut_extension_and_length_change_is_refused(fields: dict[str, Any]) -> None:
    raw = sign(fields)
    for length in range(len(raw)):
        with pytest.raises(InvalidTransaction):
            decode_transaction(raw[:length])
    with pytest.raises(InvalidTransaction, match="trailing"):
        decode_transaction(raw + b"\x00")


def parts_of(raw: bytes) -> tuple[bytes, list[rlp.RlpItem]]:
    prefix = raw[:1] if raw[0] < 0x80 else b""
    return prefix, list(rlp.as_list(rlp.decode(raw[len(prefix) :])))


@pytest.mark.parametrize("fields", UNSIGNED)
def test_the_upper_half_of_s_is_refused(fields: dict[str, Any]) -> None:
    prefix, parts = parts_of(sign(fields))
    s = SECP256K1_ORDER - int.from_bytes(rlp.as_bytes(parts[-1]), "big")
    assert s > HALF_ORDER
    parity = int.from_bytes(rlp.as_bytes(parts[-3]), "big")
    # The mirrored signature is mathematically valid for the opposite parity.
    flipped = parity ^ 1 if prefix else (parity - 1 if parity in (28, 38) else parity + 1)
    parts[-1], parts[-3] = rlp.integer(s), rlp.integer(flipped)
    with pytest.raises(InvalidTransaction, match="v, r, s"):
        decode_transaction(prefix + rlp.encode(parts))


@pytest.mark.parametrize(
    ("kind", "index", "value", "message"),
    [
        (1, 0, b"\x00", "leading zero"),
        (1, 0, b"\x01" + bytes(8), "64 bits"),
        (1, 2, b"\x01" + bytes(8), "64 bits"),
        (1, 1, b"\x01" + bytes(32), "256 bits"),
        (1, 4, b"\x01" + bytes(32), "256 bits"),
        (1, 3, b"\x11" * 19, "recipient of 19"),
        (1, 3, (), "expected bytes"),
        (1, 6, b"\x1d", "v, r, s"),
        (1, 7, b"", "v, r, s"),
        (1, 8, b"", "v, r, s"),
        (3, 9, b"\x02", "v, r, s"),
        (3, 8, b"", "expected a list"),
        (3, 8, ((b"\x22" * 20,),), "expected 2 elements"),
        (3, 8, ((b"\x22" * 20, (b"\x07",)),), "expected 32 bytes"),
        (4, 5, b"", "must not be a create"),
        (5, 5, b"", "must not be a create"),
        (4, 10, (b"\x01",), "expected 32 bytes"),
        (5, 9, ((b"", b"\x33" * 20, b"", b"", b""),), "expected 6 elements"),
        (5, 9, ((b"", b"\x33" * 20, b"\x01" + bytes(8), b"", b"", b""),), "64 bits"),
    ],
)
def test_malformed_fields_are_refused(
    kind: int, index: int, value: rlp.RlpItem, message: str
) -> None:
    prefix, parts = parts_of(sign(UNSIGNED[kind]))
    parts[index] = value
    with pytest.raises(InvalidTransaction, match=message):
        decode_transaction(prefix + rlp.encode(parts))


@pytest.mark.parametrize("raw", [b"", b"\x05\xc0", b"\x7f\xc0", b"\x80", b"\x02", b"\x02\x80"])
def test_unknown_envelopes_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidTransaction):
        decode_transaction(raw)


def test_contract_creation_has_no_recipient() -> None:
    transaction = decode_transaction(sign({**COMMON, "to": b"", "gasPrice": 1, "chainId": 1}))
    assert transaction.to is None


def test_transactions_compare_by_value() -> None:
    first: Transaction = decode_transaction(sign(UNSIGNED[3]))
    assert first == decode_transaction(first.raw)
    assert keccak(first.raw) == first.hash


@pytest.mark.parametrize("size", [49_152, 49_153])
def test_initcode_is_bounded(size: int) -> None:
    fields = {**COMMON, **FEES, "type": 2, "to": b"", "data": bytes(size), "gas": 600_000}
    transaction = decode_transaction(sign(fields))
    if size == 49_152:
        check_static(VmConfig(chain_id=1), transaction)
        return
    with pytest.raises(InvalidTransaction, match="max initcode size exceeded"):
        check_static(VmConfig(chain_id=1), transaction)
