"""`engram devnet`: a development chain on this machine, anvil by feel."""

from __future__ import annotations

import argparse
from pathlib import Path

from node.accounts import MAX_ACCOUNTS, TEST_MNEMONIC
from node.backend import add_backend_option
from node.commands.numbers import whole
from node.errors import CliError

# Activating the largest model takes almost so much: the genesis checks want room for it.
LEAST_GAS_LIMIT = 2**24

DESCRIPTION = """\
Start a development chain: funded accounts whose keys everybody knows, every Ethereum tool can
drive it, contracts can call neural networks. Each transaction is mined at once unless
--block-time is given. Without --datadir the chain lives in memory and ends with the process.
Ctrl-C stops it."""

EPILOG = """\
examples:
  engram devnet --demo                     with a digit model and a contract that calls it
  engram devnet --datadir ~/my-chain       keeps the chain between runs
  engram devnet --port 0 --json            any free port, and lines for a program"""


def seconds(text: str) -> float:
    """Parse a block time."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.01 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0.01 to 3600 seconds")
    return value


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "devnet",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_network(parser)
    _add_chain(parser)
    _add_accounts_and_output(parser)


def _add_network(parser: argparse.ArgumentParser) -> None:
    net = parser.add_argument_group("network")
    net.add_argument(
        "--host",
        metavar="ADDRESS",
        default="127.0.0.1",
        help="address to bind (default %(default)s)",
    )
    net.add_argument(
        "--port",
        metavar="N",
        type=whole(0, 65535),
        default=8545,
        help="port, 0 for any (default %(default)s)",
    )
    net.add_argument(
        "--cors", metavar="ORIGIN", action="append",
        help="web origin that may call, repeatable (default: all)",
    )  # fmt: skip
    net.add_argument(
        "--allow-host", metavar="NAME", action="append",
        help="name accepted in the Host header, repeatable (default: localhost and addresses)",
    )  # fmt: skip


def _add_chain(parser: argparse.ArgumentParser) -> None:
    chain = parser.add_argument_group("chain")
    chain.add_argument(
        "--chain-id",
        metavar="N",
        type=whole(1, 2**63 - 1),
        default=31337,
        help="(default %(default)s)",
    )
    chain.add_argument(
        "--block-time", type=seconds, metavar="S", help="seal every S seconds (default: at once)"
    )
    chain.add_argument(
        "--gas-limit",
        metavar="N",
        type=whole(LEAST_GAS_LIMIT, 2**53),
        help="gas of a block (default 30000000)",
    )
    chain.add_argument(
        "--datadir", type=Path, metavar="DIR", help="keep the chain here (default: in memory)"
    )


def _add_accounts_and_output(parser: argparse.ArgumentParser) -> None:
    wallet = parser.add_argument_group("accounts")
    wallet.add_argument(
        "--accounts",
        metavar="N",
        type=whole(1, MAX_ACCOUNTS),
        default=10,
        help="how many (default %(default)s)",
    )
    wallet.add_argument(
        "--balance",
        metavar="N",
        type=whole(0, 10**15),
        default=10_000,
        help="ETH each (default %(default)s)",
    )
    wallet.add_argument(
        "--mnemonic", metavar="WORDS", default=TEST_MNEMONIC, help="(default: test test ... junk)"
    )
    demo = parser.add_argument_group("models and output")
    demo.add_argument(
        "--demo", action="store_true",
        help="deploy a digit model and a contract that calls it, and say what to try",
    )  # fmt: skip
    add_backend_option(demo)
    demo.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")
    demo.add_argument("--json", action="store_true", help="print one JSON object per event")


def run(args: argparse.Namespace) -> int:
    """Run the chain until interrupted; return 0."""
    from node.devnet import DevnetOptions, run_devnet

    mnemonic = " ".join(args.mnemonic.split())
    if not mnemonic:
        raise CliError("E-KEY-001", "The mnemonic is empty; give 12 to 24 words in quotes.")
    return run_devnet(
        DevnetOptions(
            host=args.host,
            port=args.port,
            hosts=tuple(name.lower() for name in args.allow_host or ()),
            origins=tuple(args.cors or ("*",)),
            chain_id=args.chain_id,
            block_seconds=args.block_time,
            gas_limit=args.gas_limit,
            datadir=args.datadir,
            accounts=args.accounts,
            balance_wei=args.balance * 10**18,
            mnemonic=mnemonic,
            demo=args.demo,
            backend=args.backend,
            quiet=args.quiet,
            json_lines=args.json,
        )
    )
