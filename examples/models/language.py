"""What the recipes of language models share: an integer model that takes token ids."""

import statistics
import time

import numpy as np

from ai_ops.importers.language.measure import Stepper, run_tokens
from examples.models.measure import TIMED_RUNS, IntegerModel
from vm.gas import access_gas, coefficients, fraction_gas
from vm.prices import InferencePrices


class TokenModel(IntegerModel):
    """A model whose call is a text, or one step of a text; `sample` is a list of token ids."""

    def __init__(self, data, *, tokens):
        super().__init__(data)
        self.tokens = tokens

    def run_text(self, ids):
        """Return the first output for a text, in real units."""
        return run_tokens(self.loaded, np.asarray(ids))

    def stepper(self):
        """Begin a text of which every step takes one token."""
        return Stepper(self.loaded)

    def gas(self):
        """Return the gas of one warm call with `tokens` tokens at the default prices."""
        prices, n = InferencePrices(), self.tokens if self.facts.symbolic else 1
        words = sum(-(-s // 32) for s in (self.facts.input_bytes(n), self.facts.output_bytes(n)))
        constant, linear, square = coefficients(self.facts.cost, prices)
        computation = fraction_gas(constant + linear * n + square * n * n)
        return access_gas(prices, data=False) + prices.word_gas * words + computation

    def milliseconds(self, sample):
        """Return the median time of one call, digests included."""
        if self.facts.symbolic:
            data, n = np.resize(np.asarray(sample, "<i4"), self.tokens).tobytes(), self.tokens
        else:
            data, n = self.stepper().data(int(sample[0])), 1
        times = []
        self.loaded.run(data, n)
        for _ in range(TIMED_RUNS):
            start = time.perf_counter()
            self.loaded.run(data, n)
            times.append(1000 * (time.perf_counter() - start))
        return statistics.median(times)
