"""Transactions of types 0 to 4: one immutable object, decoded strictly, with its sender."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vm import rlp
from vm.crypto import keccak, recover_address
from vm.errors import InvalidTransaction
from vm.rlp import RlpItem

LEGACY_TYPE = 0
ACCESS_LIST_TYPE = 1
DYNAMIC_FEE_TYPE = 2
BLOB_TYPE = 3
SET_CODE_TYPE = 4

AccessList = tuple[tuple[bytes, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """One entry of a set-code transaction (EIP-7702), as signed; not yet judged."""

    chain_id: int
    address: bytes
    nonce: int
    y_parity: int
    r: int
    s: int

    def authority(self) -> bytes | None:
        """Return the address that signed, or None when the signature is invalid."""
        message = rlp.encode((rlp.integer(self.chain_id), self.address, rlp.integer(self.nonce)))
        return recover_address(keccak(b"\x05" + message), self.y_parity, self.r, self.s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """A transaction of any type; fields that its type lacks have their neutral value.

    ``max_fee`` and ``max_priority_fee`` are in wei per gas; a legacy transaction's gas price is
    both. ``to`` is None for a contract creation. ``chain_id`` is None for a legacy transaction
    without replay protection.
    """

    raw: bytes = field(repr=False)
    hash: bytes
    type: int
    chain_id: int | None
    nonce: int
    gas_limit: int
    max_fee: int
    max_priority_fee: int
    to: bytes | None
    value: int
    data: bytes
    access_list: AccessList = ()
    authorization_list: tuple[Authorization, ...] = ()
    max_blob_fee: int = 0
    blob_hashes: tuple[bytes, ...] = ()
    v: int
    r: int
    s: int
    sender: bytes

    def effective_gas_price(self, base_fee: int) -> int:
        """Wei per gas the sender pays in a block with ``base_fee`` (at most ``max_fee``)."""
        return min(self.max_fee, base_fee + self.max_priority_fee)


def decode_transaction(raw: bytes) -> Transaction:
    """Decode the canonical bytes of a signed transaction and recover its sender.

    Parameters
    ----------
    raw : bytes
        RLP of a legacy transaction, or type byte and RLP (EIP-2718), as in a block body.

    Raises
    ------
    InvalidTransaction
        For anything but the one canonical encoding of a well-formed, validly signed transaction.
        Whether it fits a chain and a state is `vm.transaction_rules.validate_transaction`'s
        question.
    """
    if not raw:
        raise InvalidTransaction("transaction is empty")
    try:
        if raw[0] >= 0xC0:
            return _decode_legacy(raw)
        if raw[0] not in _TYPED_FIELDS:
            raise InvalidTransaction("transaction type not supported")
        return _decode_typed(raw)
    except rlp.RlpError as error:
        raise InvalidTransaction(f"malformed transaction: {error}") from None


def _decode_legacy(raw: bytes) -> Transaction:
    fields = rlp.as_list(rlp.decode(raw), 9)
    v = rlp.as_int(fields[6], 64)
    if v in (27, 28):
        chain_id, y_parity = None, v - 27
        signed: tuple[RlpItem, ...] = tuple(fields[:6])
    elif v >= 35:
        chain_id, y_parity = (v - 35) // 2, (v - 35) % 2
        signed = (*fields[:6], rlp.integer(chain_id), b"", b"")
    else:
        raise InvalidTransaction("invalid transaction v, r, s values")
    gas_price = rlp.as_int(fields[1], 256)
    r, s = rlp.as_int(fields[7], 256), rlp.as_int(fields[8], 256)
    return Transaction(
        raw=raw,
        hash=keccak(raw),
        type=LEGACY_TYPE,
        chain_id=chain_id,
        nonce=rlp.as_int(fields[0], 64),
        gas_limit=rlp.as_int(fields[2], 64),
        max_fee=gas_price,
        max_priority_fee=gas_price,
        to=_recipient(fields[3]),
        value=rlp.as_int(fields[4], 256),
        data=rlp.as_bytes(fields[5]),
        v=v,
        r=r,
        s=s,
        sender=_sender(rlp.encode(signed), y_parity, r, s),
    )


# Fields before the signature, in order; every typed transaction ends with y parity, r and s.
_TYPED_FIELDS: dict[int, tuple[str, ...]] = {
    ACCESS_LIST_TYPE: (
        "chain_id", "nonce", "gas_price", "gas_limit", "to", "value", "data", "access_list",
    ),
    DYNAMIC_FEE_TYPE: (
        "chain_id", "nonce", "max_priority_fee", "max_fee", "gas_limit", "to", "value", "data",
        "access_list",
    ),
    BLOB_TYPE: (
        "chain_id", "nonce", "max_priority_fee", "max_fee", "gas_limit", "to", "value", "data",
        "access_list", "max_blob_fee", "blob_hashes",
    ),
    SET_CODE_TYPE: (
        "chain_id", "nonce", "max_priority_fee", "max_fee", "gas_limit", "to", "value", "data",
        "access_list", "authorization_list",
    ),
}  # fmt: skip


def _decode_typed(raw: bytes) -> Transaction:
    kind = raw[0]
    names = _TYPED_FIELDS[kind]
    fields = rlp.as_list(rlp.decode(raw[1:]), len(names) + 3)
    named = dict(zip(names, fields, strict=False))
    v = rlp.as_int(fields[-3], 256)
    r, s = rlp.as_int(fields[-2], 256), rlp.as_int(fields[-1], 256)
    to = _recipient(named["to"])
    if to is None and kind in (BLOB_TYPE, SET_CODE_TYPE):
        what = "blob" if kind == BLOB_TYPE else "set code"
        raise InvalidTransaction(f"{what} transaction must not be a create transaction")
    max_fee = rlp.as_int(named.get("max_fee", named.get("gas_price", b"")), 256)
    signed = bytes((kind,)) + rlp.encode(tuple(fields[:-3]))
    return Transaction(
        raw=raw,
        hash=keccak(raw),
        type=kind,
        chain_id=rlp.as_int(named["chain_id"], 256),
        nonce=rlp.as_int(named["nonce"], 64),
        gas_limit=rlp.as_int(named["gas_limit"], 64),
        max_fee=max_fee,
        max_priority_fee=(
            rlp.as_int(named["max_priority_fee"], 256) if "max_priority_fee" in named else max_fee
        ),
        to=to,
        value=rlp.as_int(named["value"], 256),
        data=rlp.as_bytes(named["data"]),
        access_list=_access_list(named["access_list"]),
        authorization_list=_authorizations(named.get("authorization_list", ())),
        max_blob_fee=rlp.as_int(named.get("max_blob_fee", b""), 256),
        blob_hashes=tuple(
            rlp.as_bytes(item, 32) for item in rlp.as_list(named.get("blob_hashes", ()))
        ),
        v=v,
        r=r,
        s=s,
        sender=_sender(signed, v, r, s),
    )


def _recipient(item: RlpItem) -> bytes | None:
    address = rlp.as_bytes(item)
    if len(address) not in (0, 20):
        raise rlp.RlpError(f"recipient of {len(address)} bytes")
    return address or None


def _access_list(item: RlpItem) -> AccessList:
    entries = []
    for entry in rlp.as_list(item):
        address, slots = rlp.as_list(entry, 2)
        keys = tuple(int.from_bytes(rlp.as_bytes(slot, 32), "big") for slot in rlp.as_list(slots))
        entries.append((rlp.as_bytes(address, 20), keys))
    return tuple(entries)


def _authorizations(item: RlpItem) -> tuple[Authorization, ...]:
    entries = []
    for entry in rlp.as_list(item):
        chain_id, address, nonce, y_parity, r, s = rlp.as_list(entry, 6)
        entries.append(
            Authorization(
                chain_id=rlp.as_int(chain_id, 256),
                address=rlp.as_bytes(address, 20),
                nonce=rlp.as_int(nonce, 64),
                y_parity=rlp.as_int(y_parity, 8),
                r=rlp.as_int(r, 256),
                s=rlp.as_int(s, 256),
            )
        )
    return tuple(entries)


def _sender(signed: bytes, y_parity: int, r: int, s: int) -> bytes:
    sender = recover_address(keccak(signed), y_parity, r, s)
    if sender is None:
        raise InvalidTransaction("invalid transaction v, r, s values")
    return sender


def transactions_from_block(items: Sequence[RlpItem]) -> tuple[Transaction, ...]:
    """Decode the transaction list of a block body: legacy as lists, typed as byte strings."""
    return tuple(_from_block(item) for item in items)


def _from_block(item: RlpItem) -> Transaction:
    if not isinstance(item, bytes):
        return decode_transaction(rlp.encode(item))
    # Without this check a legacy transaction would have two encodings inside a block.
    if item[:1] >= b"\x80":
        raise InvalidTransaction("legacy transaction wrapped in a byte string")
    return decode_transaction(item)
