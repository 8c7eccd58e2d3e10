"""Which namespaces are served: every method by name."""

from __future__ import annotations

from typing import Final

from node.rpc.method import Method
from node.rpc.methods import engram, eth, evm, net, web3

NAMESPACES: Final[dict[str, dict[str, Method]]] = {
    "engram": engram.METHODS,
    "eth": eth.METHODS,
    "evm": evm.METHODS,
    "net": net.METHODS,
    "web3": web3.METHODS,
}
DEVNET: Final = ("engram", "eth", "evm", "net", "web3")


def methods_of(names: tuple[str, ...]) -> dict[str, Method]:
    """Return the methods of the namespaces named."""
    return {name: method for space in names for name, method in NAMESPACES[space].items()}
