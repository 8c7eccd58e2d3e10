"""Find the range of every value on the user's samples."""

from collections.abc import Mapping

import numpy as np

from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatArray, FloatGraph
from ai_ops.importers.float_run import batches, run_float

METHODS = ("max", "percentile")
PERCENTILE = 99.99
# A percentile per batch, then their mean: what a histogram would give, without one.


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
    graph: FloatGraph, samples: Mapping[str, FloatArray], method: str
) -> dict[str, float]:
    """Return, for each value, the magnitude that its largest integer will stand for.

    Parameters
    ----------
    samples : float32 (samples, ...) for each input, from `check_samples`
    method : "max", or "percentile" (the 99.99th of the magnitudes, per batch, averaged)
    """
    found: dict[str, list[float]] = {}
    for batch in batches(samples):
        for name, value in run_float(graph, batch).items():
            if not np.isfinite(value).all():
                raise ImportRefused(
                    f"the value {name} is not finite on the samples: the float network is broken"
                )
            magnitude = np.abs(value)
            percentile = method == "percentile" and name not in graph.inputs
            top = np.percentile(magnitude, PERCENTILE) if percentile else magnitude.max()
            found.setdefault(name, []).append(float(top))
    combine = np.mean if method == "percentile" else np.max
    return {name: float(combine(tops)) for name, tops in found.items()}


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
