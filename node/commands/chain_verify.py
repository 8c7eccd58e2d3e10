"""`engram chain verify`: execute a stored chain again and compare every stored byte."""

from __future__ import annotations

import argparse
from pathlib import Path

from node.backend import add_backend_option
from node.errors import DONE


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser(
        "verify",
        description=(
            "Execute the chain of a data directory again from its genesis block, every inference "
            "step included, and compare every stored byte: headers, receipts, records, state, "
            "weight chunks, indexes. Nothing is mended or rolled back."
        ),
    )
    parser.add_argument(
        "--datadir", required=True, type=Path, metavar="DIR", help="the folder with the chain"
    )
    add_backend_option(parser)


def run(args: argparse.Namespace) -> int:
    """Verify the chain and return 0, or 1 when it does not hold."""
    import sys
    import tempfile

    from node.backend import use_backend
    from node.chain_verify import verify_chain
    from node.commands.chain_files import opened_chain
    from node.interruption import cancelled_by_interrupt
    from node.progress import Progress
    from node.storage.leveldb import LevelDbStore

    with (
        opened_chain(args.datadir, repair=False) as chain,
        tempfile.TemporaryDirectory(prefix="engram-verify-") as folder,
        cancelled_by_interrupt(chain.stopping),
    ):
        use_backend(args.backend, chain.spec.vm_config.limits)
        scratch = LevelDbStore.create(Path(folder) / "chain")
        progress = Progress(sys.stderr, "verifying", chain.head.number, "blocks")
        try:
            done = verify_chain(chain, scratch, progress.update)
        finally:
            progress.finish()
            scratch.close()
        head = chain.head
    print(
        f"verified {done.blocks} blocks: {done.transactions} transactions and {done.inferences} "
        f"inferences executed, {done.entries} stored entries ({done.chunks} weight chunks) "
        f"compared; the head is block {head.number} 0x{head.hash.hex()}"
    )
    return DONE
