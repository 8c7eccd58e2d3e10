"""`engram gpu bench`: time the gpu backend on this machine's card."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

EPILOG = """\
The product of 4096 x 4096 matrices is timed beside cuBLAS in the same run, then a convolution, a
matrix times one row, step digests, and the models named, beside the cpu backend."""


def add_parser(subparsers: Any) -> None:
    """Add the parser of this command."""
    parser = subparsers.add_parser(
        "bench",
        help="time the gpu backend on this machine's card",
        description="Time the gpu backend on this machine's card.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("models", type=Path, nargs="*", help="model files (.egm) to time")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="how long each row is repeated (default: 1)"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Returns
    -------
    exit code 0

    Raises
    ------
    CliError : E-GPU-001 without a card, E-MODEL-001, -002 for a model file
    """
    from node.errors import DONE, CliError
    from node.gpu_bench import measurements
    from node.gpu_check import card_backend

    backend, card = card_backend()
    if backend is None:
        raise CliError(
            "E-GPU-001",
            f"there is no card to time ({card}); `engram gpu check` says what this machine can do.",
        )
    print(f"card: {card}", flush=True)
    for row in measurements(backend, args.models, args.seconds):
        print(f"{row.what:<44}{row.figure:>14}  {row.detail}", flush=True)
    return DONE
