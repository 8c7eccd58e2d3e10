"""The chain of rule B-13: a genesis state and the blocks that a node built on it."""

from __future__ import annotations

from typing import Any

from tests.ai_ops.models import mlp
from tests.support.chain import ADDRESSES, Chain
from tests.support.chain_models import caller, deploy
from tests.support.inference import asm
from tests.support.inference_models import ROW
from vm.blocks import Withdrawal
from vm.results import Account

MODEL_CALLER, TOGGLE, REVERTING = b"\xc0" * 20, b"\xc1" * 20, b"\xc2" * 20
RUNTIME = asm(1, 0, "SSTORE")
INITCODE = bytes.fromhex(f"60{len(RUNTIME):02x}80600a5f395ff300") + RUNTIME


def start() -> Chain:
    """Return the chain at its genesis, before any of the blocks."""
    model = deploy(Chain(), mlp())
    store_output = asm(0, "MLOAD", 0, "SSTORE", 1, "SSTORE")
    return Chain(
        {
            MODEL_CALLER: Account(nonce=1, code=caller(model, 32, store_output)),
            TOGGLE: Account(nonce=1, code=asm(0, "SLOAD", "ISZERO", 0, "SSTORE"), storage={0: 1}),
            REVERTING: Account(nonce=1, code=asm(0, 0, "REVERT")),
        }
    )


def run(chain: Chain) -> None:
    """Mine what the rule lists."""
    chain.must_mine(chain.transaction(1, value=5), chain.transaction(2, to=b"", data=INITCODE))
    toggle = chain.transaction(3, to=TOGGLE)
    chain.mine(toggle, chain.transaction(4, to=REVERTING))
    withdrawal = Withdrawal(index=0, validator_index=9, address=ADDRESSES[9], amount=7)
    chain.mine(withdrawals=(withdrawal,))
    deploy(chain, mlp())
    calls = [
        chain.transaction(sender, to=MODEL_CALLER, data=bytes((sender,)) * ROW, gas=500_000)
        for sender in (1, 2)
    ]
    chain.must_mine(*calls)


def chain_vector() -> dict[str, Any]:
    """Return the case for the vector file."""
    chain = start()
    genesis_alloc = chain.alloc
    run(chain)
    return {
        "rule": "B-13",
        "chain_id": chain.config.chain_id,
        "genesis": {
            "header": chain.headers[0].encode().hex(),
            "alloc": {
                address.hex(): {
                    "balance": str(account.balance),
                    "nonce": account.nonce,
                    "code": account.code.hex(),
                    "storage": {f"{slot:x}": f"{word:x}" for slot, word in account.storage.items()},
                }
                for address, account in genesis_alloc.items()
            },
        },
        "blocks": [
            {
                "rlp": result.block.encode().hex(),
                "hash": result.block.hash.hex(),
                "state_root": result.block.header.state_root.hex(),
                "requests_hash": result.block.header.requests_hash.hex(),
                "inferences": len(result.sidecar.records),
            }
            for result in chain.blocks[1:]
        ],
    }
