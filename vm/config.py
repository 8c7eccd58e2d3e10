"""Chain parameters that decide validity: they come from genesis and never change at run time."""

from __future__ import annotations

from dataclasses import dataclass, field

from ai_ops.validate import DEFAULT_LIMITS, Limits
from vm.prices import InferencePrices

GAS_PER_BLOB = 131_072


@dataclass(frozen=True, slots=True, kw_only=True)
class BlobSchedule:
    """Blob gas rules of the fork (EIP-4844, EIP-7691)."""

    target_blobs: int = 6
    max_blobs: int = 9
    base_fee_update_fraction: int = 5_007_716
    minimum_base_fee_wei: int = 1

    @property
    def target_gas(self) -> int:
        """Blob gas a block uses when the price stands still."""
        return self.target_blobs * GAS_PER_BLOB

    @property
    def max_gas(self) -> int:
        """Most blob gas of a block."""
        return self.max_blobs * GAS_PER_BLOB


@dataclass(frozen=True, slots=True, kw_only=True)
class VmConfig:
    """What the state transition needs to know about a chain.

    ``ai=False`` switches every inference feature off: the chain is then plain Ethereum (Prague).
    """

    chain_id: int
    ai: bool = True
    transaction_gas_cap: int | None = 2**24
    """Most gas of one transaction (EIP-7825); None switches the cap off."""
    inference_gas_limit: int = 30_000_000
    """Most inference gas of one block, summed over its records."""
    fee_change_delay_blocks: int = 7_200
    limits: Limits = DEFAULT_LIMITS
    prices: InferencePrices = field(default_factory=InferencePrices)
    blobs: BlobSchedule = field(default_factory=BlobSchedule)
    deposit_contract: bytes = bytes.fromhex("00000000219ab540356cbb839cbe05303d7705fa")
    elasticity_multiplier: int = 2
    base_fee_change_denominator: int = 8
    initial_base_fee_wei: int = 1_000_000_000
    minimum_gas_limit: int = 5_000
