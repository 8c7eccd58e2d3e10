"""Writes docs/errors.md from the table of error codes: `python -m node.errors_page`."""

from __future__ import annotations

import sys

from node.errors import ERRORS

HEADER = """# Error codes

Every failure of the `engram` command is one sentence with one of these codes. Generated from
`node/errors.py` by `python -m node.errors_page > docs/errors.md`; do not edit by hand.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 input refused, 4 local fault
(port, disk, memory), 130 interrupted. `--debug` adds the traceback.

| code | exit | what happened | what to do |
|---|---|---|---|
"""


def render() -> str:
    """Return the page as Markdown text."""
    rows = (
        f"| {code} | {entry.exit_code} | {entry.meaning} | {entry.remedy} |\n"
        for code, entry in sorted(ERRORS.items())
    )
    return HEADER + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(render())
