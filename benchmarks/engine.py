"""The tensor engine alone: `python -m benchmarks.engine`.

First whole networks: the cpu backend with all step digests against the reference, the same network
in NumPy float32 and (where installed) ONNX Runtime float32, one thread each. Then single operators:
measured nanoseconds against what the default gas prices stand for at 50 ns a gas.
"""

from __future__ import annotations

import os

for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[variable] = "1"

import time
from collections.abc import Callable

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.dtype import DType
from ai_ops.executor import LoadedModel, load
from ai_ops.graph import Graph, Model, Node, Port, TensorType
from ai_ops.model import build_model, encode_model, head_of
from ai_ops.operators import make_node
from ai_ops.validate import DEFAULT_LIMITS, ModelFacts, validate
from tests.ai_ops.models import lenet, mlp, port, weight
from vm.gas import coefficients, fraction_gas
from vm.prices import InferencePrices

NANOSECONDS_PER_GAS = 50
RESCALED = {"multipliers": (2**30,), "shifts": (40,), "dtype": 1, "minimum": -128, "maximum": 127}


def microseconds(function: Callable[[], object]) -> float:
    """Median of as many runs as fit a quarter of a second, 5 at least."""
    function()
    times: list[float] = []
    end = time.perf_counter() + 0.25
    while len(times) < 5 or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2] * 1e6


def prepared(model: Model, backend: str) -> tuple[LoadedModel, ModelFacts]:
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    return load(model, facts, select_backend(backend)), facts


def float_network(model: Model) -> Callable[[np.ndarray], np.ndarray]:
    """Return the same layers in NumPy float32, rescales replaced by one factor each."""
    weights = []
    offset = 0
    for tensor in model.graph.weights:
        count = tensor.elements(1)
        flat = np.frombuffer(model.weights, np.int8, count, offset).astype(np.float32)
        weights.append(flat.reshape(tensor.shape[0], -1).T.copy())
        offset += count
    first = len(model.manifest.inputs)

    def run(x: np.ndarray) -> np.ndarray:
        for node in model.graph.nodes:
            if node.operator == "GEMM":
                x = np.maximum(x @ weights[node.inputs[1] - first] * np.float32(2**-8), 0)
            elif node.operator == "CONV2D":
                view = np.lib.stride_tricks.sliding_window_view(x, (5, 5), axis=(1, 2))
                b, h, w, c = view.shape[:4]
                patches = view.transpose(0, 1, 2, 4, 5, 3).reshape(b * h * w, 25 * c)
                y = patches @ weights[node.inputs[1] - first] * np.float32(2**-7)
                x = np.maximum(y, 0).reshape(b, h, w, -1)
            elif node.operator == "MAX_POOL2D":
                b, h, w, c = x.shape
                x = x.reshape(b, h // 2, 2, w // 2, 2, c).max((2, 4))
            else:
                x = x.reshape(x.shape[0], -1)
        return x

    return run


def onnx_lenet(batch: int) -> Callable[[], object] | None:
    """Return LeNet-5 in ONNX Runtime, float32, one thread; None where it is not installed."""
    try:
        import onnx
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return None
    random = np.random.default_rng(0)
    shapes = {
        "w1": (6, 1, 5, 5),
        "w2": (16, 6, 5, 5),
        "w3": (256, 120),
        "w4": (120, 84),
        "w5": (84, 10),
    }
    initializers = [
        numpy_helper.from_array(random.standard_normal(shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    pool = {"kernel_shape": [2, 2], "strides": [2, 2]}
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("MaxPool", ["b"], ["c"], **pool),
        helper.make_node("Conv", ["c", "w2"], ["d"]),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("MaxPool", ["e"], ["f"], **pool),
        helper.make_node("Flatten", ["f"], ["g"]),
        helper.make_node("MatMul", ["g", "w3"], ["h"]),
        helper.make_node("Relu", ["h"], ["i"]),
        helper.make_node("MatMul", ["i", "w4"], ["j"]),
        helper.make_node("Relu", ["j"], ["k"]),
        helper.make_node("MatMul", ["k", "w5"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "lenet",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 1, 28, 28])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 10])],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    image = random.standard_normal((batch, 1, 28, 28)).astype(np.float32)
    return lambda: session.run(None, {"x": image})


def networks() -> None:
    print(f"{'network':<16}{'cpu us':>10}{'reference':>12}{'numpy f32':>12}{'onnxrt f32':>12}")
    print(f"{'':<16}{'':>10}" + f"{'(times the cpu backend)':>36}")
    for name, model, batch in (
        ("LeNet-5, 1", lenet(), 1),
        ("LeNet-5, 64", lenet(), 64),
        ("MLP 8-16-4, 1", mlp(), 1),
    ):
        cpu, facts = prepared(model, "cpu")
        reference, _ = prepared(model, "reference")
        data = np.random.default_rng(1).bytes(facts.input_bytes(batch))
        assert cpu.run(data, batch) == reference.run(data, batch)
        fast = microseconds(lambda m=cpu, d=data, n=batch: m.run(d, n))
        slow = microseconds(lambda m=reference, d=data, n=batch: m.run(d, n))
        shape = model.manifest.inputs[0].type.concrete(batch)
        x = np.frombuffer(data, np.int8).astype(np.float32).reshape(shape)
        network = float_network(model)
        numpy_time = microseconds(lambda f=network, a=x: f(a))
        session = onnx_lenet(batch) if name.startswith("LeNet") else None
        runtime = f"{microseconds(session) / fast:.2f}x" if session else "-"
        print(
            f"{name:<16}{fast:>10.0f}{slow / fast:>11.1f}x{numpy_time / fast:>11.2f}x{runtime:>12}"
        )


def conv(size: int, channels: int, filters: int, kernel: int, groups: int = 1) -> tuple[str, Model]:
    pad = kernel // 2
    node = make_node(
        "CONV2D",
        (0, 1),
        strides=(1, 1),
        padding=(pad,) * 4,
        dilations=(1, 1),
        groups=groups,
        bias=(),
        **RESCALED,
    )
    name = f"conv {kernel}x{kernel} {channels}->{filters} @{size}" + (
        f" /{groups}" if groups > 1 else ""
    )
    w = weight(filters, kernel, kernel, channels // groups)
    return name, one_node(node, DType.I8, (1, size, size, channels), (w,))


def gemm(rows: int, depth: int, units: int) -> tuple[str, Model]:
    node = make_node("GEMM", (0, 1), bias=(), **RESCALED)
    return f"gemm {rows}x{depth}x{units}", one_node(
        node, DType.I8, (rows, depth), (weight(units, depth),)
    )


def one_node(
    node: Node, dtype: DType, shape: tuple[int, ...], weights: tuple[TensorType, ...] = ()
) -> Model:
    from ai_ops.graph import Value
    from ai_ops.operators import OPERATORS

    given = [TensorType(dtype=dtype, shape=shape), *weights]
    values = tuple(
        Value(type=t, minimum=t.dtype.minimum, maximum=t.dtype.maximum)
        for t in (given[index] for index in node.inputs)
    )
    (out,) = OPERATORS[node.operator].infer(node, values)
    graph = Graph(weights=weights, nodes=(node,), outputs=(len(given),))
    return build_model(
        name="one",
        inputs=(port("x", dtype, shape),),
        outputs=(
            Port(
                name="y",
                dtype=out.type.dtype,
                shape=out.type.shape,
                scale_mantissa=1,
                scale_exponent=0,
                minimum=out.minimum,
                maximum=out.maximum,
            ),
        ),
        graph=graph,
        weights=np.random.default_rng(2).bytes(graph.weight_bytes),
    )


def single_operators() -> list[tuple[str, Model]]:
    image = (1, 56, 56, 64)
    pool = {"kernel": (2, 2), "strides": (2, 2), "padding": (0, 0, 0, 0)}
    pair = {"multiplier_a": 2**30, "shift_a": 31, "multiplier_b": 2**30, "shift_b": 31}
    clamp = {"minimum": -128, "maximum": 127}
    table = tuple(range(-128, 128))
    i8 = DType.I8
    return [
        gemm(1, 256, 120),
        gemm(1, 1024, 1024),
        gemm(128, 384, 1536),
        gemm(3136, 16, 16),
        conv(28, 1, 6, 5),
        conv(56, 64, 64, 3),
        conv(14, 256, 256, 3),
        conv(56, 64, 256, 1),
        conv(112, 3, 32, 3),
        conv(56, 96, 96, 3, 96),
        conv(28, 64, 64, 3, 4),
        ("max_pool 2x2", one_node(make_node("MAX_POOL2D", (0,), **pool), i8, image)),
        (
            "max_pool 2x2, 1 channel",
            one_node(make_node("MAX_POOL2D", (0,), **pool), i8, (1, 448, 448, 1)),
        ),
        (
            "avg_pool 2x2",
            one_node(make_node("AVG_POOL2D", (0,), **pool, count_padding=0), i8, image),
        ),
        ("add", one_node(make_node("ADD", (0, 0), **pair, dtype=1, **clamp), i8, image)),
        (
            "add, repeated row",
            one_node(make_node("ADD", (0, 1), **pair, dtype=1, **clamp), i8, image, (weight(64),)),
        ),
        (
            "mul",
            one_node(
                make_node("MUL", (0, 0), multiplier=2**30, shift=38, dtype=1, **clamp), i8, image
            ),
        ),
        ("rescale", one_node(make_node("RESCALE", (0,), **RESCALED), i8, image)),
        ("rescale i32", one_node(make_node("RESCALE", (0,), **RESCALED), DType.I32, image)),
        ("clamp", one_node(make_node("CLAMP", (0,), **clamp), i8, image)),
        ("table8", one_node(make_node("TABLE8", (0,), dtype=1, table=table), i8, image)),
        ("reshape", one_node(make_node("RESHAPE", (0,), shape=(56 * 56 * 64,)), i8, image)),
        (
            "transpose 0312",
            one_node(make_node("TRANSPOSE", (0,), permutation=(0, 3, 1, 2)), i8, image),
        ),
        ("concat", one_node(make_node("CONCAT", (0, 0), axis=3), i8, image)),
        ("argmax, last", one_node(make_node("ARGMAX", (0,), axis=3), i8, image)),
        ("argmax, first", one_node(make_node("ARGMAX", (0,), axis=1), i8, image)),
        ("argmax, few", one_node(make_node("ARGMAX", (0,), axis=1), i8, (50_000, 4))),
    ]


def operators() -> None:
    prices = InferencePrices()
    print(f"\n{'operator':<26}{'us':>10}{'gas':>10}{'ns a gas':>10}{'GMAC/s':>9}")
    rates = []
    for name, model in single_operators():
        cpu, facts = prepared(model, "cpu")
        data = np.random.default_rng(3).bytes(facts.input_bytes(1))
        spent = microseconds(lambda m=cpu, d=data: m.run(d, 1))
        gas = fraction_gas(sum(coefficients(facts.cost, prices)))
        rates.append(spent * 1e3 / gas)
        speed = f"{facts.macs / spent / 1e3:.1f}" if facts.macs else ""
        print(f"{name:<26}{spent:>10.1f}{gas:>10}{rates[-1]:>10.1f}{speed:>9}")
    print(
        f"\na gas stands for {NANOSECONDS_PER_GAS} ns; measured {min(rates):.1f} to {max(rates):.1f}"
    )


if __name__ == "__main__":
    networks()
    operators()
