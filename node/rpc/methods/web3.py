"""The web3_ namespace."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING, Final

from node.rpc import format as form
from node.rpc.method import Method
from node.rpc.parse import data
from node.version import VERSION
from vm.crypto import keccak

if TYPE_CHECKING:
    from node.app import Node


def client_version(_node: Node) -> str:
    """web3_clientVersion."""
    system = f"{platform.system().lower()}-{platform.machine()}"
    return f"Engram/v{VERSION}/{system}/python{platform.python_version()}"


def sha3(_node: Node, value: bytes) -> str:
    """web3_sha3: keccak-256."""
    return form.data(keccak(value))


METHODS: Final[dict[str, Method]] = {
    "web3_clientVersion": Method(client_version),
    "web3_sha3": Method(sha3, (data,)),
}
