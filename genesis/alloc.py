"""Accounts of the genesis state, and the system contracts that every chain carries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from genesis.errors import InvalidSpec
from genesis.fields import Table, integer, octets
from vm.transition import Account

GenesisAccount = Account
Alloc = Mapping[bytes, GenesisAccount]

BEACON_ROOTS_ADDRESS: Final = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")
HISTORY_ADDRESS: Final = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
WITHDRAWAL_REQUESTS_ADDRESS: Final = bytes.fromhex("00000961ef480eb55e80d19ad83579a64c007002")
CONSOLIDATION_REQUESTS_ADDRESS: Final = bytes.fromhex("0000bbddc7ce488642fb579f8b00f3a590007251")
REGISTRY_ADDRESS: Final = bytes.fromhex("000000000000000000000000000000000000a100")
INFERENCE_ADDRESS: Final = bytes.fromhex("000000000000000000000000000000000000a110")
# INVALID: an EVM that does not know the precompile fails loudly, and extcodesize is not 0.
STUB_CODE: Final = b"\xfe"

# EIP-4788: a ring of parent certificates' hashes by timestamp.
BEACON_ROOTS_CODE: Final = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604d57602036146024575f5ffd5b5f358015604957"
    "62001fff810690815414603c575f5ffd5b62001fff01545f5260205ff35b5f5ffd5b62001fff42064281555f"
    "359062001fff015500"
)
# EIP-2935: a ring of the last 8,191 block hashes.
HISTORY_CODE: Final = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe14604657602036036042575f35600143038111604257"
    "611fff81430311604257611fff9006545f5260205ff35b5f5ffd5b5f35611fff60014303065500"
)
# EIP-7002: the queue of withdrawal requests.
WITHDRAWAL_REQUESTS_CODE: Final = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe1460cb5760115f54807fffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffff146101f457600182026001905f5b5f821115606857810190"
    "83028483029004916001019190604d565b909390049250505036603814608857366101f457346101f4575f52"
    "60205ff35b34106101f457600154600101600155600354806003026004013381556001015f35815560010160"
    "203590553360601b5f5260385f601437604c5fa0600101600355005b6003546002548082038060101160df57"
    "5060105b5f5b8181146101835782810160030260040181604c02815460601b81526014018160010154815260"
    "20019060020154807fffffffffffffffffffffffffffffffff00000000000000000000000000000000168252"
    "906010019060401c908160381c81600701538160301c81600601538160281c81600501538160201c81600401"
    "538160181c81600301538160101c81600201538160081c81600101535360010160e1565b9101809214610195"
    "57906002556101a0565b90505f6002555f6003555b5f54807fffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffffffff14156101cd57505f5b6001546002828201116101e25750505f6101e8565b01"
    "600290035b5f555f600155604c025ff35b5f5ffd"
)
# EIP-7251: the queue of consolidation requests.
CONSOLIDATION_REQUESTS_CODE: Final = bytes.fromhex(
    "3373fffffffffffffffffffffffffffffffffffffffe1460d35760115f54807fffffffffffffffffffffffff"
    "ffffffffffffffffffffffffffffffffffffffff1461019a57600182026001905f5b5f821115606857810190"
    "83028483029004916001019190604d565b9093900492505050366060146088573661019a573461019a575f52"
    "60205ff35b341061019a57600154600101600155600354806004026004013381556001015f35815560010160"
    "2035815560010160403590553360601b5f5260605f60143760745fa0600101600355005b6003546002548082"
    "038060021160e7575060025b5f5b8181146101295782810160040260040181607402815460601b8152601401"
    "81600101548152602001816002015481526020019060030154905260010160e9565b910180921461013b5790"
    "600255610146565b90505f6002555f6003555b5f54807fffffffffffffffffffffffffffffffffffffffffff"
    "ffffffffffffffffffffff141561017357505f5b6001546001828201116101885750505f61018e565b016001"
    "90035b5f555f6001556074025ff35b5f5ffd"
)

# Their creation transactions left them with nonce 1.
SYSTEM_CONTRACTS: Final[Alloc] = {
    BEACON_ROOTS_ADDRESS: GenesisAccount(nonce=1, code=BEACON_ROOTS_CODE),
    HISTORY_ADDRESS: GenesisAccount(nonce=1, code=HISTORY_CODE),
    WITHDRAWAL_REQUESTS_ADDRESS: GenesisAccount(nonce=1, code=WITHDRAWAL_REQUESTS_CODE),
    CONSOLIDATION_REQUESTS_ADDRESS: GenesisAccount(nonce=1, code=CONSOLIDATION_REQUESTS_CODE),
}
INFERENCE_STUBS: Final[Alloc] = {
    REGISTRY_ADDRESS: GenesisAccount(code=STUB_CODE),
    INFERENCE_ADDRESS: GenesisAccount(code=STUB_CODE),
}


def read_alloc(table: Table) -> dict[bytes, GenesisAccount]:
    """Return the accounts of a spec's ``alloc`` table, in ascending order of address.

    Raises
    ------
    InvalidSpec
        For a malformed address, an unknown key, or an account named twice.
    """
    accounts: dict[bytes, GenesisAccount] = {}
    for name in table.unread:
        where = table.name(name)
        address = octets(name, where, 20)
        if address in accounts:
            raise InvalidSpec(f"{where} is named twice")
        accounts[address] = _account(table.table(name))
    return {address: accounts[address] for address in sorted(accounts)}


def _account(table: Table) -> GenesisAccount:
    account = GenesisAccount(
        balance=table.integer("balance", 0),
        nonce=table.integer("nonce", 0, 2**64 - 2),
        code=table.bytes("code", None, b""),
        storage=_storage(table.table("storage")),
    )
    table.finish()
    return account


def _storage(table: Table) -> dict[int, int]:
    words: dict[int, int] = {}
    for name in table.unread:
        slot = integer(name, table.name(name))
        if slot in words:
            raise InvalidSpec(f"{table.name(name)} is named twice")
        words[slot] = table.integer(name)
    return {slot: words[slot] for slot in sorted(words)}


def write_alloc(alloc: Alloc) -> dict[str, object]:
    """Return the accounts in the form that `read_alloc` reads back, defaults left out."""
    return {"0x" + address.hex(): _write(alloc[address]) for address in sorted(alloc)}


def _write(account: GenesisAccount) -> dict[str, object]:
    written: dict[str, object] = {}
    if account.balance:
        written["balance"] = str(account.balance)
    if account.nonce:
        written["nonce"] = account.nonce
    if account.code:
        written["code"] = "0x" + account.code.hex()
    if account.storage:
        written["storage"] = {
            hex(slot): hex(account.storage[slot]) for slot in sorted(account.storage)
        }
    return written
