"""Ctrl-C while the main thread is inside a kernel, where Python's own handler has to wait."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ai_ops.errors import Cancelled
from ai_ops.executor import Cancellation


@contextmanager
def cancelled_by_interrupt(flag: Cancellation) -> Iterator[Cancellation]:
    """Set the flag at the next signal that Python handles; what it ends is `KeyboardInterrupt`.

    Python runs its handlers between two instructions of the main thread, which may be minutes
    away. The byte that the signal itself writes wakes a thread that sets the flag at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    reader, writer = socket.socketpair()
    writer.setblocking(False)

    def watch() -> None:
        # The end of the stream is the end of the block.
        if reader.recv(1):
            flag.cancel()

    watcher = threading.Thread(target=watch, name="interruption", daemon=True)
    watcher.start()
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield flag
    except Cancelled as error:
        raise KeyboardInterrupt from error
    finally:
        signal.set_wakeup_fd(before)
        writer.close()
        watcher.join()
        reader.close()
