"""`engram model run`: run a model on arrays from a file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from node.backend import add_backend_option

EPILOG = """\
The input is a .npy file, or a .npz file with one array for each input. Floats are scaled by the
model's manifest and floats come back; integers (token ids) are taken as they are. The array has
the model's input shape, or several of them along a first axis."""


def add_parser(subparsers: Any) -> None:
    """Add the parser of this command."""
    parser = subparsers.add_parser(
        "run",
        help="run a model on an input file",
        description="Run a model on arrays from a file, exactly as a contract's call would.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", type=Path, help="the model file (.egm)")
    parser.add_argument("input", type=Path, help="the input arrays (.npy or .npz)")
    parser.add_argument(
        "-o", "--output", type=Path, help="write the result here (.npy; .npz for several outputs)"
    )
    parser.add_argument("--raw", action="store_true", help="integers in, integers out, unscaled")
    add_backend_option(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command.

    Returns
    -------
    exit code 0

    Raises
    ------
    CliError : E-MODEL-001, -002, -005, -006, -007, or -008 when this machine cannot run it;
        E-BACKEND-001
    """
    import numpy as np

    from ai_ops.errors import BackendFault, InvalidInput
    from ai_ops.executor import Cancellation, load, run_exact
    from node.backend import started_backend
    from node.errors import DONE, CliError
    from node.interruption import cancelled_by_interrupt
    from node.model_file import read_arrays, read_model, save_arrays
    from node.model_values import arrange, assemble

    file = read_model(args.model)
    manifest = file.model.manifest
    runs = arrange(manifest, read_arrays(args.input), raw=args.raw)
    backend = started_backend(args.backend)
    try:
        with cancelled_by_interrupt(Cancellation()) as flag:
            loaded = load(file.model, file.facts, backend)
            outputs = [
                run_exact(loaded, data, runs.units, flag, _say).output for data in runs.inputs
            ]
    except InvalidInput as error:
        raise CliError("E-MODEL-006", f"the input is refused: {error.reason}.") from error
    except BackendFault as error:
        raise CliError(
            "E-MODEL-008", f"this machine could not run the model ({error}); free some memory."
        ) from error
    arrays = assemble(manifest, outputs, runs, raw=args.raw)
    if args.output is not None:
        save_arrays(args.output, arrays)
        return DONE
    for name, array in arrays.items():
        print(f"{name} {array.dtype} {array.shape}")
        print(np.array2string(array, precision=5, threshold=200, max_line_width=100))
    return DONE


def _say(fault: str) -> None:
    print(f"engram: the result is of a slower backend ({fault})", file=sys.stderr)
