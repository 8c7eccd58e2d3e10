"""The base fee of a block (EIP-1559) and the bounds of its gas limit."""

from __future__ import annotations

from vm.blocks import Header
from vm.config import VmConfig

GAS_LIMIT_BOUND_DIVISOR = 1_024


def next_base_fee(config: VmConfig, parent: Header) -> int:
    """Return the base fee in wei per gas of the block after ``parent``."""
    target = parent.gas_limit // config.elasticity_multiplier
    if parent.gas_used == target:
        return parent.base_fee
    difference = abs(parent.gas_used - target)
    change = parent.base_fee * difference // target // config.base_fee_change_denominator
    if parent.gas_used > target:
        return parent.base_fee + max(change, 1)
    return parent.base_fee - change


def gas_limit_bounds(config: VmConfig, parent: Header) -> tuple[int, int]:
    """Return the lowest and the highest gas limit of the block after ``parent``."""
    step = parent.gas_limit // GAS_LIMIT_BOUND_DIVISOR - 1
    return max(parent.gas_limit - step, config.minimum_gas_limit), parent.gas_limit + step


def approach_gas_limit(config: VmConfig, parent: Header, target: int) -> int:
    """Return the legal gas limit nearest to ``target``."""
    lowest, highest = gas_limit_bounds(config, parent)
    return min(max(target, lowest), highest)
