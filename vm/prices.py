"""The gas prices of inference and of the model registry: genesis parameters, all integers.

The anchor is one gas = 50 nanoseconds on one thread of a 2-core machine.
"""

from __future__ import annotations

from dataclasses import dataclass

# One gas in the fixed-point unit of the coefficients and of the per-byte prices.
FRACTION_BITS = 16
FRACTION_ONE = 1 << FRACTION_BITS

# Defaults per counted unit, fitted by benchmarks/gas.py to the slowest path that a validator may
# run (docs/gas.md). Scaled so that 64 tokens of a model of 135 million parameters, cold load
# included, fit 2**23 gas: there a gas is 33 to 96 ns, and less in the kernels in C.
# In alphabetical order, so that a chain spec written out and read again is the same.
COST_CLASS_Q16 = (
    ("comparison", 8_913),
    ("digest_bytes", 223),
    ("element_cheap", 502),
    ("element_copy", 190),
    ("element_heavy", 1_114),
    ("element_wide", 2_451),
    ("mac_conv", 22),
    ("mac_gemm", 22),
    ("mac_general", 56),
    ("mac_grouped", 157),
    ("rows", 2_785),
    ("steps", 4_849_664),
    ("weight_bytes", 16),
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
        Per byte of weights, and of a data object, loaded for the first time in a transaction.
    cold_load_head_byte_q16 : int
        Per byte of manifest and graph of a model loaded for the first time.
    cold_load_item_gas : int
        Per operator and per weight of the graph of a model loaded for the first time.
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
    # 1/50 gas a byte of weights, 1/4 a byte of tables and channels. All three are a third to a half
    # of what making ready was measured to take at 50 ns a gas (docs/gas.md): more would not leave
    # a model of 135 million parameters room in 2**23.
    cold_load_byte_q16: int = 1_311
    cold_load_head_byte_q16: int = 16_384
    cold_load_item_gas: int = 700
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
