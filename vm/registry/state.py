"""The bridge from py-evm's state to the registry's words and to the chain's parameters."""

from __future__ import annotations

from typing import Any, cast

from eth.abc import StateAPI
from eth_typing import Address

from vm.config import VmConfig
from vm.registry.facts import Registry
from vm.registry.layout import REGISTRY_ADDRESS


def config_of(state: StateAPI) -> VmConfig:
    """Return the chain's parameters, which our State subclass carries."""
    return cast("VmConfig", cast("Any", state).vm_config)


def registry_of(state: StateAPI) -> Registry:
    """Return the registry as `state` sees it; storage words are journaled, chunk bytes are not."""
    address = Address(REGISTRY_ADDRESS)
    ours = cast("Any", state)

    def write(slot: int, value: int) -> None:
        state.set_storage(address, slot, value)

    return Registry(
        read=lambda slot: state.get_storage(address, slot),
        write=write,
        read_chunk=ours.read_chunk,
        write_chunk=ours.write_chunk,
        block=state.block_number,
    )
