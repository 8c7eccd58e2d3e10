"""Small development chains for tests: funded accounts, signed transfers, a producer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from eth_account import Account

from ai_ops import merkle
from genesis.alloc import INFERENCE_ADDRESS, REGISTRY_ADDRESS, GenesisAccount
from genesis.dev_key import DEV_VALIDATOR_KEY
from genesis.spec import ChainSpec, template
from node.chain import Chain
from node.mempool import Mempool, PoolLimits
from node.producer import Producer
from node.storage.memory import MemoryStore
from node.storage.store import Store
from vm.registry import calls
from vm.registry.layout import model_address
from vm.transactions import Transaction, decode_transaction

GWEI = 10**9
ETHER = 10**18
COINBASE = b"\xc0" * 20
KEYS = tuple(bytes([17] * 31 + [index]) for index in range(1, 41))
ADDRESSES = tuple(bytes.fromhex(Account.from_key(key).address[2:]) for key in KEYS)
START = 1_700_000_000


def dev_spec(balance: int = 1_000 * ETHER, **changes: Any) -> ChainSpec:
    """The devnet template with funded test accounts."""
    alloc = {address: GenesisAccount(balance=balance) for address in ADDRESSES}
    return replace(template("devnet"), alloc=alloc, **changes)


def transfer(
    sender: int,
    nonce: int,
    *,
    to: bytes | None = b"\xaa" * 20,
    value: int = 1,
    gas: int = 21_000,
    fee: int = 10 * GWEI,
    tip: int = GWEI,
    data: bytes = b"",
    chain_id: int = 31_337,
) -> Transaction:
    """A signed dynamic-fee transaction of test account ``sender``."""
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": chain_id,
        "nonce": nonce,
        "maxFeePerGas": fee,
        "maxPriorityFeePerGas": tip,
        "gas": gas,
        "value": value,
        "data": data,
    }
    if to is not None:
        fields["to"] = to
    return decode_transaction(bytes(Account.sign_transaction(fields, KEYS[sender]).raw_transaction))


@dataclass
class TestChain:
    """A chain with its pool and producer, on a clock that the test moves."""

    __test__ = False
    chain: Chain
    mempool: Mempool
    producer: Producer
    now: int = START

    def send(self, *transactions: Transaction) -> None:
        for transaction in transactions:
            self.mempool.add(transaction, self.now)

    def mine(self, *transactions: Transaction) -> None:
        self.send(*transactions)
        self.now += 1
        self.producer.seal(self.now)


def make_chain(
    store: Store | None = None, spec: ChainSpec | None = None, limits: PoolLimits | None = None
) -> TestChain:
    """A new chain, in memory unless a store is given."""
    return around(Chain.create(spec or dev_spec(), store or MemoryStore()), limits)


def around(chain: Chain, limits: PoolLimits | None = None) -> TestChain:
    """Pool and producer for an existing chain."""
    mempool = Mempool(chain, limits)
    producer = Producer(chain, mempool, DEV_VALIDATOR_KEY, COINBASE, lambda: START)
    return TestChain(chain, mempool, producer, max(START, chain.head.timestamp))


def model_deployment(sender: int, nonce: int, content: bytes) -> tuple[bytes, list[Transaction]]:
    """The model's address, and the transactions that create, fill and activate it."""
    model = model_address(ADDRESSES[sender], merkle.model_id(content))
    header = calls.model_header(
        merkle.model_id(content), len(content), merkle.leaf_digests(content)
    )
    steps = [calls.call_data(calls.CREATE_MODEL, header)]
    steps += [
        calls.call_data(calls.PUT_CHUNK, model, index, chunk)
        for index, chunk in enumerate(merkle.chunks(content))
    ]
    steps.append(calls.call_data(calls.ACTIVATE, model))
    return model, [
        transfer(sender, nonce + index, to=REGISTRY_ADDRESS, value=0, data=step, gas=8_000_000)
        for index, step in enumerate(steps)
    ]


def inference(sender: int, nonce: int, model: bytes, content: bytes, **changes: Any) -> Transaction:
    """A transaction that asks the inference precompile directly."""
    call = calls.call_data("infer(address,bytes)", model, content)
    fields = {"to": INFERENCE_ADDRESS, "value": 0, "data": call, "gas": 2_000_000, **changes}
    return transfer(sender, nonce, **fields)
