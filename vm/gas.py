"""The static gas of an inference: known before it runs, from the registry's words alone.

Every figure is an integer. Where a price is in units of 2**-16 gas the sum is rounded up once.
"""

from __future__ import annotations

from dataclasses import dataclass

from ai_ops.cost import Cost
from vm.abi import words
from vm.prices import FRACTION_BITS, InferencePrices
from vm.registry.facts import Terms

Coefficients = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """The gas of one inference, part by part; the author fee is apart.

    Attributes
    ----------
    access : int
        Base and access: charged whatever happens next.
    input_words, output_words : int
    computation : int
    cold_load : int
        0 when model (and data object) were loaded earlier in the transaction.
    fee : int
        Author fee; drawn from the caller, but not block gas.
    """

    access: int
    input_words: int
    output_words: int
    computation: int
    cold_load: int
    fee: int

    @property
    def record(self) -> int:
        """Gas that the record shows and the block's inference gas sums."""
        parts = self.access, self.input_words, self.output_words, self.computation, self.cold_load
        return sum(parts)

    @property
    def total(self) -> int:
        """Everything the caller's gas counter loses."""
        return self.record + self.fee


def coefficients(cost: Cost, prices: InferencePrices) -> Coefficients:
    """Return (a, b, c) in units of 2**-16 gas: the computation costs a + b*n + c*n**2.

    Raises
    ------
    KeyError
        When a cost class has no price: a fault of the chain spec, found by the genesis check.
    """
    price = dict(prices.cost_class_q16)
    sums = [0, 0, 0]
    for name, counts in cost.counts.items():
        for power, count in enumerate(counts):
            sums[power] += count * price[name]
    return sums[0], sums[1], sums[2]


def model_load_q16(weight_bytes: int, head_bytes: int, items: int, prices: InferencePrices) -> int:
    """Return the cold load of a model in units of 2**-16 gas.

    Parameters
    ----------
    weight_bytes : int
    head_bytes : int
        Bytes of manifest and graph.
    items : int
        Weights and operators of the graph.
    prices : InferencePrices
    """
    return (
        weight_bytes * prices.cold_load_byte_q16
        + head_bytes * prices.cold_load_head_byte_q16
        + (items * prices.cold_load_item_gas << FRACTION_BITS)
    )


def data_load_q16(size: int, prices: InferencePrices) -> int:
    """Return the cold load of a data object of `size` bytes in units of 2**-16 gas."""
    return size * prices.cold_load_byte_q16


def fraction_gas(amount_q16: int) -> int:
    """Round units of 2**-16 gas up to whole gas."""
    return -(-amount_q16 >> FRACTION_BITS)


def price(terms: Terms, n: int, cold_q16: int, prices: InferencePrices, *, data: bool) -> Price:
    """Price one call.

    Parameters
    ----------
    terms : Terms
    n : int
        Units of the symbolic dimension, from the input's size.
    cold_q16 : int
        What is loaded for the first time in this transaction, in units of 2**-16 gas.
    prices : InferencePrices
    data : bool
        Whether the input is a data object, whose word costs another access.
    """
    return Price(
        access=access_gas(prices, data=data),
        input_words=prices.word_gas * words(terms.input_size(n)),
        output_words=prices.word_gas * words(terms.output_size(n)),
        computation=fraction_gas(terms.a + terms.b * n + terms.c * n * n),
        cold_load=fraction_gas(cold_q16),
        fee=terms.fee,
    )


def access_gas(prices: InferencePrices, *, data: bool) -> int:
    """Return what every call pays first, callable or not."""
    return prices.base_gas + prices.access_gas + (prices.data_access_gas if data else 0)
