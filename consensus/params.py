"""The constants of agreement that a chain spec fixes, and the arithmetic of quorums."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from consensus.errors import InvalidParameters
from vm import rlp
from vm.crypto import keccak

ADDRESS_BYTES: Final = 20
ENGINE_QBFT: Final = "qbft"
ENGINE_NONE: Final = "none"
ENGINES: Final = (ENGINE_QBFT, ENGINE_NONE)
MAXIMUM_VALIDATORS: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsensusParams:
    """What a chain spec says about agreement.

    Parameters
    ----------
    engine : str
        ``"qbft"``: sealed headers with certificates; ``"none"``: plain Ethereum headers.
    validators : tuple of bytes (20,)
        Addresses in ascending order, without repetition; empty when the engine is ``"none"``.
    period_seconds : int
        Least distance of two fresh proposals' timestamps. Import checks only that time grows.
    """

    engine: str
    validators: tuple[bytes, ...] = ()
    period_seconds: int = 0

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InvalidParameters(f"unknown consensus engine {self.engine!r}")
        if self.period_seconds < 0:
            raise InvalidParameters("the block period is negative")
        if self.engine == ENGINE_NONE:
            if self.validators:
                raise InvalidParameters("a chain without consensus has no validators")
            return
        if not 1 <= len(self.validators) <= MAXIMUM_VALIDATORS:
            raise InvalidParameters(f"a chain needs 1 to {MAXIMUM_VALIDATORS} validators")
        if any(len(address) != ADDRESS_BYTES for address in self.validators):
            raise InvalidParameters("a validator's address has 20 bytes")
        if any(a >= b for a, b in zip(self.validators, self.validators[1:], strict=False)):
            raise InvalidParameters("validators stand in ascending order, each once")

    @property
    def sealed(self) -> bool:
        """Whether blocks carry certificates."""
        return self.engine == ENGINE_QBFT


def tolerated_faults(validators: int) -> int:
    """Return f = ⌊(n - 1) / 3⌋, the faulty validators that agreement survives."""
    return (validators - 1) // 3


def quorum(validators: int) -> int:
    """Return ⌈2n/3⌉, the seals in every certificate of n validators."""
    return (2 * validators + 2) // 3


def validators_hash(validators: Sequence[bytes]) -> bytes:
    """Return keccak256(rlp(sorted addresses)): the 32 bytes of ``extra_data``.

    Parameters
    ----------
    validators : sequence of bytes (20,)
        In any order.
    """
    return keccak(rlp.encode(sorted(validators)))
