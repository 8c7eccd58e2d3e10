"""Whole numbers of the command line, read strictly: digits and nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Callable

MAX_DIGITS = 40
NUMBER_BITS = 63


def whole(least: int = 0, most: int = 2**NUMBER_BITS - 1) -> Callable[[str], int]:
    """Return an argparse type for integers within bounds."""

    def parse(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > MAX_DIGITS:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is not from {least} to {most}")
        return int(text)

    return parse
