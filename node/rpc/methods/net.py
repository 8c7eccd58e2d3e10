"""The net_ namespace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from node.rpc.method import Method

if TYPE_CHECKING:
    from node.app import Node


def version(node: Node) -> str:
    """net_version: the chain id in decimal."""
    return str(node.chain.spec.vm_config.chain_id)


def listening(_node: Node) -> bool:
    """net_listening: the node takes requests; tools ask this to see whether it is alive."""
    return True


def peer_count(_node: Node) -> str:
    """net_peerCount."""
    return "0x0"


METHODS: Final[dict[str, Method]] = {
    "net_listening": Method(listening),
    "net_peerCount": Method(peer_count),
    "net_version": Method(version),
}
