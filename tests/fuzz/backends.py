"""Which backends this machine can test, found at run time."""

from __future__ import annotations

from functools import cache

from ai_ops.backends import BACKENDS, select_backend
from ai_ops.backends.base import Backend
from ai_ops.backends.selftest import check_backend
from ai_ops.errors import BackendFault
from tests.gpu.shim_device import COMPILER, ShimBackend

SHIM = "gpu-shim"
"""The gpu backend with its kernels' source compiled for this processor; only tests know it."""


def start(name: str) -> Backend:
    """Return a backend that passed its self test."""
    if name != SHIM:
        return select_backend(name)
    if COMPILER is None:
        raise BackendFault("gpu-shim needs a C compiler")
    backend = ShimBackend()
    check_backend(backend)
    return backend


@cache
def available() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the backends that start here, and a sentence for each that does not.

    An alias that only names another backend is left out.
    """
    usable, missing = [], []
    for name in (*BACKENDS, SHIM):
        if name == "reference":
            continue
        try:
            backend = start(name)
        except BackendFault as fault:
            missing.append(f"not tested here: {fault}")
            continue
        if backend.name == name:
            usable.append(name)
    return tuple(usable), tuple(missing)
