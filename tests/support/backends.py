"""Backends for tests: started once, skipped where this machine cannot have them."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

import pytest

from ai_ops.backends import BACKENDS, Backend, select_backend
from ai_ops.errors import BackendFault
from ai_ops.native.build import BuildFailed, find_compiler
from ai_ops.native.library import open_variant

_select = cache(select_backend)


@cache
def compiler_works() -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "empty.c"
        source.write_text("#include <string.h>\nint empty;\n", encoding="ascii")
        try:
            command = [*find_compiler(), "-c", str(source), "-o", f"{folder}/empty.o"]
            return subprocess.run(command, capture_output=True, check=False).returncode == 0
        except (BuildFailed, OSError):
            return False


def started(name: str) -> Backend:
    """Return a backend; one that is here but fails its self test fails the test."""
    if name.startswith("native-") and name in BACKENDS:
        try:
            open_variant(name.removeprefix("native-"))
        except BackendFault as fault:
            pytest.skip(str(fault))
    return _select(name)
