"""Ask the digit contract about an image, with web3.py.

    pip install web3 numpy
    python examples/digits/client.py examples/digits/seven.pgm --contract 0x... [--submit]
    python examples/digits/client.py --held-out 1000 --contract 0x...

Without --contract, the first active model called "digits" is looked up and a contract is deployed
for it. Reading is an `eth_call` and free; --submit sends a transaction from the node's first
account (the devnet's accounts are unlocked).
"""

import argparse
import json
import re
from pathlib import Path

import numpy as np
from web3 import Web3

HERE = Path(__file__).resolve().parent
ARTIFACT = HERE.parents[1] / "genesis" / "contracts" / "artifacts" / "Digits.json"
SIDE = 28


def read_pgm(path):
    """Read a binary PGM of 28 x 28 pixels: uint8 (28, 28), white ink on black."""
    content = path.read_bytes()
    header = re.match(rb"P5\s+28\s+28\s+255\s", content)
    if header is None or len(content) < header.end() + SIDE * SIDE:
        raise SystemExit(f"{path} is not a binary PGM of {SIDE} x {SIDE} pixels")
    pixels = np.frombuffer(content, np.uint8, SIDE * SIDE, header.end())
    return pixels.reshape(SIDE, SIDE)


def encode(image):
    """Turn pixels 0..255 into the model's input: one signed byte each, 0..127."""
    return np.rint(image * (127 / 255)).astype(np.int8).tobytes()


def find_model(web3):
    """Return the address of the first active model called "digits"."""
    answer = web3.provider.make_request("engram_listModels", [])
    for model in answer.get("result", []):
        if model["name"] == "digits" and model["status"] == "active":
            return Web3.to_checksum_address(model["address"])
    raise SystemExit("the chain has no model called digits: engram model deploy digits.egm")


def deploy(web3, model, sender):
    """Deploy the contract for a model; return its address."""
    artifact = json.loads(ARTIFACT.read_text())
    factory = web3.eth.contract(abi=artifact["abi"], bytecode=artifact["bytecode"])
    receipt = web3.eth.wait_for_transaction_receipt(
        factory.constructor(model).transact({"from": sender})
    )
    return receipt["contractAddress"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("image", nargs="?", type=Path, help="a 28 x 28 PGM file")
    parser.add_argument("--rpc", default="http://127.0.0.1:8545")
    parser.add_argument("--contract", help="address of a Digits contract")
    parser.add_argument("--submit", action="store_true", help="read it in a transaction")
    parser.add_argument("--held-out", metavar="N", type=int, default=0, help="read N test digits")
    args = parser.parse_args()
    if args.image is None and not args.held_out:
        parser.error("name an image, or digits to read with --held-out N")
    try:
        data = None if args.image is None else encode(read_pgm(args.image))
    except OSError as error:
        raise SystemExit(f"{args.image} cannot be read: {error.strerror}") from error

    web3 = Web3(Web3.HTTPProvider(args.rpc))
    if not web3.is_connected():
        raise SystemExit(f"nothing answers at {args.rpc}: start a node with `engram devnet --demo`")
    sender = web3.eth.accounts[0] if args.submit or not args.contract else None
    address = args.contract or deploy(web3, find_model(web3), sender)
    abi = json.loads(ARTIFACT.read_text())["abi"]
    digits = web3.eth.contract(address=Web3.to_checksum_address(address), abi=abi)
    print(f"contract {digits.address}, model {digits.functions.model().call()}")

    if data is not None:
        digit, score = digits.functions.classify(data).call()
        print(f"{args.image.name}: this is a {digit} (score {score})")
        if args.submit:
            receipt = web3.eth.wait_for_transaction_receipt(
                digits.functions.submit(data).transact({"from": sender})
            )
            (event,) = digits.events.DigitRead().process_receipt(receipt)
            print(
                f"block {receipt['blockNumber']}, {receipt['gasUsed']:,} gas:"
                f" remembered a {event['args']['digit']} for {event['args']['sender']}"
            )
            print(f"read as {digit} so far: {digits.functions.tally(digit).call()}")
    if args.held_out:
        held_out = np.load(HERE / "heldout.npz")
        count = min(args.held_out, len(held_out["labels"]))
        found = [digits.functions.classify(encode(i)).call()[0] for i in held_out["images"][:count]]
        right = sum(int(a == b) for a, b in zip(found, held_out["labels"][:count], strict=True))
        print(f"held-out digits right: {right} of {count}")


if __name__ == "__main__":
    main()
