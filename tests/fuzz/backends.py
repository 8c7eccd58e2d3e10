"""Which backends this machine can test, found at run time."""

from __future__ import annotations

from functools import cache

from ai_ops.backends import BACKENDS, select_backend
from ai_ops.errors import BackendFault


@cache
def available() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the backends that start here, and a sentence for each that does not.

    An alias that only names another backend is left out.
    """
    usable, missing = [], []
    for name in BACKENDS:
        if name == "reference":
            continue
        try:
            backend = select_backend(name)
        except BackendFault as fault:
            missing.append(f"not tested here: {fault}")
            continue
        if backend.name == name:
            usable.append(name)
    return tuple(usable), tuple(missing)
