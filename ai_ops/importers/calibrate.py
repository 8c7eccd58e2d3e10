"""Find the range of every value on the user's samples."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatGraph
from ai_ops.importers.float_run import batches, run_float, walk_float
from ai_ops.importers.histogram import Histogram
from ai_ops.importers.masks import HEADROOM, MASKED_BELOW, masked_scores
from ai_ops.importers.rounding import ROWS, Moments, input_columns, watched
from ai_ops.importers.scales import LEVELS

METHODS = ("max", "percentile", "mse")
ROUNDINGS = ("nearest", "compensated")
PERCENTILE = 99.99


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What the samples say of a value.

    Attributes
    ----------
    maximum : the largest magnitude, which the largest of many levels (16 bits) stands for
    clipped : the magnitude that the largest of few levels (8 bits) stands for, by the method
    unsigned : no sample was negative
    """

    maximum: float
    clipped: float
    unsigned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What the samples say of a network.

    Attributes
    ----------
    ranges : of each value
    moments : of the inputs of each layer with weights, by the layer's value; empty when weights
        are rounded to nearest
    masked : the least value that masked scores need, of each value that a mask went into
    """

    ranges: Mapping[str, Range]
    moments: Mapping[str, Moments]
    masked: Mapping[str, float] = field(default_factory=dict)


def check_samples(graph: FloatGraph, samples: Mapping[str, np.ndarray]) -> dict[str, FloatArray]:
    """Check that the samples fit the graph's inputs.

    Returns
    -------
    one float32 array (samples, ...) per input

    Raises
    ------
    ImportRefused : names, types, shapes, counts or values that do not fit; says which
    """
    arrays = dict(samples)
    if set(arrays) != set(graph.inputs):
        # One input, one array: the name does not matter then.
        if len(arrays) == len(graph.inputs) == 1:
            arrays = {graph.inputs[0]: next(iter(arrays.values()))}
        else:
            raise ImportRefused(
                f"the samples hold the arrays {sorted(arrays)} and the network's inputs are"
                f" {sorted(graph.inputs)}: save one array per input with numpy.savez"
            )
    checked = {}
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub" or array.ndim < 2 or len(array) == 0:
            raise ImportRefused(
                f"the samples for {name} have the shape {array.shape} and type {array.dtype}:"
                " numbers with the samples along the first axis are needed"
            )
        checked[name] = np.asarray(array, np.float32)
        if not np.isfinite(checked[name]).all():
            raise ImportRefused(f"the samples for {name} hold values that are not finite")
    if len({len(array) for array in checked.values()}) != 1:
        counts = {name: len(array) for name, array in checked.items()}
        raise ImportRefused(f"the inputs have different numbers of samples: {counts}")
    return checked


def calibrate(
    graph: FloatGraph,
    samples: Mapping[str, FloatArray],
    method: str,
    rounding: str = "compensated",
    progress: Callable[[str], None] = lambda _: None,
) -> Calibration:
    """Find the range of each value, and how the inputs of each layer vary together.

    Parameters
    ----------
    samples : float32 (samples, ...) for each input, from `check_samples`
    method : "max"; "percentile" (the 99.99th of the magnitudes); or "mse" (the threshold that
        minimizes the squared error of clipping and rounding to 8 bits)
    rounding : "nearest", or "compensated" (see `rounding`), which needs the moments
    progress : told how far it is
    """
    found: dict[str, Histogram] = {}
    moments: dict[str, Moments] = {}
    layers = watched(graph) if rounding == "compensated" else {}
    scores = masked_scores(graph)
    masked: set[str] = set()
    cut = list(batches(samples))
    for index, batch in enumerate(cut):
        progress(f"calibrating: batch {index + 1} of {len(cut)}")
        for name, value in walk_float(graph, batch):
            if not np.isfinite(value).all():
                raise ImportRefused(
                    f"the value {name} is not finite on the samples: the float network is broken"
                )
            seen = value
            if name in scores and value.min() < MASKED_BELOW:
                masked.add(name)
                seen = value[value >= MASKED_BELOW]
            found.setdefault(name, Histogram()).add(seen)
            for node in layers.get(name, ()):
                columns = input_columns(graph, node, value, max(1, ROWS // len(cut)))
                moments.setdefault(node.name, Moments.of(columns)).add(columns)
    ranges = {
        name: Range(
            maximum=histogram.maximum,
            clipped=_clipped(histogram, "max" if name in graph.inputs else method),
            unsigned=histogram.minimum >= 0,
        )
        for name, histogram in found.items()
    }
    for name in masked:
        deeper = ranges[name].maximum + HEADROOM
        ranges[name] = replace(ranges[name], maximum=deeper, clipped=deeper)
    return Calibration(
        ranges=ranges,
        moments=moments,
        masked={name: -ranges[name].maximum for name in masked},
    )


def _clipped(histogram: Histogram, method: str) -> float:
    if method == "percentile":
        return histogram.percentile(PERCENTILE)
    if method == "mse":
        return histogram.least_square_error(LEVELS)
    return histogram.maximum


def value_shapes(
    graph: FloatGraph, samples: Mapping[str, FloatArray]
) -> dict[str, tuple[int, ...]]:
    """Return the shape of every value without its sample axis, by running one sample."""
    one = {name: array[:1] for name, array in samples.items()}
    try:
        values = run_float(graph, one)
    except (ValueError, IndexError) as error:
        shapes = {name: array.shape[1:] for name, array in one.items()}
        raise ImportRefused(
            f"samples of the shapes {shapes} do not run through the network:"
            " check the samples' layout (images are channels first)"
        ) from error
    return {name: value.shape[1:] for name, value in values.items()}
