"""Errors that a person sees, each with a stable code.

    Exception
    └── CliError        one sentence: what happened and what to do; `ERRORS` lists every code

`docs/errors.md` is written from `ERRORS` by `python -m node.errors_page`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DONE: Final = 0
ANSWER_IS_NO: Final = 1
USAGE: Final = 2
INPUT_REFUSED: Final = 3
LOCAL_FAULT: Final = 4
INTERRUPTED: Final = 130


@dataclass(frozen=True, slots=True)
class ErrorEntry:
    """One row of `ERRORS`.

    Attributes
    ----------
    exit_code : int
        Exit status of the command.
    meaning : str
        What happened, one sentence.
    remedy : str
        What to do about it, one sentence.
    """

    exit_code: int
    meaning: str
    remedy: str


# Codes are never reused; areas: BUG, CHAIN, DATA, KEY, MODEL, NET, USE.
ERRORS: Final[dict[str, ErrorEntry]] = {
    "E-BUG-001": ErrorEntry(
        LOCAL_FAULT,
        "The program failed in a way that it does not know.",
        "Run the command again with --debug and report the traceback.",
    ),
}


class CliError(Exception):
    """A failure to tell the user about in one sentence.

    Parameters
    ----------
    code : str
        A key of `ERRORS`.
    sentence : str
        What happened and what to do, with the names and figures of this case.
    exit_code : int, optional
        Exit status; the table's when left out.
    """

    def __init__(self, code: str, sentence: str, exit_code: int | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.exit_code = ERRORS[code].exit_code if exit_code is None else exit_code
