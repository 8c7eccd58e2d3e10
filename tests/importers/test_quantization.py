"""Ranges, number formats and the rounding of weights; needs neither torch nor onnx."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ai_ops.backends import select_backend
from ai_ops.dtype import DType
from ai_ops.executor import load
from ai_ops.importers.calibrate import calibrate, value_shapes
from ai_ops.importers.float_graph import FloatGraph, FloatNode
from ai_ops.importers.float_run import run_outputs
from ai_ops.importers.histogram import Histogram
from ai_ops.importers.lower import lower
from ai_ops.importers.lowering import Lowered, Options
from ai_ops.importers.report import compare
from ai_ops.importers.rounding import Moments, compensated
from ai_ops.importers.simplify import simplify
from ai_ops.model import encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, validate

Real = NDArray[np.float64]


def node(operator: str, name: str, *inputs: str, **attributes: Any) -> FloatNode:
    return FloatNode(
        operator=operator, name=name, inputs=inputs, source=name, attributes=attributes
    )


def residual(generator: np.random.Generator) -> FloatGraph:
    """Two 1 x 1 convolutions around a ReLU6, added to their input; a mean and dense layer."""
    window = {"strides": (1, 1), "dilations": (1, 1), "pads": (0, 0, 0, 0), "groups": 1}
    constants = {
        "w0": generator.normal(0, 0.4, (12, 3, 1, 1)),
        "w1": generator.normal(0, 0.4, (32, 12, 1, 1)),
        "w2": generator.normal(0, 0.3, (12, 32, 1, 1)),
        "w3": generator.normal(0, 0.5, (7, 12)),
        "b3": generator.normal(0, 0.5, 7),
    }
    return FloatGraph(
        inputs=("x",),
        outputs=("y",),
        nodes=(
            node("conv", "a", "x", weight="w0", bias=None, **window),
            node("conv", "b", "a", weight="w1", bias=None, **window),
            node("clamp", "c", "b", low=0.0, high=6.0),
            node("conv", "d", "c", weight="w2", bias=None, **window),
            node("add", "e", "a", "d"),
            node("global_average", "f", "e", keep=False),
            node("dense", "y", "f", weight="w3", bias="b3"),
        ),
        constants={name: array.astype(np.float32) for name, array in constants.items()},
    )


def imported(
    graph: FloatGraph, x: NDArray[np.float32], options: Options, rounding: str
) -> tuple[Lowered, Any]:
    samples = {"x": x}
    simple = simplify(graph)
    calibration = calibrate(simple, samples, "max", rounding)
    lowered = lower(simple, value_shapes(simple, samples), calibration, options)
    data = encode_model(lowered.model)
    facts = validate(head_of(lowered.model), len(data), DEFAULT_LIMITS)
    loaded = load(data, facts, select_backend("reference"))
    return lowered, compare(simple, lowered, loaded, samples, options.channels_last)


@pytest.fixture(scope="module")
def network() -> tuple[FloatGraph, NDArray[np.float32]]:
    generator = np.random.default_rng(17)
    graph = residual(generator)
    return graph, generator.uniform(-1, 1, (40, 3, 5, 4)).astype(np.float32)


def test_residual_stream_and_outputs_get_sixteen_bits(
    network: tuple[FloatGraph, NDArray[np.float32]],
) -> None:
    graph, x = network
    errors = {}
    for bits in (8, 16):
        options = Options(name="m", output_bits=bits, residual_bits=bits)
        lowered, report = imported(graph, x, options, "nearest")
        adds = [n for n in lowered.model.graph.nodes if n.operator == "ADD"]
        assert [n.integer("dtype") for n in adds] == [(DType.I8 if bits == 8 else DType.I16).code]
        assert lowered.model.manifest.outputs[0].dtype is (DType.I8 if bits == 8 else DType.I16)
        errors[bits] = 1 - report.outputs[0].cosine_mean
    assert errors[16] < 0.7 * errors[8]


def test_a_value_after_a_relu_is_unsigned(
    network: tuple[FloatGraph, NDArray[np.float32]],
) -> None:
    graph, x = network
    lowered, _ = imported(graph, x, Options(name="m"), "nearest")
    types = [n.integer("dtype") for n in lowered.model.graph.nodes if n.operator == "CONV2D"]
    assert types == [DType.I16.code, DType.U8.code, DType.I16.code]


def test_compensated_rounding_errs_less_than_rounding_to_nearest(
    network: tuple[FloatGraph, NDArray[np.float32]],
) -> None:
    graph, x = network
    options = Options(name="m", output_bits=16)
    error = {
        rounding: 1 - imported(graph, x, options, rounding)[1].outputs[0].cosine_mean
        for rounding in ("nearest", "compensated")
    }
    assert error["compensated"] < error["nearest"]


def test_compensated_weights_follow_inputs_that_vary_together() -> None:
    generator = np.random.default_rng(5)
    basis = generator.normal(size=(4, 16))
    inputs = generator.normal(size=(1, 400, 4)) @ basis
    weight = generator.normal(size=(1, 10, 16))
    scale = np.abs(weight).max(2) / 7  # few levels, so that rounding matters
    moments = Moments.of(inputs)
    moments.add(inputs)
    rounded, bias = compensated(weight, np.zeros((1, 10)), scale, moments)
    nearest = np.rint(weight / scale[..., None])

    def error(integers: Any, shift: Real) -> float:
        got = np.einsum("grk,gnk->grn", inputs, integers * scale[..., None]) + shift
        return float(((got - np.einsum("grk,gnk->grn", inputs, weight)) ** 2).mean())

    assert error(rounded, bias[:, None]) < 0.3 * error(nearest, np.zeros(1))


def test_outputs_alone_equal_the_whole_run(
    network: tuple[FloatGraph, NDArray[np.float32]],
) -> None:
    from ai_ops.importers.float_run import run_float

    graph, x = network
    assert (run_outputs(graph, {"x": x})["y"] == run_float(graph, {"x": x})["y"]).all()


def test_histogram_grows_and_keeps_every_count() -> None:
    histogram = Histogram()
    generator = np.random.default_rng(1)
    values = [generator.normal(0, scale, 5000).astype(np.float32) for scale in (0.1, 4.0, 0.5)]
    for value in values:
        histogram.add(value)
    together = np.abs(np.concatenate(values))
    assert histogram.counts.sum() == len(together)
    assert histogram.maximum == together.max()
    assert histogram.minimum == min(value.min() for value in values)
    for share in (50.0, 99.0, 99.99):
        exact = np.percentile(together, share, method="lower")
        assert abs(histogram.percentile(share) - exact) <= histogram.width


def test_least_square_error_clips_an_outlier_and_nothing_else() -> None:
    generator = np.random.default_rng(2)
    uniform = Histogram()
    uniform.add(generator.uniform(-1, 1, 20000).astype(np.float32))
    assert uniform.least_square_error(127) >= 0.98
    spiky = Histogram()
    spiky.add(np.concatenate([generator.normal(0, 0.05, 10**6), [1.0]]).astype(np.float32))
    assert spiky.least_square_error(127) < 0.6
    # The threshold found does better than the maximum when the rounding is really done.
    value = generator.normal(0, 0.05, 10**5)

    def loss(top: float) -> float:
        steps = np.clip(np.rint(value * 127 / top), -127, 127)
        return float(((steps * top / 127 - value) ** 2).mean())

    assert loss(spiky.least_square_error(127)) < loss(1.0)


def test_zeros_give_a_scale_and_no_range() -> None:
    histogram = Histogram()
    histogram.add(np.zeros(10, np.float32))
    assert histogram.percentile(99.99) == histogram.least_square_error(127) == 0.0
    assert Fraction(histogram.maximum) == 0
