"""The whole path from a float file to a checked integer model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.executor import load
from ai_ops.importers.calibrate import METHODS, calibrate, check_samples, value_shapes
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_graph import FloatGraph
from ai_ops.importers.lower import lower
from ai_ops.importers.lowering import Options
from ai_ops.importers.masks import bound_scores
from ai_ops.importers.onnx_reader import read_onnx
from ai_ops.importers.onnx_runtime import onnx_runtime_difference
from ai_ops.importers.report import Report, compare
from ai_ops.importers.simplify import simplify
from ai_ops.importers.torch_reader import read_torch
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, ModelFacts, validate

SampleShapes = Mapping[str, tuple[int, ...]]
READERS: dict[str, Callable[[Path, SampleShapes | None, Sequence[str]], FloatGraph]] = {
    ".pt2": lambda path, _, outputs: read_torch(path, outputs),
    ".onnx": read_onnx,
}
PICKLED = frozenset({".pt", ".pth", ".bin", ".ckpt", ".pkl"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """An imported model: its bytes, what validation proved, and the accuracy report."""

    data: bytes
    facts: ModelFacts
    report: Report


def read_network(
    path: Path, sample_shapes: SampleShapes | None = None, outputs: Sequence[str] = ()
) -> FloatGraph:
    """Read a float network by its file's ending.

    Parameters
    ----------
    sample_shapes : shape of one sample of each input; fixes the sizes that the file leaves open
    outputs : what is wanted of the network; what no output depends on is not read

    Raises
    ------
    ImportRefused : an ending, file or node that is not read
    """
    ending = path.suffix.lower()
    if ending in PICKLED:
        raise ImportRefused(
            f"{path} is a PyTorch pickle, which can run code when it is loaded: in your own script,"
            " torch.export.save(torch.export.export(model.eval(), (example,)), 'model.pt2')"
        )
    if ending not in READERS:
        raise ImportRefused(f"{path} ends in neither .pt2 (torch.export) nor .onnx")
    return READERS[ending](path, sample_shapes, outputs)


def import_network(
    path: Path,
    samples: Mapping[str, np.ndarray],
    options: Options,
    method: str = "max",
    rounding: str = "compensated",
    outputs: Sequence[str] = (),
    progress: Callable[[str], None] = lambda _: None,
) -> Imported:
    """Import a network: read, simplify, calibrate, lower, validate, compare.

    Parameters
    ----------
    samples : one array (samples, ...) for each input, as the float network takes them
    method : a row of `METHODS`
    rounding : of weights, a row of `ROUNDINGS`
    outputs : names of float values to end the network at; its own outputs when empty
    progress : told each stage as it begins, and "" at the end

    Raises
    ------
    ImportRefused : see the readers and passes
    InvalidModel : the network is beyond what the engine accepts (sizes, accumulators)
    """
    if method not in METHODS:
        raise ImportRefused(f"the calibration method {method} is none of {', '.join(METHODS)}")
    progress(f"reading {path.name}")
    sample_shapes = {name: array.shape[1:] for name, array in samples.items()}
    original = read_network(path, sample_shapes, outputs)
    arrays = check_samples(original, samples)
    shapes = value_shapes(original, arrays)
    note = None
    if path.suffix.lower() == ".onnx" and not original.notes:
        note = onnx_runtime_difference(path, original, arrays)
    graph = simplify(_ending_at(original, outputs))
    if not graph.nodes:
        raise ImportRefused(f"{path} computes nothing")
    shapes |= value_shapes(graph, arrays)
    calibration = calibrate(graph, arrays, method, rounding, progress)
    graph = bound_scores(graph, calibration.masked)
    progress("rounding weights")
    lowered = lower(graph, shapes, calibration, options)
    data = encode_model(lowered.model)
    facts = validate(head_of(lowered.model), len(data), DEFAULT_LIMITS)
    loaded = load(data, facts, select_backend(None))
    progress("comparing with the float network")
    report = compare(graph, lowered, loaded, arrays, options.channels_last)
    progress("")
    if note is not None:
        report = replace(report, notes=(*report.notes, note))
    return Imported(data=data, facts=facts, report=report)


def _ending_at(graph: FloatGraph, outputs: Sequence[str]) -> FloatGraph:
    """Return the graph with other outputs."""
    if not outputs:
        return graph
    values = {node.name for node in graph.nodes}
    for name in outputs:
        if name not in values:
            raise ImportRefused(f"the network computes no value called {name}")
    return replace(graph, outputs=tuple(outputs), labels=())
