"""The HTTP rules of the server as pure functions: routes, Host and Origin checks, headers."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Final

JSON_TYPES: Final = ("application/json", "application/json-rpc", "application/jsonrequest")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpLimits:
    """Bounds on one connection.

    Attributes
    ----------
    body_bytes : int
        Largest request body.
    header_bytes : int
        Largest request line with headers.
    request_seconds : float
        From the first byte of a request to its last.
    idle_seconds : float
        Between two requests on one connection.
    write_seconds : float
        For the client to take an answer.
    connections : int
        Open at the same time; one more is answered 503.
    """

    body_bytes: int = 5 * 1024 * 1024
    header_bytes: int = 16 * 1024
    request_seconds: float = 20.0
    idle_seconds: float = 120.0
    write_seconds: float = 60.0
    connections: int = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may ask.

    Attributes
    ----------
    hosts : tuple of str
        Names accepted in the Host header besides localhost and IP addresses; "*" for all.
        This is what stops DNS rebinding.
    origins : tuple of str
        Web origins that may read answers; "*" for all.
    """

    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request that no method sees: HTTP status and one sentence."""

    status: int
    reason: str


def refuse(
    access: Access, limits: HttpLimits, method: bytes, headers: dict[bytes, bytes]
) -> Refusal | None:
    """Return why the request is refused by its headers, or None.

    Parameters
    ----------
    headers : dict
        Lower-case names, as h11 gives them.
    """
    host = headers.get(b"host", b"").decode("latin-1")
    if not host_allowed(access, host):
        return Refusal(403, "invalid host specified: use localhost or an IP address")
    origin = headers.get(b"origin")
    if origin is not None and not origin_allowed(access, origin.decode("latin-1"), host):
        return Refusal(403, "origin not allowed")
    if method != b"POST":
        return None
    kind = headers.get(b"content-type", b"").decode("latin-1").split(";")[0].strip().lower()
    if kind not in JSON_TYPES and origin is not None:
        # A page may post other types to any address without asking first; never obey those.
        return Refusal(415, "invalid content type, only application/json is supported")
    if headers.get(b"content-encoding", b"identity").lower() != b"identity":
        return Refusal(415, "compressed request bodies are not supported")
    length = headers.get(b"content-length", b"0")
    if len(length) > 12 or int(length) > limits.body_bytes:  # h11 admits only ASCII digits
        return Refusal(413, f"request body too large, the limit is {limits.body_bytes} bytes")
    return None


def host_allowed(access: Access, host: str) -> bool:
    """Tell whether the Host header names this machine; a request without one (HTTP/1.0) may pass."""
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    name = name.strip("[]").lower()
    if not name or name == "localhost" or "*" in access.hosts or name in access.hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def origin_allowed(access: Access, origin: str, host: str) -> bool:
    """Tell whether a page of `origin` may ask; pages served by this node always may."""
    return "*" in access.origins or origin in access.origins or origin == f"http://{host}"


def cors_headers(access: Access, headers: dict[bytes, bytes]) -> list[tuple[str, str]]:
    """Return the headers that let an allowed page read the answer."""
    origin = headers.get(b"origin")
    if origin is None:
        return []
    allowed = "*" if "*" in access.origins else origin.decode("latin-1")
    return [("Access-Control-Allow-Origin", allowed), ("Vary", "Origin")]


def preflight_headers() -> list[tuple[str, str]]:
    """Return what a preflight answer adds."""
    return [
        ("Access-Control-Allow-Methods", "POST, GET, OPTIONS"),
        ("Access-Control-Allow-Headers", "Content-Type, Authorization"),
        ("Access-Control-Allow-Private-Network", "true"),
        ("Access-Control-Max-Age", "600"),
    ]
