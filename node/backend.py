"""Which tensor backend a command runs models on: `--backend`, or the environment."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING, Final

from node.errors import CliError

if TYPE_CHECKING:
    from ai_ops.backends import Backend
    from ai_ops.validate import Limits

ENVIRONMENT: Final = "ENGRAM_BACKEND"
AUTO: Final = "auto"
# As `ai_ops.backends` has them, which costs half a second to import: a test compares them.
NAMES: Final = (
    AUTO,
    "cpu",
    "gpu",
    "native",
    "native-vnni",
    "native-avx2",
    "native-baseline",
    "numba",
    "reference",
)


def backend_name(text: str) -> str:
    """Parse the option's or the environment's value."""
    if text not in NAMES:
        raise argparse.ArgumentTypeError(f"{text!r} is no backend; there are {', '.join(NAMES)}")
    return text


def add_backend_option(parser: argparse._ActionsContainer) -> None:
    """Declare `--backend` for a command that runs models."""
    parser.add_argument(
        "--backend",
        metavar="NAME",
        type=backend_name,
        default=os.environ.get(ENVIRONMENT) or AUTO,
        help=f"what runs models: {', '.join(NAMES)}; all give the same bytes. auto is the fastest "
        "for the processor; gpu runs only when named, for no card has run it yet "
        f"(default: {ENVIRONMENT} in the environment, or auto)",
    )


def use_backend(name: str, limits: Limits) -> None:
    """Run this process's models of chains with these limits on a named backend from now on.

    `auto` starts nothing: the fastest that works is chosen when the first model runs.

    Parameters
    ----------
    name : str
        One of `NAMES`.
    limits : ai_ops.validate.Limits

    Raises
    ------
    CliError
        E-BACKEND-001 when it does not start here.
    """
    if name == AUTO:
        return
    from vm.models import shared_store

    shared_store(limits).backend = started_backend(name)


def started_backend(name: str) -> Backend:
    """Start a backend and its self test.

    Raises
    ------
    CliError
        E-BACKEND-001 when it does not work here.
    """
    from ai_ops.backends import select_backend
    from ai_ops.errors import BackendFault

    try:
        return select_backend(None if name == AUTO else name)
    except BackendFault as fault:
        check = "run `engram gpu check`, or " if name == "gpu" else ""
        raise CliError(
            "E-BACKEND-001",
            f"The backend {name} does not start here ({fault}); {check}choose another with "
            f"--backend or {ENVIRONMENT}.",
        ) from fault
