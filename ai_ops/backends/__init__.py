"""Backends: bit-identical ways to compute the operators."""

from __future__ import annotations

from collections.abc import Callable

from ai_ops.backends.base import Backend
from ai_ops.backends.cpu import CpuBackend
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.backends.selftest import check_backend
from ai_ops.errors import BackendFault

__all__ = ["BACKENDS", "Backend", "select_backend"]

BACKENDS: dict[str, Callable[[], Backend]] = {
    "cpu": CpuBackend,
    "reference": ReferenceBackend,
}
"""Fastest first."""


def select_backend(
    name: str | None = None, on_fault: Callable[[str], None] | None = None
) -> Backend:
    """Return a backend that passed its self test on this machine.

    Parameters
    ----------
    name : str, optional
        One of `BACKENDS`; without it the fastest that works here.
    on_fault : callable, optional
        Told why a faster backend was passed over.

    Raises
    ------
    BackendFault
        The named backend is unknown or does not work here.
    """
    if name is not None:
        return _start(name)
    for candidate in BACKENDS:
        try:
            return _start(candidate)
        except BackendFault as fault:
            if on_fault is not None:
                on_fault(str(fault))
    raise BackendFault("no backend works on this machine")


def _start(name: str) -> Backend:
    if name not in BACKENDS:
        raise BackendFault(f"there is no backend {name!r}; there are {', '.join(BACKENDS)}")
    try:
        backend = BACKENDS[name]()
    except Exception as error:
        raise BackendFault(f"the backend {name} does not start: {error!r}") from error
    if name != "reference":
        check_backend(backend)
    return backend
