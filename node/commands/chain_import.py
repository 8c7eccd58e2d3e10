"""`engram chain import`: execute an export's blocks, every inference included, and keep them."""

from __future__ import annotations

import argparse
from pathlib import Path

from node.backend import add_backend_option
from node.errors import DONE, CliError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "import",
        description=(
            "Execute the blocks of an export, every inference step included, and add them to a "
            "data directory, which is made when it does not exist. The first bad block stops the "
            "import; the blocks before it are kept."
        ),
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="what `engram chain export` wrote")
    parser.add_argument(
        "--datadir", required=True, type=Path, metavar="DIR", help="the folder to add them to"
    )
    parser.add_argument(
        "--spec", type=Path, metavar="FILE", help="chain spec (default: the one in the export)"
    )
    parser.add_argument(
        "--run-ahead",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="run a block's inferences together before its transactions, on all cores; the "
        "results are the same either way (default: yes)",
    )
    add_backend_option(parser)


def run(args: argparse.Namespace) -> int:
    """Import the file and return 0."""
    import sys

    from genesis.spec import ChainSpec
    from node.ahead import ahead_runner
    from node.backend import use_backend
    from node.chain_transfer import import_export, spec_of_export
    from node.commands.chain_files import opened_or_created_chain
    from node.export_file import ExportReader
    from node.interruption import cancelled_by_interrupt
    from node.progress import Progress

    given = None if args.spec is None else ChainSpec.from_file(args.spec)
    try:
        file = args.file.open("rb")
    except OSError as error:
        raise CliError(
            "E-CHAIN-009",
            f"{args.file} cannot be read ({error.strerror or error}); check the path.",
        ) from error
    with file:
        reader = ExportReader(file)
        spec = spec_of_export(reader.start, given)
        use_backend(args.backend, spec.vm_config.limits)
        with (
            ahead_runner(args.run_ahead) as run_ahead,
            opened_or_created_chain(args.datadir, spec, run_ahead=run_ahead) as chain,
            cancelled_by_interrupt(chain.stopping),
        ):
            count = reader.start.last - reader.start.first + 1
            progress = Progress(sys.stderr, "importing", count, "blocks")
            try:
                done = import_export(reader, chain, progress.update)
            finally:
                progress.finish()
            head = chain.head
    known = f" ({done.known} were there already)" if done.known else ""
    print(
        f"imported {done.added} blocks{known}: {done.transactions} transactions and "
        f"{done.inferences} inferences executed; the head is block {head.number} "
        f"0x{head.hash.hex()} with state root 0x{head.state_root.hex()}"
    )
    return DONE
