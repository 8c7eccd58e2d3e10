"""The contracts that every block calls by itself (EIP-4788, 2935, 7002, 7251)."""

from __future__ import annotations

SYSTEM_ADDRESS = bytes.fromhex("fffffffffffffffffffffffffffffffffffffffe")
SYSTEM_CALL_GAS = 30_000_000

BEACON_ROOTS_ADDRESS = bytes.fromhex("000f3df6d732807ef1319fb7b8bb8522d0beac02")
HISTORY_ADDRESS = bytes.fromhex("0000f90827f1c53a10cb7a02335b175320002935")
WITHDRAWAL_REQUESTS_ADDRESS = bytes.fromhex("00000961ef480eb55e80d19ad83579a64c007002")
CONSOLIDATION_REQUESTS_ADDRESS = bytes.fromhex("0000bbddc7ce488642fb579f8b00f3a590007251")

HISTORY_WINDOW = 8_191
"""Blocks whose hashes the history contract remembers."""
