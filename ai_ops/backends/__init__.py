"""Backends: bit-identical ways to compute the operators."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from ai_ops.backends.base import Backend
from ai_ops.backends.native_backend import NativeBackend
from ai_ops.backends.numba_backend import NumbaBackend
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.backends.selftest import check_backend
from ai_ops.errors import BackendFault

__all__ = ["BACKENDS", "CHOICES", "OPTIONAL_BACKENDS", "Backend", "select_backend"]

BACKENDS: dict[str, Callable[[], Backend]] = {
    "native-vnni": partial(NativeBackend, "vnni"),
    "native-avx2": partial(NativeBackend, "avx2"),
    "native-baseline": partial(NativeBackend, "baseline"),
    "numba": NumbaBackend,
    "reference": ReferenceBackend,
}
"""Fastest first."""

CHOICES: dict[str, tuple[str, ...]] = {
    "native": ("native-vnni", "native-avx2", "native-baseline"),
    "cpu": ("native-vnni", "native-avx2", "native-baseline", "numba"),
}
"""Names that mean the first of several that works here."""


def _start_gpu() -> Backend:
    from ai_ops.backends.gpu.backend import start_gpu  # CuPy takes 0.3 s to import

    return start_gpu()


OPTIONAL_BACKENDS: dict[str, Callable[[], Backend]] = {"gpu": _start_gpu}
"""Never chosen unless named."""


def select_backend(
    name: str | None = None, on_fault: Callable[[str], None] | None = None
) -> Backend:
    """Return a backend that passed its self test on this machine.

    Parameters
    ----------
    name : str, optional
        One of `BACKENDS`, `CHOICES` or `OPTIONAL_BACKENDS`; without it the fastest of `BACKENDS`
        that works here.
    on_fault : callable, optional
        Told why a faster backend was passed over.

    Raises
    ------
    BackendFault
        The named backend is unknown or does not work here.
    """
    if name in BACKENDS or name in OPTIONAL_BACKENDS:
        return _start(name)
    candidates = tuple(BACKENDS) if name is None else CHOICES.get(name, ())
    if not candidates:
        known = ", ".join((*BACKENDS, *CHOICES, *OPTIONAL_BACKENDS))
        raise BackendFault(f"there is no backend {name!r}; there are {known}")
    reasons = []
    for candidate in candidates:
        try:
            return _start(candidate)
        except BackendFault as fault:
            reasons.append(str(fault))
            if on_fault is not None:
                on_fault(str(fault))
    raise BackendFault(f"no backend {name or ''} works on this machine: {'; '.join(reasons)}")


def _start(name: str) -> Backend:
    try:
        backend = (BACKENDS | OPTIONAL_BACKENDS)[name]()
    except BackendFault:
        raise
    except Exception as error:
        raise BackendFault(f"the backend {name} does not start: {error!r}") from error
    if name != "reference":
        check_backend(backend)
    return backend
