"""Runs `engram WORDS` inside the test's process: an import of py-evm costs half a second each."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from node import cli


@dataclass(frozen=True)
class Finished:
    """What a command printed and returned."""

    returncode: int
    stdout: str
    stderr: str


def engram(*words: object) -> Finished:
    """Run a command that ends by itself."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        try:
            code = cli.main([str(word) for word in words])
        except SystemExit as leaving:  # argparse leaves this way
            code = int(leaving.code or 0)
    return Finished(code, out.getvalue(), err.getvalue())
