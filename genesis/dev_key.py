"""The public key of development chains: everybody knows it, so it guards nothing."""

from __future__ import annotations

from typing import Final

DEV_MNEMONIC: Final = "test test test test test test test test test test test junk"
# Account 1, so that it is none of the funded accounts of m/44'/60'/0'/0/i.
DEV_VALIDATOR_PATH: Final = "m/44'/60'/1'/0/0"
DEV_VALIDATOR_KEY: Final = bytes.fromhex(
    "7797c0f3db8b946604ec2039dfd9763e4ffdc53174342a2ed9b14fa3eda666a5"
)
DEV_VALIDATOR_ADDRESS: Final = bytes.fromhex("8c8d35429f74ec245f8ef2f4fd1e551cff97d650")
