"""`engram chain export`: a data directory's chain, or a part of it, as one file."""

from __future__ import annotations

import argparse
from pathlib import Path

from node.commands.numbers import whole
from node.errors import DONE, CliError


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "export",
        description="Write the chain of a data directory, or a part of it, to one file.",
    )
    parser.add_argument(
        "--datadir", required=True, type=Path, metavar="DIR", help="the folder with the chain"
    )
    parser.add_argument(
        "-o", "--output", required=True, type=Path, metavar="FILE", help="the file to write"
    )
    parser.add_argument(
        "--from",
        dest="first",
        type=whole(1),
        default=1,
        metavar="N",
        help="first block (default: 1)",
    )
    parser.add_argument(
        "--to", dest="last", type=whole(1), metavar="N", help="last block (default: the head)"
    )
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def run(args: argparse.Namespace) -> int:
    """Write the file and return 0."""
    import sys

    from node.chain_transfer import export_chain
    from node.commands.chain_files import opened_chain
    from node.progress import Progress

    output: Path = args.output
    if output.exists() and not args.force:
        raise CliError(
            "E-CHAIN-007", f"{output} exists; name another file or replace it with --force."
        )
    with opened_chain(args.datadir) as chain:
        last = chain.head.number if args.last is None else args.last
        if not 1 <= args.first <= last + 1 or last > chain.head.number:
            raise CliError(
                "E-CHAIN-008",
                f"There are no blocks {args.first} to {last}: the chain has blocks 1 to "
                f"{chain.head.number}; choose --from and --to among them.",
            )
        count = last - args.first + 1
        progress = Progress(sys.stderr, "exporting", count, "blocks")
        unfinished = output.with_name(output.name + ".part")
        try:
            with unfinished.open("wb") as file:
                export_chain(chain, file, args.first, last, progress.update)
            unfinished.replace(output)
        except OSError as error:
            raise CliError(
                "E-CHAIN-009",
                f"{output} cannot be written ({error.strerror or error}); choose another place.",
            ) from error
        finally:
            progress.finish()
            unfinished.unlink(missing_ok=True)
    print(f"exported blocks {args.first} to {last} ({output.stat().st_size} bytes) to {output}")
    return DONE
