"""Accounts whose keys this node holds: derived from a mnemonic, used to sign for callers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

TEST_MNEMONIC: Final = "test test test test test test test test test test test junk"
DERIVATION_PATH: Final = "m/44'/60'/0'/0/"
MAX_ACCOUNTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class KeyedAccount:
    """An account with its private key; both as bytes, 20 and 32."""

    address: bytes
    private_key: bytes = field(repr=False)


def derive_accounts(mnemonic: str, count: int) -> tuple[KeyedAccount, ...]:
    """Derive the first `count` accounts of a mnemonic (BIP-39, BIP-32, BIP-44).

    Raises
    ------
    ValueError
        When the words are no mnemonic: an unknown word, a wrong number of words or checksum.
    """
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    accounts = []
    for index in range(count):
        try:
            local = Account.from_mnemonic(mnemonic, account_path=f"{DERIVATION_PATH}{index}")
        except Exception as error:
            # eth-account raises its own class here, and others from inside its word lists.
            raise ValueError(str(error)) from error
        accounts.append(KeyedAccount(bytes.fromhex(local.address[2:]), bytes(local.key)))
    return tuple(accounts)


def from_private_key(text: str) -> KeyedAccount:
    """Return the account of a private key given as 64 hex digits, with or without 0x.

    Raises
    ------
    ValueError
        When the text is no private key.
    """
    from eth_account import Account

    digits = text.strip().removeprefix("0x")
    if len(digits) != 64 or not digits.isascii() or not digits.isalnum():
        raise ValueError("a private key is 64 hex digits")
    local = Account.from_key(bytes.fromhex(digits))
    return KeyedAccount(bytes.fromhex(local.address[2:]), bytes(local.key))


def checksum(address: bytes) -> str:
    """Return the mixed-case form of an address (EIP-55)."""
    from vm.crypto import keccak

    digits = address.hex()
    digest = keccak(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(nibble, 16) >= 8 else digit
        for digit, nibble in zip(digits, digest, strict=False)
    )


class Keyring:
    """Signs for the accounts it holds.

    Parameters
    ----------
    accounts : sequence of KeyedAccount
        In the order in which eth_accounts lists them.
    """

    __slots__ = ("_keys",)

    def __init__(self, accounts: Sequence[KeyedAccount] = ()) -> None:
        self._keys = {account.address: account.private_key for account in accounts}

    @property
    def addresses(self) -> tuple[bytes, ...]:
        """Every address that can sign, in order."""
        return tuple(self._keys)

    def __contains__(self, address: bytes) -> bool:
        return address in self._keys

    def sign_transaction(self, address: bytes, fields: dict[str, Any]) -> bytes:
        """Return the canonical bytes of a signed transaction.

        Parameters
        ----------
        fields : dict
            The names of JSON-RPC (`gas`, `maxFeePerGas`, ...), values as integers and bytes.

        Raises
        ------
        ValueError, TypeError
            When the fields form no transaction.
        """
        from eth_account import Account

        return bytes(Account.sign_transaction(fields, self._keys[address]).raw_transaction)

    def sign_message(self, address: bytes, message: bytes) -> bytes:
        """Return the 65-byte signature of a message under Ethereum's prefix (EIP-191)."""
        from eth_account import Account
        from eth_account.messages import encode_defunct

        signable = encode_defunct(primitive=message)
        return bytes(Account.sign_message(signable, self._keys[address]).signature)
