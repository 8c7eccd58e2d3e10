"""`engram devnet --demo`: a digit model and a contract that calls it, put there by transactions.

`genesis/models/digit_samples.bin` holds ten handwritten digits, 0 to 9, of 784 bytes each: the
first held-out image of each label that the model reads rightly, pixels p as (254 p + 255) // 510.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

from node import model_upload
from node.accounts import checksum
from node.app import Node
from node.model_upload import Upload
from node.rpc.method import arguments
from node.rpc.methods import eth
from node.rpc.server import Answer
from vm.registry import facts, reads
from vm.registry.facts import Status
from vm.registry.layout import REGISTRY_ADDRESS
from vm.world import storage

IMAGE_BYTES: Final = 784
SIDE: Final = 28
SHOWN_DIGIT: Final = 7
# Selector of the contract's classify(bytes).
CLASSIFY: Final = bytes.fromhex("9f903bca")
# An earlier run left the contract in one of the first blocks.
SEARCHED_BLOCKS: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What the demonstration put on the chain: addresses of 20 bytes."""

    model: bytes
    contract: bytes

    def as_json(self) -> dict[str, str]:
        """Return both addresses for the banner in JSON."""
        return {"demoModel": checksum(self.model), "demoContract": checksum(self.contract)}


@cache
def artifact() -> dict[str, Any]:
    """Return the compiled contract: `abi` and `bytecode`."""
    path = resources.files("genesis") / "contracts" / "artifacts" / "Digits.json"
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


@cache
def samples() -> tuple[bytes, ...]:
    """Return the ten digits: int8 (28, 28), row by row."""
    path = resources.files("genesis") / "models" / "digit_samples.bin"
    content = path.read_bytes()
    return tuple(
        content[start : start + IMAGE_BYTES] for start in range(0, len(content), IMAGE_BYTES)
    )


def prepare(node: Node) -> Demo:
    """Deploy model and contract from the node's first account, unless they are there.

    Raises
    ------
    RpcError, CallFailed, PoolError
        When a transaction is refused.
    """
    author = node.keyring.addresses[0]
    content = (resources.files("genesis") / "models" / "digits.egm").read_bytes()
    upload = model_upload.plan(content, author)
    status = _status(node, upload)
    if status is Status.UNKNOWN:
        _send(node, REGISTRY_ADDRESS, model_upload.create_call(upload))
    if _status(node, upload) is Status.CREATED:
        for index in _missing(node, upload):
            _send(node, REGISTRY_ADDRESS, model_upload.chunk_call(upload, index))
        _send(node, REGISTRY_ADDRESS, model_upload.activate_call(upload))
    creation = bytes.fromhex(artifact()["bytecode"].removeprefix("0x"))
    creation += upload.address.rjust(32, b"\0")
    contract = _find_contract(node, creation)
    if contract is None:
        created = _send(node, None, creation)["contractAddress"]
        contract = bytes.fromhex(created[2:])
    return Demo(model=upload.address, contract=contract)


def _send(node: Node, to: bytes | None, data: bytes) -> dict[str, Any]:
    """Send as a wallet would, seal, and return the receipt."""
    request = {"from": "0x" + node.keyring.addresses[0].hex(), "data": "0x" + data.hex()}
    if to is not None:
        request["to"] = "0x" + to.hex()
    sent = _call(node, "eth_sendTransaction", request)
    if not node.mine_on_demand:
        node.seal()
    receipt: dict[str, Any] = _call(node, "eth_getTransactionReceipt", sent)
    assert receipt["status"] == "0x1", "a transaction of the demonstration failed"
    return receipt


def _call(node: Node, method: str, *params: Any) -> Any:
    row = eth.METHODS[method]
    return row.run(node, *arguments(row, list(params)))


def _registry(node: Node) -> facts.Registry:
    head, store = node.chain.head, node.chain.state_store
    return reads.reader(
        lambda slot: storage(store, head.state_root, REGISTRY_ADDRESS, slot),
        store.get,
        head.number,
    )


def _status(node: Node, upload: Upload) -> Status:
    return facts.status(_registry(node), upload.address)


def _missing(node: Node, upload: Upload) -> tuple[int, ...]:
    return reads.missing_chunks(_registry(node), upload.address)


def _find_contract(node: Node, creation: bytes) -> bytes | None:
    for number in range(1, min(node.chain.head.number, SEARCHED_BLOCKS) + 1):
        block = node.chain.block_by_number(number)
        assert block is not None
        for index, sent in enumerate(block.transactions):
            if sent.to is None and sent.data == creation:
                receipts = node.chain.receipts(block.hash)
                assert receipts is not None
                if receipts[index].status:
                    return receipts[index].contract_address
    return None


def request(demo: Demo, digit: int) -> bytes:
    """Return the JSON-RPC request that asks the contract about a digit."""
    image = samples()[digit]
    call = CLASSIFY + (32).to_bytes(32, "big") + len(image).to_bytes(32, "big")
    data = call + image.ljust(-(-len(image) // 32) * 32, b"\0")
    params = [{"to": "0x" + demo.contract.hex(), "data": "0x" + data.hex()}, "latest"]
    body = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": params}
    return json.dumps(body).encode()


def documents(demo: Demo) -> dict[str, Callable[[], Answer]]:
    """Return what the server offers under /demo, so that the banner's lines stay short."""
    served: dict[str, Callable[[], Answer]] = {
        "/demo/abi.json": lambda: Answer(200, json.dumps(artifact()["abi"]).encode())
    }
    for digit, image in enumerate(samples()):
        served[f"/demo/{digit}"] = _answer(image, "application/octet-stream")
        served[f"/demo/{digit}.json"] = _answer(request(demo, digit), "application/json")
    return served


def _answer(body: bytes, kind: str) -> Callable[[], Answer]:
    return lambda: Answer(200, body, kind)


def picture(image: bytes) -> list[str]:
    """Draw a digit with characters, two rows of pixels in each line."""
    lines = []
    for top in range(0, SIDE, 2):
        rows = (image[top * SIDE : (top + 1) * SIDE], image[(top + 1) * SIDE : (top + 2) * SIDE])
        ink = (max(pair) for pair in zip(*rows, strict=True))
        lines.append("".join(" .:*#"[min(value * 5 // 128, 4)] for value in ink).rstrip())
    while lines and not lines[0]:
        lines.pop(0)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def notes(demo: Demo, url: str) -> list[str]:
    """Return the lines of the banner that say what is there and what to try."""
    lines = [
        "Demonstration",
        "=============",
        f"Digit model:       {checksum(demo.model)} (LeNet-5)",
    ]
    lines += [f"Digits contract:   {checksum(demo.contract)}", ""]
    lines += [" " * 8 + line for line in picture(samples()[SHOWN_DIGIT])]
    lines += [
        "",
        "Ask the contract which digit that is; by eth_call it is free:",
        "",
        f"  curl -s {url}/demo/{SHOWN_DIGIT}.json | curl -s -d @- {url}",
        "",
        "The first word of the answer is the digit, the second its score; other digits are at",
        f"{url}/demo/0.json to 9.json. The same with web3.py (pip install web3):",
        "",
        "import json, urllib.request as u; from web3 import Web3",
        f'w3 = Web3(Web3.HTTPProvider("{url}"))',
        f'abi = json.load(u.urlopen("{url}/demo/abi.json"))',
        f'image = u.urlopen("{url}/demo/{SHOWN_DIGIT}").read()   # 28 x 28 signed bytes',
        f'digits = w3.eth.contract("{checksum(demo.contract)}", abi=abi)',
        "print(digits.functions.classify(image).call())",
        "",
    ]
    return lines
