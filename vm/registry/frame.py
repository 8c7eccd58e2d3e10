"""One call into the registry: its gas counter, its events and its refusals."""

from __future__ import annotations

from dataclasses import dataclass

from eth.abc import ComputationAPI
from eth_typing import Address

from vm import abi
from vm.config import VmConfig
from vm.registry.facts import Registry
from vm.registry.layout import REGISTRY_ADDRESS


class Refusal(Exception):
    """The registry refuses: the call reverts with this sentence and returns its unused gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What a registry function may use: the state's words, the chain's parameters, the caller."""

    computation: ComputationAPI
    registry: Registry
    config: VmConfig

    @property
    def sender(self) -> bytes:
        """The calling account."""
        return bytes(self.computation.msg.sender)

    def charge(self, gas: int, what: str) -> None:
        """Take gas from the caller; halts as out of gas when it is not there."""
        self.computation.consume_gas(gas, reason=what)

    def emit(self, signature: str, topics: tuple[bytes, ...], data: bytes = b"") -> None:
        """Log an event of the registry; topics are its indexed values."""
        values = (int.from_bytes(topic, "big") for topic in topics)
        self.computation.add_log_entry(
            Address(REGISTRY_ADDRESS), (abi.event_topic(signature), *values), data
        )
