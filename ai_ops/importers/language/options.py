"""How to import a language model."""

from dataclasses import dataclass

FORMS = ("score", "step")
POOLINGS = ("none", "mean", "first")
DEFAULT_TOKENS = 256
USUAL_BITS = 0
"""8 bits for encoders, 16 for decoders: what keeps each near its float model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageOptions:
    """What the integer model takes and gives.

    Attributes
    ----------
    name : in the manifest
    maximum_tokens : the longest text; of a step, the rows of its caches
    bits : of the activations that matrices multiply: 8, scaled row by row, 16, or `USUAL_BITS`
    form : decoders: "score" (a text in, logits out) or "step" (one token and the caches in)
    last_only : decoders that score: logits of the last token only
    pooling : encoders: "none" (all states), "mean" of them, or the "first" one's
    """

    name: str
    maximum_tokens: int = DEFAULT_TOKENS
    bits: int = USUAL_BITS
    form: str = "score"
    last_only: bool = False
    pooling: str = "none"
