"""Starts `engram devnet` as a user would and talks to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from node.rpc_client import RpcClient

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Devnet:
    """A running devnet; `ready` is its first event, `lines` all it printed so far."""

    process: subprocess.Popen[str]
    ready: dict[str, Any]
    lines: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://{self.ready['listening'][0]}"

    @property
    def port(self) -> int:
        return int(self.ready["listening"][0].rsplit(":", 1)[1])

    def client(self) -> RpcClient:
        return RpcClient(self.url, timeout=60)

    def call(self, method: str, *params: Any) -> Any:
        with self.client() as client:
            return client.call(method, *params)

    def stop(self, how: int = signal.SIGINT) -> int:
        self.process.send_signal(how)
        return self.process.wait(10)


@contextmanager
def devnet(*words: str) -> Iterator[Devnet]:
    """Run `engram devnet --port 0 --json WORDS` until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-m", "node", "devnet", "--port", "0", "--json", *words],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        if not first.startswith("{"):
            assert process.stderr is not None
            process.kill()
            raise AssertionError(f"no devnet: {first!r} {process.stderr.read()!r}")
        running = Devnet(process, json.loads(first))
        # Somebody must read, as a terminal would; the devnet itself survives when nobody does.
        reader = threading.Thread(target=running.lines.extend, args=(process.stdout,), daemon=True)
        reader.start()
        yield running
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None and process.poll() is not None:
                stream.close()
