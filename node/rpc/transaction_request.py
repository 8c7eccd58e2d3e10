"""The transaction object of eth_call, eth_estimateGas, eth_sendTransaction and their like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from node.rpc import parse
from vm.transactions import AccessList, Authorization


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionRequest:
    """What a caller gave; None means that the node chooses. Amounts in wei, prices per gas."""

    sender: bytes | None = None
    to: bytes | None = None
    gas: int | None = None
    gas_price: int | None = None
    max_fee: int | None = None
    max_priority_fee: int | None = None
    value: int = 0
    data: bytes = b""
    nonce: int | None = None
    chain_id: int | None = None
    access_list: AccessList | None = None
    authorization_list: tuple[Authorization, ...] = ()


def transaction_request(value: Any) -> TransactionRequest:
    """Parse the object; raises `ValueError` naming the member at fault."""
    if not isinstance(value, dict):
        raise ValueError("a transaction must be an object")  # noqa: TRY004
    given = {name: member for name, member in value.items() if member is not None}
    if given.get("blobVersionedHashes") or given.get("blobs"):
        raise ValueError("blob transactions can only be sent signed")
    request = TransactionRequest(
        sender=_member(given, "from", parse.address),
        to=_member(given, "to", _recipient),
        gas=_member(given, "gas", parse.number64),
        gas_price=_member(given, "gasPrice", parse.quantity),
        max_fee=_member(given, "maxFeePerGas", parse.quantity),
        max_priority_fee=_member(given, "maxPriorityFeePerGas", parse.quantity),
        value=_member(given, "value", parse.quantity) or 0,
        data=_calldata(given),
        nonce=_member(given, "nonce", parse.number64),
        chain_id=_member(given, "chainId", parse.quantity),
        access_list=_member(given, "accessList", _access_list),
        authorization_list=_member(given, "authorizationList", _authorizations) or (),
    )
    if request.gas_price is not None and (
        request.max_fee is not None or request.max_priority_fee is not None
    ):
        raise ValueError("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")
    return request


def _member(given: dict[str, Any], name: str, parser: Any) -> Any:
    if name not in given:
        return None
    try:
        return parser(given[name])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _recipient(value: Any) -> bytes | None:
    # Some libraries write a contract creation as an empty recipient.
    return None if isinstance(value, str) and value in {"", "0x"} else parse.address(value)


def _calldata(given: dict[str, Any]) -> bytes:
    named = [_member(given, name, parse.data) for name in ("input", "data")]
    if None not in named and named[0] != named[1]:
        raise ValueError('both "data" and "input" are set and not equal')
    return next((value for value in named if value is not None), b"")


def _access_list(value: Any) -> AccessList:
    if not isinstance(value, list):
        raise ValueError("an access list must be an array")  # noqa: TRY004
    entries = []
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("storageKeys", []), list):
            raise ValueError("an access list entry must be {address, storageKeys}")  # noqa: TRY004
        slots = tuple(
            int.from_bytes(parse.hash32(slot), "big") for slot in entry.get("storageKeys", [])
        )
        entries.append((parse.address(entry.get("address")), slots))
    return tuple(entries)


def _authorizations(value: Any) -> tuple[Authorization, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise ValueError("an authorization list must be an array of objects")
    return tuple(
        Authorization(
            chain_id=parse.quantity(entry.get("chainId")),
            address=parse.address(entry.get("address")),
            nonce=parse.number64(entry.get("nonce")),
            y_parity=parse.number64(entry.get("yParity")),
            r=parse.quantity(entry.get("r")),
            s=parse.quantity(entry.get("s")),
        )
        for entry in value
    )
