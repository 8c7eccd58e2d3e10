"""`engram version`: the version, the interpreter, the platform and the kernels, on one line."""

from __future__ import annotations

import argparse
import json
import platform

from node.errors import DONE
from node.version import VERSION


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Declare the command."""
    parser = subparsers.add_parser("version", description="Print the version of Engram.")
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(args: argparse.Namespace) -> int:
    """Print the version and return 0."""
    from ai_ops.native.library import supported

    facts = {
        "engram": VERSION,
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "kernels": next((f"native-{name}" for name in supported()), "numba"),
    }
    if args.json:
        print(json.dumps(facts))
    else:
        print("engram {engram} (Python {python}, {system} {machine}, {kernels})".format(**facts))
    return DONE
