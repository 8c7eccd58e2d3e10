"""What the recipes of language models share: an integer model that takes token ids."""

import numpy as np

from ai_ops.importers.language.measure import Stepper, run_tokens
from examples.models.measure import IntegerModel


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
        return super().gas(self.tokens if self.facts.symbolic else 1)

    def call(self, sample):
        """Return the bytes of a text of `tokens` tokens, or of a first step; and its n."""
        if not self.facts.symbolic:
            return self.stepper().data(int(sample[0])), 1
        return np.resize(np.asarray(sample, "<i4"), self.tokens).tobytes(), self.tokens
