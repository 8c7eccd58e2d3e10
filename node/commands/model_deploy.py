"""`engram model deploy`: a model file on a chain, with estimate, progress and resume."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from node.commands.numbers import whole
from node.errors import ANSWER_IS_NO, DONE, CliError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ai_ops.graph import Port
    from node.accounts import KeyedAccount
    from node.deploy import Deployer
    from node.model_upload import Upload
    from node.rpc_client import RpcClient

# A fee beyond what one transaction may spend would make the model uncallable.
MAX_FEE_GAS = 2**24

DESCRIPTION = """\
Upload a model (.egm) through a node, activate it, and check that contracts can call it.
When it is interrupted, run it again: only what is missing is sent.

By default the node's first account sends (a devnet holds the keys of its accounts); to sign on
this machine instead, name a file that holds a private key in hex."""


def address(text: str) -> bytes:
    """Parse an address of the command line."""
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not an address")
    return bytes.fromhex(text[2:])


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "deploy",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the model (.egm)")
    parser.add_argument(
        "--rpc", default="http://127.0.0.1:8545", metavar="URL", help="node (default %(default)s)"
    )
    who = parser.add_mutually_exclusive_group()
    who.add_argument(
        "--from", dest="sender", type=address, metavar="ADDRESS",
        help="account of the node that sends and becomes the author",
    )  # fmt: skip
    who.add_argument(
        "--private-key-file", type=Path, metavar="FILE", help="sign here with the key in this file"
    )
    parser.add_argument(
        "--fee-gas", type=whole(0, MAX_FEE_GAS), metavar="N",
        help="author fee per call, in gas (default: none)",
    )  # fmt: skip
    parser.add_argument("--chain-id", type=whole(), metavar="N", help="refuse any other chain")
    parser.add_argument("--yes", action="store_true", help="do not ask before paying")


def run(args: argparse.Namespace) -> int:
    """Upload the model; return 0 when contracts can call it."""
    from genesis.spec import template
    from node.model_file import read_model
    from node.rpc_client import RpcClient, RpcRefusedError

    # Judged here first, by the limits of a devnet: a model that no chain accepts costs nothing.
    data = read_model(args.file, template("devnet").vm_config.limits).data
    key = None if args.private_key_file is None else _read_key(args.private_key_file)
    with RpcClient(args.rpc) as client:
        try:
            return _run(args, data, key, client)
        except RpcRefusedError as error:
            raise CliError(
                "E-DEPLOY-004",
                f"The node refused {error.method} ({error.message}); mend that first.",
            ) from error


def _run(args: argparse.Namespace, data: bytes, key: KeyedAccount | None, client: RpcClient) -> int:
    from node import deploy, model_upload

    chain_id = deploy.check_chain(client, args.chain_id)
    author = deploy.choose_author(client, args.sender) if key is None else key.address
    upload = model_upload.plan(data, author)
    deployer = deploy.Deployer(client=client, chain_id=chain_id, author=author, key=key)
    if not _agreed(deployer, upload, args.fee_gas, asks=not args.yes):
        return ANSWER_IS_NO
    return _deploy(deployer, upload, args.fee_gas)


def _deploy(deployer: Deployer, upload: Upload, fee_gas: int | None) -> int:
    from node import deploy
    from node.accounts import checksum
    from node.progress import Progress
    from vm.registry.layout import INFERENCE_ADDRESS

    bar = Progress(sys.stderr, "chunks", len(upload.chunks), "sent")
    try:
        found = deploy.deploy(deployer, upload, fee_gas, lambda done, _total: bar.update(done))
    finally:
        bar.finish()
    print(f"model     {checksum(upload.address)}")
    print(f"status    {found.status.name.lower()}, {found.macs:,} multiply-accumulates a call")
    print(f"paid      {deployer.gas_used:,} gas")
    takes, gives = (_ports(ports) for ports in (upload.manifest.inputs, upload.manifest.outputs))
    print(
        f"call it   IInference({checksum(INFERENCE_ADDRESS)}).infer({checksum(upload.address)}, input)"
    )
    print(f"          input is {takes}; the answer is {gives}")
    return DONE


def _ports(ports: Sequence[Port]) -> str:
    """Write what goes in or comes out, in the order of the bytes."""
    return " then ".join(f"{port.name} {port.dtype.name.lower()} {port.shape}" for port in ports)


def _agreed(deployer: Deployer, upload: Upload, fee_gas: int | None, *, asks: bool) -> bool:
    """Show what it will cost; ask when a person is there to answer."""
    from node.accounts import checksum
    from node.model_upload import estimate, fee_estimate
    from vm.prices import InferencePrices
    from vm.registry.facts import Status

    status = deployer.info(upload.address).status
    count = len(upload.chunks)
    pieces = f"{count} chunk{'' if count == 1 else 's'}"
    print(f"name      {upload.manifest.name}, {upload.size:,} bytes in {pieces}")
    print(f"model id  0x{upload.model_id.hex()}")
    print(f"author    {checksum(upload.author)}")
    if status not in {Status.UNKNOWN, Status.CREATED}:
        return True
    missing = None if status is Status.UNKNOWN else deployer.missing(upload)
    if missing is not None:
        print(f"resumes   {count - len(missing)} of {pieces} on chain already")
    gas = estimate(upload, InferencePrices(), missing)
    if fee_gas is not None:
        gas += fee_estimate(upload, fee_gas, InferencePrices())
    wei = gas * deployer.gas_price()
    print(f"costs     about {gas:,} gas = {_coins(wei)} ETH ({wei:,} wei)", flush=True)
    balance = deployer.balance()
    if balance < wei:
        raise CliError(
            "E-DEPLOY-008",
            f"0x{upload.author.hex()} has {_coins(balance)} ETH and the upload costs about "
            f"{_coins(wei)}; send it more first.",
        )
    if not asks or not sys.stdin.isatty():
        return True
    return input("Go on? [y/N] ").strip().lower() in {"y", "yes"}


def _coins(wei: int) -> str:
    """Write wei as whole coins with six decimals, without floats."""
    micro = wei // 10**12
    return f"{micro // 10**6}.{micro % 10**6:06d}"


def _read_key(path: Path) -> KeyedAccount:
    from node.accounts import from_private_key

    try:
        with path.open("rb") as file:
            text = file.read(256).decode("ascii")
        return from_private_key(text)
    except OSError as error:
        raise CliError(
            "E-KEY-002", f"{path} cannot be read ({error.strerror}); check the name."
        ) from error
    except ValueError as error:
        raise CliError(
            "E-KEY-002", f"{path} does not hold a private key: 64 hex digits, nothing else."
        ) from error
