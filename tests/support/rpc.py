"""A devnet's node in memory behind its dispatcher, without a socket."""

from __future__ import annotations

import json
from typing import Any

import trio

from node.accounts import TEST_MNEMONIC
from node.devnet import DevnetOptions, build
from node.rpc.dispatch import Dispatcher
from node.rpc.namespaces import DEVNET, methods_of
from node.rpc.translate import translate

FIRST = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
SECOND = "0x70997970c51812dc3a010c7d01b50e0d17dc79c8"


class Rpc:
    """A node in memory behind its dispatcher."""

    def __init__(self, **changes: Any) -> None:
        options = DevnetOptions(
            **{
                "host": "", "port": 0, "hosts": (), "origins": (), "chain_id": 31337,
                "block_seconds": None, "gas_limit": None, "datadir": None, "accounts": 3,
                "balance_wei": 10**22, "mnemonic": TEST_MNEMONIC, "demo": False, "backend": "auto",
                "quiet": True, "json_lines": False, **changes,
            }
        )  # fmt: skip
        self.node = build(options).node
        self.dispatcher = Dispatcher(
            node=self.node, methods=methods_of(DEVNET), translate=translate
        )

    def answer(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})

        async def ask() -> bytes | None:
            return await self.dispatcher.answer(body.encode())

        raw = trio.run(ask)
        assert raw is not None
        return json.loads(raw)

    def call(self, method: str, *params: Any) -> Any:
        answer = self.answer(method, *params)
        assert "result" in answer, answer
        return answer["result"]

    def error(self, method: str, *params: Any) -> Any:
        answer = self.answer(method, *params)
        assert "error" in answer, answer
        return answer["error"]

    def send(self, **fields: Any) -> Any:
        sent = self.call("eth_sendTransaction", {"from": FIRST, **fields})
        return self.call("eth_getTransactionReceipt", sent)


def deployment(runtime: str) -> str:
    """Return init code that returns `runtime`."""
    size = len(runtime) // 2
    return f"0x60{size:02x}600c60003960{size:02x}6000f3{runtime}"


def word(value: int) -> str:
    return "0x" + value.to_bytes(32, "big").hex()
