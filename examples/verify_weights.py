"""Check that a model's weights are in a chain's state, trusting nothing but a block hash.

    python examples/verify_weights.py --rpc http://127.0.0.1:8545 MODEL [--block HASH]

It imports nothing of Engram: RLP, Keccak and BLAKE3 come from their libraries, the Merkle
arithmetic is below. For every chunk it shows that

1. the header hashes to the block hash and holds the state root,
2. the registry's account is in the state, with its storage root          (eth_getProof),
3. the word of the model id and the chunk's presence word are in storage   (eth_getProof),
4. chunk, index and path lead to that model id, and the presence word is the chunk's length.

The slots are derived here from the published storage layout (docs/spec/06-registry.md).
"""

from __future__ import annotations

import argparse
import json
import sys
import urllib.request
from typing import Any

import rlp
from blake3 import blake3
from eth_hash.auto import keccak

REGISTRY = "0x000000000000000000000000000000000000a100"
PRESENT_WORD, MODEL_WORD = 2, 4
HEADER_FIELDS = [
    "parentHash",
    "sha3Uncles",
    "miner",
    "stateRoot",
    "transactionsRoot",
    "receiptsRoot",
    "logsBloom",
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "extraData",
    "mixHash",
    "nonce",
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
]
QUANTITIES = {
    "difficulty",
    "number",
    "gasLimit",
    "gasUsed",
    "timestamp",
    "baseFeePerGas",
    "blobGasUsed",
    "excessBlobGas",
}


class Refuted(Exception):
    """Something that the node said does not follow from the block hash."""


def require(condition: bool, sentence: str) -> None:
    if not condition:
        raise Refuted(sentence)


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def block_hash(header: dict[str, Any]) -> bytes:
    fields = []
    for name in HEADER_FIELDS:
        value = header[name]
        number = int(value, 16) if name in QUANTITIES else 0
        quantity = number.to_bytes((number.bit_length() + 7) // 8, "big")
        fields.append(quantity if name in QUANTITIES else raw(value))
    return keccak(rlp.encode(fields))


def nibbles(key: bytes) -> list[int]:
    return [digit for byte in key for digit in (byte >> 4, byte & 15)]


def proved_value(root: bytes, key: bytes, proof: list[str]) -> bytes | None:
    """Follow a proof from `root` along keccak(key); None when it shows that nothing is there."""
    path, expected = nibbles(keccak(key)), root
    nodes = [raw(node) for node in proof]
    while nodes:
        encoded = nodes.pop(0)
        require(keccak(encoded) == expected, "a proof node does not have the hash above it")
        node = rlp.decode(encoded)
        while True:  # nodes under 32 bytes stand inside their parent
            if len(node) == 17:
                if not path:
                    return node[16] or None
                child, path = node[path[0]], path[1:]
            else:
                prefix = nibbles(node[0])
                own = prefix[1:] if prefix[0] & 1 else prefix[2:]
                if path[: len(own)] != own:
                    return None
                path = path[len(own) :]
                if prefix[0] & 2:
                    return node[1] if not path else None
                child = node[1]
            if isinstance(child, list):
                node = child
                continue
            break
        if not child:
            return None
        expected = child
    raise Refuted("a proof ends before it shows anything")


def mapping_slot(word: int, key: bytes) -> int:
    return int.from_bytes(keccak(key.rjust(32, b"\0") + word.to_bytes(32, "big")), "big")


def leaf(chunk: bytes) -> bytes:
    return blake3(b"\0" + chunk).digest()


def parent(left: bytes, right: bytes) -> bytes:
    return blake3(b"\1" + left + right).digest()


def root_from_path(digest: bytes, index: int, count: int, path: list[bytes]) -> bytes:
    """RFC 6962, section 2.1.1: climb from leaf `index` of `count` to the root."""
    node, last = index, count - 1
    for sibling in path:
        require(last > 0, "a chunk's path is too long")
        if node & 1 or node == last:
            digest = parent(sibling, digest)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            digest = parent(digest, sibling)
        node, last = node >> 1, last >> 1
    require(last == 0, "a chunk's path is too short")
    return digest


class Node:
    def __init__(self, url: str) -> None:
        self.url = url

    def __call__(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        request = urllib.request.Request(
            self.url, body.encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            reply = json.load(answer)
        require("error" not in reply, f"{method}: {reply.get('error')}")
        return reply["result"]


def storage_words(root: bytes, proof: dict[str, Any], slots: list[int]) -> list[int]:
    """Return the proved words of the registry at `slots`."""
    account = proved_value(root, raw(REGISTRY), proof["accountProof"])
    require(account is not None, "the registry is not in the state")
    storage_root = rlp.decode(account)[2]
    by_slot = {int(entry["key"], 16): entry for entry in proof["storageProof"]}
    words = []
    for slot in slots:
        require(slot in by_slot, f"the node proved nothing about slot {slot:#x}")
        found = proved_value(storage_root, slot.to_bytes(32, "big"), by_slot[slot]["proof"])
        words.append(int.from_bytes(rlp.decode(found), "big") if found else 0)
    return words


def verify(node: Node, model: str, wanted_block: str | None) -> str:
    """Check every chunk; return a sentence, or raise Refuted."""
    header = (
        node("eth_getBlockByHash", wanted_block, False)
        if wanted_block
        else node("eth_getBlockByNumber", "latest", False)
    )
    require(header is not None, "the node does not know that block")
    digest = block_hash(header)
    require(digest == raw(wanted_block or header["hash"]), "the header does not have its hash")
    state_root, number = raw(header["stateRoot"]), header["number"]

    id_slot = mapping_slot(MODEL_WORD, raw(model))
    first = node("engram_getChunk", model, "0x0", number)
    require(first is not None, "the node has no such model or chunk")
    count, size = int(first["count"], 16), 0
    for index in range(count):
        chunk = node("engram_getChunk", model, hex(index), number)
        content = raw(chunk["data"])
        leaf_digest = leaf(content)
        present = mapping_slot(PRESENT_WORD, leaf_digest)
        proof = node("eth_getProof", REGISTRY, [hex(id_slot), hex(present)], number)
        id_word, length = storage_words(state_root, proof, [id_slot, present])
        path = [raw(item) for item in chunk["path"]]
        root = root_from_path(leaf_digest, index, count, path)
        require(root == id_word.to_bytes(32, "big"), f"chunk {index} is not of this model")
        require(length == len(content), f"chunk {index} is not present in the state")
        size += len(content)
    return (
        f"block {int(number, 16)} (0x{digest.hex()}): all {count} chunks, {size} bytes, of model "
        f"0x{id_word.to_bytes(32, 'big').hex()} are in the state"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", help="the model's address")
    parser.add_argument("--rpc", default="http://127.0.0.1:8545")
    parser.add_argument("--block", help="hash of the block to trust (default: the newest)")
    options = parser.parse_args()
    try:
        print(verify(Node(options.rpc), options.model, options.block))
    except Refuted as error:
        print(f"refuted: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
