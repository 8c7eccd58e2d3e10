"""`engram model list`: the models of a chain, from a node."""

from __future__ import annotations

import argparse
import json
from typing import Any

from node.errors import DONE, CliError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("list", description="List the models of a chain.")
    parser.add_argument(
        "--rpc", default="http://127.0.0.1:8545", metavar="URL", help="node (default %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print what engram_listModels answers")


def run(args: argparse.Namespace) -> int:
    """Print one line for each model; return 0."""
    from node.rpc_client import RpcClient, RpcRefusedError

    with RpcClient(args.rpc) as client:
        try:
            models = client.call("engram_listModels")
        except RpcRefusedError as error:
            raise CliError(
                "E-DEPLOY-003",
                f"The chain at {args.rpc} has no model registry ({error.message}); name the node "
                "of an Engram chain with --rpc.",
            ) from error
    if args.json:
        print(json.dumps(models, indent=2))
        return DONE
    if not models:
        print("no models yet; `engram model deploy FILE` puts one there")
    for model in models:
        print(_line(model))
    return DONE


def _line(model: dict[str, Any]) -> str:
    from node.accounts import checksum

    shapes = " -> ".join(
        ", ".join(f"{port['dtype']} {tuple(port['shape'])}" for port in model[side])
        for side in ("inputs", "outputs")
    )
    name = model["name"] or "(unnamed)"
    size = int(model["size"], 16)
    return f"{checksum(bytes.fromhex(model['address'][2:]))}  {model['status']:<10}  {name}  {size:,} bytes  {shapes}".rstrip(
        " ->"
    )
