"""`engram gpu check`: say what of the gpu backend could be verified on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

EPILOG = """\
Without a card the command compiles the kernels for three kinds of card and reads the machine code
(where NVIDIA's compiler is installed: pip install 'engram-node[gpu-ci]'), and from a clone of the
source runs the kernels' source on this processor. That is much, and it is not a card: exit code 1.
With a card it runs the self test, every vector of docs/spec, fuzz cases of every operator, and the
models named.

exit codes: 0 a card verified everything, 1 no card verified it, or something failed"""


def add_parser(subparsers: Any) -> None:
    """Add the parser of this command."""
    parser = subparsers.add_parser(
        "check",
        help="verify the gpu backend on this machine",
        description="Verify the gpu backend, and say plainly what could not be verified.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", type=Path, nargs="*", help="model files (.egm) to run on a card")
    parser.add_argument(
        "--cases", type=int, default=200, help="fuzz cases for each operator (default: 200)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Returns
    -------
    exit code 0, or 1 when no card verified everything

    Raises
    ------
    CliError : E-MODEL-001, -002 for a model file
    """
    from node.errors import ANSWER_IS_NO, DONE
    from node.gpu_check import FAILED, VERIFIED, card_backend, findings

    backend, card = card_backend()
    print(f"card: {card if backend is not None else 'none'}", flush=True)
    verdicts = []
    for found in findings(backend, card, args.models, args.cases):
        verdicts.append(found.verdict)
        took = f" ({found.seconds:.1f} s)" if found.seconds else ""
        print(f"{found.verdict:<13} {found.what}: {found.detail}{took}", flush=True)
    if backend is not None and all(verdict == VERIFIED for verdict in verdicts):
        print(f"Everything was verified on {card}.")
        return DONE
    if FAILED in verdicts:
        print("Something failed: do not use the gpu backend here, and report the lines above.")
    elif backend is None:
        print(
            "No card verified the backend. Nodes here use the cpu backends, which do not need it."
        )
    else:
        print("Not everything could be verified; the lines above say what.")
    return ANSWER_IS_NO
