"""Magnitudes of a value, counted in bins of equal width over a range that grows by doubling."""

import math

import numpy as np

from ai_ops.importers.float_graph import FloatArray

BINS = 4096


class Histogram:
    """Counts of magnitudes.

    Attributes
    ----------
    counts : float64 (BINS,); bin i holds magnitudes from ``i * width`` to ``(i + 1) * width``
    top : the upper end of the last bin, a power of two
    maximum : the largest magnitude, exactly
    minimum : the smallest value (not magnitude): 0 or more says that the value is unsigned
    """

    def __init__(self) -> None:
        self.counts = np.zeros(BINS)
        self.top = 0.0
        self.maximum = 0.0
        self.minimum = math.inf

    @property
    def width(self) -> float:
        """Width of a bin."""
        return self.top / BINS

    def add(self, value: FloatArray) -> None:
        """Count the magnitudes of a value, which must be finite."""
        if not value.size:
            return
        self.minimum = min(self.minimum, float(value.min()))
        magnitude = np.abs(value).reshape(-1)
        largest = float(magnitude.max())
        self.maximum = max(self.maximum, largest)
        if largest == 0 and self.top == 0:
            return
        if self.top == 0:
            self.top = 2.0 ** (math.frexp(largest)[1])
        while largest >= self.top:
            pairs = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.concatenate([pairs, np.zeros(BINS // 2)])
            self.top *= 2
        bins = (magnitude * np.float32(1 / self.width)).astype(np.int32)
        self.counts += np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)

    def percentile(self, share: float) -> float:
        """Return the magnitude below which `share` (0..100) of all lie, to a bin's width.

        Between two magnitudes the lower one is taken, so that one outlier never counts.
        """
        if self.maximum == 0:
            return 0.0
        rank = math.floor((self.counts.sum() - 1) * (share / 100))
        reached = np.cumsum(self.counts) > rank
        return min(self.maximum, float(np.argmax(reached) + 1) * self.width)

    def least_square_error(self, levels: int) -> float:
        """Return the magnitude at which clipping and rounding together lose least.

        A step costs its square over 12 for each magnitude within the range, clipping the square of
        what is cut off; both are summed over the bins for 100 thresholds up to the maximum.
        """
        if self.maximum == 0:
            return 0.0
        centres = (np.arange(BINS) + 0.5) * self.width
        # Zero is met exactly and costs nothing, however many of them a ReLU makes.
        counts = np.concatenate([[0.0], self.counts[1:]])
        thresholds = self.maximum * np.linspace(0.2, 1.0, 81)
        errors = [
            float(counts @ np.maximum(centres - threshold, 0) ** 2)
            + float(counts @ (centres <= threshold)) * (threshold / levels) ** 2 / 12
            for threshold in thresholds
        ]
        return float(thresholds[int(np.argmin(errors))])
