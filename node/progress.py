"""A progress bar on a terminal, and silence everywhere else."""

from __future__ import annotations

import os
import time
from typing import Final, TextIO

WIDTH: Final = 32
NARROWEST_BAR: Final = 4
LINE: Final = 78
REDRAW_SECONDS: Final = 0.1


class Progress:
    """Draws `label [####----] done/total unit` in place.

    Parameters
    ----------
    stream : text file
        Usually standard error; nothing is drawn unless it is a terminal.
    """

    def __init__(self, stream: TextIO, label: str, total: int, unit: str) -> None:
        self._stream = stream
        self._label = label
        self._total = total
        self._unit = unit
        self._shown = stream.isatty()
        self._last = 0.0
        self._started = time.monotonic()

    def update(self, done: int) -> None:
        """Show that `done` of the total are done."""
        now = time.monotonic()
        if not self._shown or (now - self._last < REDRAW_SECONDS and done < self._total):
            return
        self._last = now
        left = ""
        if 0 < done < self._total:
            seconds = (now - self._started) * (self._total - done) / done
            left = f", {seconds:.0f} s left"
        room = self._columns() - 1
        after = f"{done}/{self._total} {self._unit}{left}"
        # A line that wraps cannot be drawn over: a narrow terminal gets a shorter one.
        width = max(min(WIDTH, room - len(self._label) - len(after) - 4), NARROWEST_BAR)
        filled = width * done // max(self._total, 1)
        line = f"{self._label} [{'#' * filled}{'-' * (width - filled)}] {after}"
        self._stream.write("\r" + line[:room].ljust(min(room, LINE)))
        self._stream.flush()

    def _columns(self) -> int:
        try:
            return os.get_terminal_size(self._stream.fileno()).columns or LINE + 1
        except (OSError, ValueError):
            return LINE + 1

    def finish(self) -> None:
        """Leave the bar and go to the next line."""
        if self._shown:
            self._stream.write("\n")
            self._stream.flush()
