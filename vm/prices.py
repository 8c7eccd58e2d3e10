"""The gas prices of inference and of the model registry: genesis parameters, all integers.

The anchor is one gas = 50 nanoseconds on one thread of a 2-core machine.
"""

from __future__ import annotations

from dataclasses import dataclass

# One gas in the fixed-point unit of the coefficients and of the per-byte prices.
FRACTION_BITS = 16
FRACTION_ONE = 1 << FRACTION_BITS

# Defaults per counted unit, from measured single-thread rates; one gas is 50 ns. They leave room
# for 64 tokens of a model of 135 million parameters, cold load included, within 2**23 gas.
# In alphabetical order, so that a chain spec written out and read again is the same.
COST_CLASS_Q16 = (
    ("comparison", 13_107),  # 0.1 G/s
    ("digest_bytes", 410),  # 3.2 GB/s
    ("element_cheap", 1_365),  # 0.96 G/s
    ("element_copy", 683),  # 1.9 G/s
    ("element_heavy", 2_731),  # 0.48 G/s
    ("element_wide", 8_192),  # 0.16 G/s
    ("mac_attention", 72),  # 18 G/s
    ("mac_conv", 36),
    ("mac_gemm", 36),  # 36 G/s
    ("mac_grouped", 144),  # a quarter of a dense product's rate
    ("steps", 6_553_600),  # 5 us: dispatch and one digest
    ("weight_bytes", 74),  # 18 GB/s
)


@dataclass(frozen=True, slots=True, kw_only=True)
class InferencePrices:
    """Every price that an inference instruction or a registry function charges.

    Quantities ending in ``_q16`` are in units of 2**-16 gas.

    Attributes
    ----------
    base_gas, access_gas : int
        Part of every inference call; access pays for the registry words that describe the model.
    data_access_gas : int
        Added to access when the input is a data object.
    word_gas : int
        Per 32-byte word of input and of output.
    cold_load_byte_q16 : int
        Per byte loaded for the first time in a transaction.
    cost_class_q16 : tuple of (str, int)
        Per counted unit of each operator class of `ai_ops.cost.COST_CLASSES`.
    stored_byte_gas, slot_gas : int
        Per byte put into the chunk store, and per registry word written.
    read_gas, scan_gas : int
        Per registry word read, and per index scanned by `missing` and `activate`.
    digest_gas, hash_word_gas : int
        Per leaf digest folded into a model id, and per 32-byte word hashed or copied.
    log_gas : int
        Per registry event.
    head_byte_gas, operator_gas : int
        Per byte of manifest and graph, and per operator and weight, that `activate` validates.
    """

    base_gas: int = 2_000
    # Four cold words: the call word, the coefficients, the fee and the model id.
    access_gas: int = 8_400
    data_access_gas: int = 2_100
    word_gas: int = 3
    # About 1/100 gas: 2 GB/s to read, check and pack weights.
    cold_load_byte_q16: int = 655
    cost_class_q16: tuple[tuple[str, int], ...] = COST_CLASS_Q16
    # With 16 gas of calldata a stored byte costs 80 gas, under the bound of 100.
    stored_byte_gas: int = 64
    slot_gas: int = 22_100
    read_gas: int = 2_100
    scan_gas: int = 2_100
    digest_gas: int = 60
    hash_word_gas: int = 6
    log_gas: int = 2_000
    head_byte_gas: int = 2
    operator_gas: int = 1_000
