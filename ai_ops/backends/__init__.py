"""Backends: bit-identical ways to compute the operators."""

from __future__ import annotations

from ai_ops.backends.base import Backend
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.errors import BackendFault

__all__ = ["BACKENDS", "Backend", "select_backend"]

BACKENDS: tuple[str, ...] = ("reference",)
"""Fastest first."""


def select_backend(name: str | None = None) -> Backend:
    """Return a backend that passed its self test.

    Parameters
    ----------
    name : str, optional
        One of `BACKENDS`; without it the fastest that works here.

    Raises
    ------
    BackendFault
        The named backend is unknown or failed its self test.
    """
    if name not in {None, *BACKENDS}:
        raise BackendFault(f"there is no backend {name!r}; there are {', '.join(BACKENDS)}")
    return ReferenceBackend()
