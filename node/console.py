"""What a running node prints: lines go through a queue, so that a stuck terminal stalls nobody."""

from __future__ import annotations

import json
import queue
import threading
from typing import Any, Final, TextIO

MAX_LINES: Final = 10_000
FLUSH_SECONDS: Final = 1.0


class Console:
    """Writes lines from a thread of its own.

    Whoever reads our output through a pipe may stop reading; then lines are dropped and counted,
    and the node goes on.

    Parameters
    ----------
    stream : text file
        Usually standard output.
    json_lines : bool
        Write each event as a JSON object instead of text.
    quiet : bool
        Write nothing.
    """

    def __init__(self, stream: TextIO, *, json_lines: bool = False, quiet: bool = False) -> None:
        self._stream = stream
        self.json_lines = json_lines
        self._quiet = quiet
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_LINES)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="console", daemon=True)
        self._thread.start()

    def event(self, kind: str, text: str, **facts: Any) -> None:
        """Print one event: `text`, or a JSON object of `kind` and `facts`."""
        if self._quiet:
            return
        line = json.dumps({"event": kind, **facts}) if self.json_lines else text
        try:
            if self._dropped:
                self._lines.put_nowait(f"({self._dropped} lines were not printed)")
                self._dropped = 0
            self._lines.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self) -> None:
        """Print what is waiting, unless the reader is stuck."""
        try:
            self._lines.put(None, timeout=FLUSH_SECONDS)
        except queue.Full:
            return
        self._thread.join(FLUSH_SECONDS)

    def _write(self) -> None:
        broken = False
        while (line := self._lines.get()) is not None:
            if broken:
                continue
            try:
                self._stream.write(line + "\n")
                if self._lines.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                broken = True  # the reader is gone; keep emptying the queue
