"""Genesis checks: a spec under which the chain could not keep its promises is refused.

The rates are those of the reference machine (one thread of a 2-core x86-64 without a compiler);
a network of slower validators lowers its limits, not these figures.
"""

from __future__ import annotations

from typing import Final

from ai_ops.cost import COST_CLASSES
from genesis.errors import InvalidSpec
from genesis.spec import ChainSpec

CHUNK_BYTES: Final = 65_536
DIGEST_BYTES: Final = 32
POOL_TRANSACTION_BYTES: Final = 131_072
# Selector, offsets, lengths, index, signature and RLP of a transaction around its payload.
ENVELOPE_BYTES: Final = 1_024
TRANSACTION_GAS: Final = 21_000
CALLDATA_BYTE_GAS: Final = 16
CALLDATA_FLOOR_BYTE_GAS: Final = 40
MAXIMUM_STORED_BYTE_GAS: Final = 100
# Registry words that a call reads or writes, generously.
REGISTRY_WORDS: Final = 16
# Bits of the block in which a change of fee takes effect, in the registry.
EFFECTIVE_BLOCK_BITS: Final = 64

# Gas a second that the slowest ordinary instructions reach on the reference machine.
EVM_GAS_PER_SECOND: Final = 3_000_000
# One gas of inference is 50 ns on it.
INFERENCE_GAS_PER_SECOND: Final = 20_000_000
# Verification takes at most a third of the block interval.
INTERVAL_SHARE: Final = 3


def check_spec(spec: ChainSpec) -> None:
    """Check what a spec promises, as far as it can be computed from the spec alone.

    Raises
    ------
    InvalidSpec
        Naming the first broken promise and both figures.
    """
    _check_header(spec)
    _check_rules(spec)
    if spec.vm_config.ai:
        _check_cost_classes(spec)
        _check_chunk(spec)
        _check_largest_model(spec)
    _check_interval(spec)


def _refuse(sentence: str) -> InvalidSpec:
    return InvalidSpec(sentence, "E-GENESIS-004")


def _check_header(spec: ChainSpec) -> None:
    if spec.header.gas_limit < spec.vm_config.minimum_gas_limit:
        raise _refuse(
            f"genesis.gas_limit {spec.header.gas_limit} is below the least legal one, "
            f"{spec.vm_config.minimum_gas_limit}"
        )
    if spec.consensus.sealed and spec.vm_config.blobs.max_blobs:
        raise _refuse(
            "blobs.max_blobs is 0 on a chain with consensus, because nobody checks blob sidecars"
        )


def _check_rules(spec: ChainSpec) -> None:
    config = spec.vm_config
    divisors = {
        "rules.elasticity_multiplier": config.elasticity_multiplier,
        "rules.base_fee_change_denominator": config.base_fee_change_denominator,
        "blobs.base_fee_update_fraction": config.blobs.base_fee_update_fraction,
    }
    for name, value in divisors.items():
        if value < 1:
            raise _refuse(f"{name} is at least 1")
    if config.fee_change_delay_blocks >> EFFECTIVE_BLOCK_BITS - 1:
        raise _refuse(f"rules.fee_change_delay_blocks is below 2^{EFFECTIVE_BLOCK_BITS - 1}")
    if len(config.deposit_contract) != 20:
        raise _refuse("rules.deposit_contract has 20 bytes")
    if config.blobs.target_blobs > config.blobs.max_blobs:
        raise _refuse("blobs.target_blobs is at most blobs.max_blobs")


def _check_cost_classes(spec: ChainSpec) -> None:
    """Check that every class of work has a price, and no other name has one."""
    priced = [name for name, _ in spec.vm_config.prices.cost_class_q16]
    if sorted(priced) != sorted(COST_CLASSES):
        raise _refuse(
            "prices.cost_class_q16 prices exactly these classes: " + ", ".join(COST_CLASSES)
        )


def _transaction_limit(spec: ChainSpec) -> int:
    """Return the most gas that one transaction can have on this chain."""
    cap = spec.vm_config.transaction_gas_cap
    limit = spec.header.gas_limit
    return limit if cap is None else min(cap, limit)


def _check_chunk(spec: ChainSpec) -> None:
    """Check that a full chunk fits pool and block, at a bounded price a byte."""
    prices = spec.vm_config.prices
    stored = prices.stored_byte_gas
    if stored + CALLDATA_BYTE_GAS > MAXIMUM_STORED_BYTE_GAS:
        raise _refuse(
            f"prices.stored_byte_gas {stored} and {CALLDATA_BYTE_GAS} of calldata exceed "
            f"{MAXIMUM_STORED_BYTE_GAS} gas a byte"
        )
    need = full_chunk_gas(spec)
    if need > (have := _transaction_limit(spec)):
        raise _refuse(
            f"storing a full chunk takes up to {need} gas, and a transaction has at most {have}; "
            "raise genesis.gas_limit or lower prices.stored_byte_gas"
        )


def _check_largest_model(spec: ChainSpec) -> None:
    """Check that `createModel` and `activate` of the largest model each fit one transaction."""
    limits = spec.vm_config.limits
    have = _transaction_limit(spec)
    digests = _most_chunks(spec) * DIGEST_BYTES
    if digests + ENVELOPE_BYTES > POOL_TRANSACTION_BYTES:
        raise _refuse(
            f"limits.model_bytes {limits.model_bytes} needs {digests} bytes of chunk digests, "
            f"and a transaction has at most {POOL_TRANSACTION_BYTES}"
        )
    for name, need in (("createModel", create_gas(spec)), ("activate", activate_gas(spec))):
        if need > have:
            raise _refuse(
                f"{name} of a model at limits.model_bytes, limits.head_bytes and limits.operators "
                f"takes up to {need} gas, and a transaction has at most {have}"
            )


def full_chunk_gas(spec: ChainSpec) -> int:
    """Return the most gas of a transaction that calls `putChunk` or `putData` with a full chunk."""
    prices = spec.vm_config.prices
    execution = prices.stored_byte_gas * CHUNK_BYTES + prices.hash_word_gas * (CHUNK_BYTES >> 5)
    return _calldata_gas(spec, CHUNK_BYTES, execution)


def create_gas(spec: ChainSpec) -> int:
    """Return the most gas of a transaction that creates a model at the limit."""
    prices, chunks = spec.vm_config.prices, _most_chunks(spec)
    execution = (prices.stored_byte_gas * DIGEST_BYTES + prices.digest_gas) * chunks
    return _calldata_gas(spec, DIGEST_BYTES * chunks, execution)


def activate_gas(spec: ChainSpec) -> int:
    """Return the most gas of a transaction that activates a model at the limits."""
    prices, limits = spec.vm_config.prices, spec.vm_config.limits
    execution = (
        prices.scan_gas * _most_chunks(spec)
        + prices.hash_word_gas * (CHUNK_BYTES >> 5)
        + prices.head_byte_gas * limits.head_bytes
        + 2 * prices.operator_gas * limits.operators
    )
    return _calldata_gas(spec, 0, execution)


def _most_chunks(spec: ChainSpec) -> int:
    return -(-spec.vm_config.limits.model_bytes // CHUNK_BYTES)


def _calldata_gas(spec: ChainSpec, size: int, execution: int) -> int:
    """Return the most gas of a registry call with ``size`` payload bytes and this execution."""
    prices = spec.vm_config.prices
    sent = size + ENVELOPE_BYTES
    execution += prices.hash_word_gas * (sent >> 5) + prices.log_gas
    execution += (prices.slot_gas + prices.read_gas) * REGISTRY_WORDS
    return TRANSACTION_GAS + max(
        CALLDATA_BYTE_GAS * sent + execution, CALLDATA_FLOOR_BYTE_GAS * sent
    )


def _check_interval(spec: ChainSpec) -> None:
    """Check that EVM and inference at their limits verify in a third of the block period."""
    period = spec.consensus.period_seconds
    if not period:
        return  # sealed on demand: no interval to keep
    evm = spec.header.gas_limit * INFERENCE_GAS_PER_SECOND
    inference = spec.vm_config.inference_gas_limit * EVM_GAS_PER_SECOND if spec.vm_config.ai else 0
    allowed = period * EVM_GAS_PER_SECOND * INFERENCE_GAS_PER_SECOND
    if (evm + inference) * INTERVAL_SHARE > allowed:
        milliseconds = (evm + inference) * 1_000 // (EVM_GAS_PER_SECOND * INFERENCE_GAS_PER_SECOND)
        raise _refuse(
            f"a full block takes {milliseconds} ms to verify, more than a third of the "
            f"{period} s period; lower genesis.gas_limit or rules.inference_gas_limit"
        )
