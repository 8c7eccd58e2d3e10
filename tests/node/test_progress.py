"""The progress bar on terminals of every width, and its silence elsewhere."""

from __future__ import annotations

import fcntl
import io
import os
import pty
import struct
import termios

import pytest

from node.progress import Progress


def drawn(columns: int) -> str:
    """Return what a bar at 5,000 of 10,000 writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        with open(theirs, "w", encoding="utf-8", closefd=False) as stream:
            Progress(stream, "importing", 10_000, "blocks").update(5_000)
        return os.read(ours, 4_096).decode()
    finally:
        os.close(ours)
        os.close(theirs)


# 0: a terminal that does not know its size.
@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200, 0])
def test_a_bar_fits_on_one_line(columns: int) -> None:
    line = drawn(columns)
    assert line[0] == "\r"
    assert line.startswith("\rimporting [#")
    assert len(line) - 1 <= (columns or 80) - 1
    if columns != 20:
        assert "5000/10000 blocks" in line


def test_nothing_is_drawn_into_a_file() -> None:
    stream = io.StringIO()
    bar = Progress(stream, "importing", 2, "blocks")
    bar.update(1)
    bar.finish()
    assert stream.getvalue() == ""
