"""A chain in memory: every block is built on one store and imported into another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from eth_account import Account as EthAccount
from eth_utils.address import to_checksum_address

from genesis.alloc import INFERENCE_STUBS, SYSTEM_CONTRACTS
from vm.blocks import Block, Header
from vm.config import VmConfig
from vm.records import Sidecar
from vm.results import Account, BlockContext, BlockResult, BuildResult, CallRequest, CallResult
from vm.transactions import Transaction, decode_transaction
from vm.transition import build_block, call, estimate_gas, genesis_block, import_block
from vm.world import account, storage

KEYS = tuple(bytes(31) + bytes((index,)) for index in range(1, 11))
ADDRESSES = tuple(bytes.fromhex(EthAccount.from_key(key).address[2:]) for key in KEYS)
COINBASE = b"\xcb" * 20
RICH = 10**24
CAP = 50_000_000


class Chain:
    def __init__(self, alloc: Mapping[bytes, Account] | None = None, **changes: Any) -> None:
        self.config = VmConfig(chain_id=31_337, **changes)
        stubs = INFERENCE_STUBS if self.config.ai else {}
        accounts = {
            address: Account(balance=entry.balance, nonce=entry.nonce, code=entry.code)
            for address, entry in {**SYSTEM_CONTRACTS, **stubs}.items()
        }
        accounts |= {address: Account(balance=RICH) for address in ADDRESSES}
        accounts |= alloc or {}
        self.alloc = accounts
        header = Header(
            parent_hash=bytes(32),
            coinbase=bytes(20),
            state_root=bytes(32),
            number=0,
            gas_limit=30_000_000,
            timestamp=1_000,
            base_fee=self.config.initial_base_fee_wei,
        )
        result = genesis_block(header, accounts)
        self.store = dict(result.writes)
        self.headers = [result.block.header]
        self.blocks: list[BlockResult] = [result]

    @property
    def head(self) -> Header:
        return self.headers[-1]

    def context(self, **changes: Any) -> BlockContext:
        fields: dict[str, Any] = {
            "timestamp": self.head.timestamp + 12,
            "coinbase": COINBASE,
            "gas_limit": self.head.gas_limit,
            "prev_randao": bytes((self.head.number % 256,)) * 32,
            "parent_beacon_block_root": bytes((1 + self.head.number % 255,)) * 32,
        }
        return BlockContext(**{**fields, **changes})

    def build(self, transactions: Iterable[Transaction], **changes: Any) -> BuildResult:
        return build_block(
            self.config, self.store, self.head, self.context(**changes), transactions
        )

    def import_block(self, block: Block, sidecar: Sidecar | None = None) -> BlockResult:
        return import_block(self.config, self.store, self.head, block, sidecar)

    def mine(self, *transactions: Transaction, **changes: Any) -> BuildResult:
        """Build, import from bytes what was built, compare, and append."""
        built = self.build(transactions, **changes)
        result = built.result
        imported = self.import_block(Block.decode(result.block.encode()), result.sidecar)
        assert imported == result
        self.append(result)
        return built

    def append(self, result: BlockResult) -> None:
        self.store.update(result.writes)
        self.headers.append(result.block.header)
        self.blocks.append(result)

    def must_mine(self, *transactions: Transaction) -> BlockResult:
        """Mine transactions that must all be included and succeed."""
        built = self.mine(*transactions)
        assert built.rejected == ()
        assert built.deferred == ()
        assert [receipt.status for receipt in built.result.receipts] == [1] * len(transactions)
        return built.result

    def transaction(self, index: int, **fields: Any) -> Transaction:
        """Sign a transaction of account ``index``; the nonce is the state's by default."""
        sender = ADDRESSES[index]
        defaults: dict[str, Any] = {
            "nonce": account(self.store, self.head.state_root, sender).nonce,
            "gas": 100_000,
            "to": "0x" + "11" * 20,
            "value": 0,
            "data": b"",
            "chainId": self.config.chain_id,
        }
        if "gasPrice" not in fields:
            defaults |= {"type": 2, "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9}
        merged = {**defaults, **fields}
        merged["to"] = to_checksum_address(merged["to"]) if merged["to"] else b""
        signed = EthAccount.sign_transaction(merged, KEYS[index])
        return decode_transaction(bytes(signed.raw_transaction))

    def balance(self, address: bytes) -> int:
        return account(self.store, self.head.state_root, address).balance

    def slot(self, address: bytes, slot: int) -> int:
        return storage(self.store, self.head.state_root, address, slot)

    def call(self, **fields: Any) -> CallResult:
        request = CallRequest(**fields)
        return call(self.config, self.store, self.head, request, CAP)

    def estimate(self, **fields: Any) -> int:
        request = CallRequest(**fields)
        return estimate_gas(self.config, self.store, self.head, request, CAP)

    def total_wei(self, addresses: Iterable[bytes]) -> int:
        return sum(self.balance(address) for address in addresses)
