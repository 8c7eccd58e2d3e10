"""The banner of `engram devnet`: everything a tester copies, on one screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from node.accounts import DERIVATION_PATH, KeyedAccount, checksum
from node.version import VERSION

WEI_PER_COIN: Final = 10**18
NAME: Final = r"""
   ___ _ __   __ _ _ __ __ _ _ __ ___
  / _ \ '_ \ / _` | '__/ _` | '_ ` _ \
 |  __/ | | | (_| | | | (_| | | | | | |
  \___|_| |_|\__, |_|  \__,_|_| |_| |_|
             |___/"""
WARNING: Final = (
    "These accounts and keys are public. Anything sent to them on a real network WILL BE LOST."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BannerFacts:
    """What the banner tells; amounts in wei, keys and addresses as bytes."""

    accounts: Sequence[KeyedAccount]
    balance_wei: int
    mnemonic: str
    chain_id: int
    base_fee_wei: int
    gas_limit: int
    timestamp: int
    block_number: int
    mining: str
    backend: str
    storage: str
    listening: Sequence[str]
    notes: Sequence[str] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def text(facts: BannerFacts) -> str:
    """Return the banner for a person."""
    coins = facts.balance_wei // WEI_PER_COIN
    lines = [NAME + f"   {VERSION}", "", "    a chain whose contracts call neural networks", ""]
    lines += _section("Available accounts")
    lines += [
        f"({index}) {checksum(account.address)} ({coins} ETH)"
        for index, account in enumerate(facts.accounts)
    ]
    lines += ["", *_section("Private keys")]
    lines += [
        f"({index}) 0x{account.private_key.hex()}" for index, account in enumerate(facts.accounts)
    ]
    lines += ["", f"WARNING: {WARNING}", "", *_section("Wallet")]
    lines += [f"Mnemonic:          {facts.mnemonic}", f"Derivation path:   {DERIVATION_PATH}"]
    lines += ["", *_section("Chain")]
    lines += [
        f"Chain id:          {facts.chain_id}",
        f"Base fee:          {facts.base_fee_wei} wei",
        f"Gas limit:         {facts.gas_limit}",
        f"Genesis timestamp: {facts.timestamp}",
        f"Block number:      {facts.block_number}",
        f"Mining:            {facts.mining}",
        f"Models run on:     {facts.backend}",
        f"Storage:           {facts.storage}",
        "",
    ]
    lines += facts.notes
    lines += [f"Listening on {address}" for address in facts.listening]
    return "\n".join(lines)


def _section(title: str) -> list[str]:
    return [title, "=" * len(title)]


def as_json(facts: BannerFacts) -> dict[str, Any]:
    """Return the same facts for a program."""
    return {
        "version": VERSION,
        "availableAccounts": [checksum(account.address) for account in facts.accounts],
        "privateKeys": ["0x" + account.private_key.hex() for account in facts.accounts],
        "balanceWei": str(facts.balance_wei),
        "mnemonic": facts.mnemonic,
        "derivationPath": DERIVATION_PATH,
        "chainId": facts.chain_id,
        "baseFeeWei": facts.base_fee_wei,
        "gasLimit": facts.gas_limit,
        "genesisTimestamp": facts.timestamp,
        "blockNumber": facts.block_number,
        "backend": facts.backend,
        "listening": list(facts.listening),
        **facts.extra,
    }
