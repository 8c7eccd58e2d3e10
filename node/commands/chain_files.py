"""Opening a data directory for a command, and saying so when it was rolled back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from genesis.spec import ChainSpec
from node.chain import Chain, write_genesis
from node.storage.directory import (
    DataDirectory,
    create_directory,
    is_data_directory,
    open_directory,
)
from vm.transition import Runner


@contextmanager
def opened_chain(path: Path, *, repair: bool = True) -> Iterator[Chain]:
    """Open the chain of a data directory, whatever chain that is.

    Parameters
    ----------
    repair : bool
        False to refuse a database that would have to be rolled back, and leave it as it is.
    """
    with _closing(open_directory(path, repair=repair)) as chain:
        yield chain


@contextmanager
def opened_or_created_chain(
    path: Path, spec: ChainSpec, *, run_ahead: Runner | None = None
) -> Iterator[Chain]:
    """Open the chain of a data directory, or make it from the spec where there is none.

    An existing chain is not compared with the spec here.

    Parameters
    ----------
    run_ahead : Runner, optional
        See `Chain.open`.
    """
    if is_data_directory(path):
        directory = open_directory(path)
    else:
        directory = create_directory(path, partial(write_genesis, spec))
    with _closing(directory, run_ahead) as chain:
        yield chain


@contextmanager
def _closing(directory: DataDirectory, run_ahead: Runner | None = None) -> Iterator[Chain]:
    try:
        if directory.recovery is not None:
            print(f"engram: {directory.recovery}", file=sys.stderr)
        yield Chain.open(directory.store, mark=directory.mark_head, run_ahead=run_ahead)
    finally:
        directory.close()
