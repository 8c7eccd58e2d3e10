"""Compare an integer model with the float network it came from, on the user's samples."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from ai_ops.executor import LoadedModel
from ai_ops.graph import Port
from ai_ops.importers.float_graph import FloatArray, FloatGraph
from ai_ops.importers.float_run import run_float, run_outputs
from ai_ops.importers.lowering import Lowered, Step

MAXIMUM_RUNS = 1000
LAYER_RUNS = 32
MOST_DECIBELS = 200.0
"""What a layer without any error is said to have."""
RealArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputReport:
    """How near an integer output is to the float one.

    Attributes
    ----------
    name, samples : the output's port and how many samples were compared
    top1_agreement : share of samples with the same largest score; None when it is no class vector
    cosine_mean, cosine_minimum : cosine similarity per sample
    maximum_error : largest absolute difference, in real units
    step : what one integer is worth
    """

    name: str
    samples: int
    top1_agreement: float | None
    cosine_mean: float
    cosine_minimum: float
    maximum_error: float
    step: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerReport:
    """How near one step's tensor is to its float value.

    Attributes
    ----------
    decibels : the signal's power over the error's (SQNR), in decibels, at most `MOST_DECIBELS`
    """

    step: int
    operator: str
    value: str
    shape: tuple[int, ...]
    cosine: float
    decibels: float
    maximum_error: float
    largest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The accuracy report of an import."""

    outputs: tuple[OutputReport, ...]
    layers: tuple[LayerReport, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Return the report as plain values."""
        return asdict(self)


def port_scale(port: Port) -> float:
    """Return what one integer of a port is worth."""
    return float(port.scale_mantissa) * 2.0**port.scale_exponent


def quantize(port: Port, real: FloatArray, channels_last: bool) -> bytes:
    """Turn one sample (sample axis kept, of size 1) into input bytes."""
    if channels_last and real.ndim == 4:
        real = real.transpose(0, 2, 3, 1)
    steps = np.rint(real.astype(np.float64) / port_scale(port))
    low, high = max(port.minimum, -port.maximum), port.maximum
    return np.clip(steps, low, high).astype(port.dtype.numpy).tobytes()


def cosine(a: RealArray, b: RealArray) -> float:
    """Return the cosine similarity of two arrays; two zero arrays are alike."""
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if size == 0:
        return float(np.array_equal(a, b))
    return float(np.vdot(a, b) / size)


def decibels(ours: RealArray, reference: RealArray) -> float:
    """Return the power of the reference over that of the error, in decibels."""
    signal, error = (float((array**2).sum()) for array in (reference, ours - reference))
    if error == 0:
        return MOST_DECIBELS
    return min(MOST_DECIBELS, 10 * math.log10(signal / error)) if signal else -MOST_DECIBELS


def compare(
    graph: FloatGraph,
    lowered: Lowered,
    loaded: LoadedModel,
    samples: Mapping[str, FloatArray],
    channels_last: bool,
) -> Report:
    """Run both networks on up to 1,000 samples and compare outputs, and layers on 32.

    Parameters
    ----------
    graph : the simplified float graph that `lowered` came from
    samples : float32 (samples, ...) for each input
    channels_last : as in `Options`
    """
    ports = lowered.model.manifest.inputs
    count = min(MAXIMUM_RUNS, len(next(iter(samples.values()))))
    chosen = {name: array[:count] for name, array in samples.items()}
    floats = run_outputs(graph, chosen)
    inputs = [
        b"".join(
            quantize(port, chosen[name][i : i + 1], channels_last)
            for name, port in zip(graph.inputs, ports, strict=True)
        )
        for i in range(count)
    ]
    results = [loaded.run(data, 1).output for data in inputs]
    layers = _layers(graph, lowered, loaded, chosen, inputs[:LAYER_RUNS])
    outputs = []
    offset = 0
    for name, port in zip(graph.outputs, lowered.model.manifest.outputs, strict=True):
        size = port.type.size(1)
        raw = [np.frombuffer(data[offset : offset + size], port.dtype.numpy) for data in results]
        shape = (count, *port.shape[1:])
        real = np.stack(raw).astype(np.float64).reshape(shape) * port_scale(port)
        reference = floats[name].astype(np.float64)
        if channels_last and reference.ndim == 4:
            reference = reference.transpose(0, 2, 3, 1)
        outputs.append(_output(port, real, reference))
        offset += size
    return Report(outputs=tuple(outputs), layers=layers, notes=graph.notes)


def _output(port: Port, real: RealArray, reference: RealArray) -> OutputReport:
    similarity = [cosine(a, b) for a, b in zip(real, reference, strict=True)]
    classes = real.ndim == 2 and real.shape[1] > 1
    agreement = float((real.argmax(1) == reference.argmax(1)).mean()) if classes else None
    return OutputReport(
        name=port.name,
        samples=len(real),
        top1_agreement=agreement,
        cosine_mean=float(np.mean(similarity)),
        cosine_minimum=float(np.min(similarity)),
        maximum_error=float(np.abs(real - reference).max()),
        step=port_scale(port),
    )


def _layers(
    graph: FloatGraph,
    lowered: Lowered,
    loaded: LoadedModel,
    samples: Mapping[str, FloatArray],
    inputs: list[bytes],
) -> tuple[LayerReport, ...]:
    values = run_float(graph, {name: array[: len(inputs)] for name, array in samples.items()})
    traces = [loaded.trace(data, 1) for data in inputs]

    def real(step: Step) -> RealArray:
        dtype = {"i8": "i1", "i16": "<i2", "i32": "<i4", "u8": "u1"}[traces[0][step.index].dtype]
        stacked = np.concatenate(
            [
                np.frombuffer(trace[step.index].tensor, dtype).reshape(trace[step.index].shape)
                for trace in traces
            ]
        ).astype(np.float64)
        if step.channels_last:
            stacked = stacked.transpose(0, 3, 1, 2)
        return stacked * float(step.scale)

    reports = []
    for step in lowered.steps:
        ours, reference = real(step), values[step.value].astype(np.float64)
        reports.append(
            LayerReport(
                step=step.index,
                operator=traces[0][step.index].operator,
                value=step.value,
                shape=tuple(reference.shape[1:]),
                cosine=cosine(ours, reference),
                decibels=decibels(ours, reference),
                maximum_error=float(np.abs(ours - reference).max()),
                largest=float(np.abs(reference).max()),
            )
        )
    return tuple(reports)
