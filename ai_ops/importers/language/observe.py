"""What calibration text shows of a float model: ranges, sample rows, second moments."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.language.checkpoint import Checkpoint, Floats
from ai_ops.importers.language.float_models import Tokens, run_float_model
from ai_ops.importers.rounding import Moments

ROWS = 512
"""Rows of each value kept for the search of smoothings."""
MOMENT_ROWS = 1024
"""Rows whose second moments are taken at once: one large product is far faster than many."""
PRODUCT_INPUTS = frozenset({"input", "mixed", "middle", "active", "normal", "product", "states"})
"""Last parts of the names of values that a matrix multiplies."""

Reals = NDArray[np.float64]


@dataclass(slots=True)
class Observations:
    """Sums over all calibration sequences.

    Attributes
    ----------
    largest : magnitude of each element of a value, float64 (elements,)
    rows : about `ROWS` rows of each value that a matrix multiplies, float32 (rows, elements)
    moments : second moments of the same values, with the constant 1 of a bias
    ends : least and greatest value of each element of keys
    matrices : weights rounded for these observations, by name and bits of their input: rounding
        them is most of an import's work, and a second form of the same model needs them again
    """

    largest: dict[str, Reals] = field(default_factory=dict)
    rows: dict[str, Floats] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)
    ends: dict[str, tuple[Reals, Reals]] = field(default_factory=dict)
    matrices: dict[tuple[str, int], Any] = field(default_factory=dict)
    waiting: dict[str, list[Floats]] = field(default_factory=dict)

    def top(self, name: str) -> float:
        """Return the largest magnitude of a value; 1 for one that is always 0."""
        return float(self.largest[name].max()) or 1.0

    def centre(self, name: str) -> tuple[Reals, Reals]:
        """Return the middle of each element's range, and half the range's width.

        Scores need keys only up to a constant: what it adds is the same for every key of a query.
        """
        least, most = self.ends[name]
        return (least + most) / 2, (most - least) / 2

    def see(self, name: str, value: Floats, share: int) -> None:
        """Add one sequence's value (tokens, elements), keeping up to `share` of its rows."""
        if not np.isfinite(value).all():
            raise ImportRefused(f"the value {name} is not finite on the calibration text")
        tops = np.abs(value).max(0).astype(np.float64)
        self.largest[name] = np.maximum(self.largest.get(name, tops), tops)
        part = name.rpartition(".")[2]
        if part == "key":
            least, most = value.min(0).astype(np.float64), value.max(0).astype(np.float64)
            before = self.ends.get(name, (least, most))
            self.ends[name] = (np.minimum(before[0], least), np.maximum(before[1], most))
        if part not in PRODUCT_INPUTS:
            return
        kept = value[:: max(1, -(-len(value) // share))]
        self.rows[name] = np.concatenate([self.rows[name], kept]) if name in self.rows else kept
        waiting = self.waiting.setdefault(name, [])
        waiting.append(value)
        if sum(map(len, waiting)) >= MOMENT_ROWS:
            self.settle(name)

    def settle(self, name: str) -> None:
        """Take the rows that wait for their moments into account."""
        if rows := self.waiting.pop(name, []):
            columns = np.concatenate(rows)[None]
            if name not in self.moments:
                self.moments[name] = Moments.of(columns)
            self.moments[name].add(columns)


def observe(
    checkpoint: Checkpoint,
    sequences: Iterable[Tokens],
    progress: Callable[[str], None] = lambda _: None,
) -> Observations:
    """Run the float model over the calibration text.

    Parameters
    ----------
    progress : told how far it is
    """
    texts = list(sequences)
    found = Observations()
    share = max(1, ROWS // len(texts))
    for index, tokens in enumerate(texts):
        progress(f"calibrating: text {index + 1} of {len(texts)}")
        run_float_model(checkpoint, tokens, lambda name, value: found.see(name, value, share))
    for name in list(found.waiting):
        found.settle(name)
    return found


def check_sequences(
    arrays: dict[str, np.ndarray], checkpoint: Checkpoint, longest: int
) -> list[Tokens]:
    """Check calibration token ids, and cut them into sequences.

    Parameters
    ----------
    arrays : one array of integers, (tokens,) or (sequences, tokens); negative ids at the end of a
        sequence are padding
    longest : sequences are cut to this many tokens

    Raises
    ------
    ImportRefused : not token ids of this model; says why
    """
    if len(arrays) != 1:
        raise ImportRefused(
            f"the calibration file holds the arrays {sorted(arrays)}: one array of token ids, named"
            " tokens, is needed"
        )
    (array,) = arrays.values()
    if array.dtype.kind not in "iu" or array.ndim not in {1, 2} or array.size == 0:
        raise ImportRefused(
            f"the calibration array has the shape {array.shape} and type {array.dtype}: token ids"
            " are integers, (tokens,) or (sequences, tokens)"
        )
    vocabulary = checkpoint.settings.vocabulary
    if int(array.max()) >= vocabulary:
        raise ImportRefused(
            f"the calibration text holds the token {int(array.max())} and the model has"
            f" {vocabulary} tokens: use its own tokenizer"
        )
    rows = np.atleast_2d(array.astype(np.int64))
    sequences = [row[: _length(row)] for row in rows]
    cut = [row[at : at + longest] for row in sequences for at in range(0, len(row), longest)]
    if not cut:
        raise ImportRefused("the calibration text is empty")
    return cut


def _length(row: Tokens) -> int:
    padding = np.flatnonzero(row < 0)
    if len(padding) and (row[padding[0] :] >= 0).any():
        raise ImportRefused("a calibration sequence has tokens after its padding (negative ids)")
    return int(padding[0]) if len(padding) else len(row)
