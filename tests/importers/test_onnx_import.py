"""ONNX files: our reading equals ONNX Runtime, and equals the same network from PyTorch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ai_ops.importers.convert import import_network, read_network
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_run import run_float
from ai_ops.importers.lowering import Options
from ai_ops.importers.simplify import simplify
from tests.importers.networks import export, networks, samples

onnx: Any = pytest.importorskip("onnx", reason="the extra `import` is not installed")


def write(
    path: Path,
    nodes: list[Any],
    shapes: tuple[tuple[Any, ...], tuple[Any, ...]],
    constants: dict[str, NDArray[Any]],
) -> Path:
    """Write a one-input, one-output file: `x` to `y`."""
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    ports = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape)
        for name, shape in zip("xy", shapes, strict=True)
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        ports[:1],
        ports[1:],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def flatten_network(path: Path) -> tuple[Path, Any]:
    """Write the network `flatten` of networks.py as ONNX; return the PyTorch module beside it."""
    module, _ = networks()["flatten"]
    weights = {name: value.detach().numpy() for name, value in module.named_parameters()}
    node = onnx.helper.make_node
    nodes = [
        node("Conv", ["x", "conv.weight", "conv.bias"], ["a"], strides=[2, 1], pads=[1, 0, 1, 0]),
        node("Relu", ["a"], ["b"]),
        node("Reshape", ["b", "shape"], ["c"]),
        node("Gemm", ["c", "dense.weight", "dense.bias"], ["y"], transB=1),
    ]
    weights["shape"] = np.array([-1, 200], np.int64)
    return write(path, nodes, (("n", 3, 8, 11), ("n", 7)), weights), module


def test_same_network_from_both_frameworks_gives_the_same_bytes(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the extra `import` is not installed")
    onnx_path, module = flatten_network(tmp_path / "flatten.onnx")
    torch_path = export(module, samples((3, 8, 11)), tmp_path / "flatten.pt2")
    array = samples((3, 8, 11))
    results = [
        import_network(path, {"x": array}, Options(name="same")) for path in (onnx_path, torch_path)
    ]
    first, second = (
        [layer.maximum_error for layer in imported.report.layers] for imported in results
    )
    assert first == second
    # Only the ports' names differ between the frameworks.
    weights = [imported.data[-500:] for imported in results]
    assert weights[0] == weights[1]


def many_operators(path: Path) -> Path:
    """Write a network with every kind of node that PyTorch's export does not produce."""
    generator = np.random.default_rng(11)

    def normal(*shape: int) -> NDArray[np.float32]:
        return generator.normal(0, 0.4, shape).astype(np.float32)

    node = onnx.helper.make_node
    constants = {
        "scale": normal(1, 3, 1, 1),
        "w1": normal(8, 3, 3, 3),
        "gamma": normal(8) + 1,
        "beta": normal(8),
        "mean": normal(8),
        "variance": normal(8) ** 2 + 0.5,
        "w2": normal(8, 1, 3, 3),
        "low": np.array(0, np.float32),
        "high": np.array(1.5, np.float32),
        "w3": normal(8, 8, 1, 1),
        "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64),
        "axes": np.array([2, 3], np.int64),
        "w4": normal(16, 5),
        "b4": normal(5),
    }
    nodes = [
        node("Mul", ["x", "scale"], ["scaled"]),
        node("Pad", ["scaled", "pads"], ["padded"]),
        node("Conv", ["padded", "w1"], ["c1"]),
        node("BatchNormalization", ["c1", "gamma", "beta", "mean", "variance"], ["n1"]),
        node("HardSwish", ["n1"], ["h1"]),
        node("Conv", ["h1", "w2"], ["c2"], group=8, pads=[1, 1, 1, 1]),
        node("Clip", ["c2", "low", "high"], ["r2"]),
        node("Sigmoid", ["r2"], ["s2"]),
        node("Mul", ["r2", "s2"], ["silu2"]),
        node("Conv", ["h1", "w3"], ["c3"]),
        node("Add", ["silu2", "c3"], ["sum"]),
        node("Relu", ["sum"], ["relu"]),
        node("MaxPool", ["relu"], ["max"], kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
        node(
            "AveragePool", ["relu"], ["avg"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
        ),
        node("Concat", ["max", "avg"], ["cat"], axis=1),
        node("Transpose", ["cat"], ["turned"], perm=[0, 1, 3, 2]),
        node("ReduceMean", ["turned", "axes"], ["pooled"], keepdims=0),
        node("Dropout", ["pooled"], ["kept"]),
        node("MatMul", ["kept", "w4"], ["m4"]),
        node("Add", ["m4", "b4"], ["scores"]),
        node("Softmax", ["scores"], ["y"], axis=-1),
    ]
    return write(path, nodes, (("n", 3, 9, 7), ("n", 5)), constants)


def test_float_reading_equals_onnx_runtime(tmp_path: Path) -> None:
    runtime: Any = pytest.importorskip("onnxruntime", reason="the extra is not installed")
    path = many_operators(tmp_path / "many.onnx")
    array = samples((3, 9, 7))
    graph = read_network(path)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (want,) = session.run(None, {"x": array})
    assert np.allclose(run_float(graph, {"x": array})["y"], want, rtol=1e-4, atol=1e-5)
    simple = simplify(graph)
    scores = run_float(simple, {"x": array})[simple.outputs[0]]
    assert (scores.argmax(1) == want.argmax(1)).all()


def test_integers_stay_near_the_floats(tmp_path: Path) -> None:
    path = many_operators(tmp_path / "many.onnx")
    imported = import_network(path, {"x": samples((3, 9, 7))}, Options(name="many"))
    (output,) = imported.report.outputs
    assert output.cosine_minimum >= 0.995
    assert any("Softmax" in note for note in imported.report.notes)
    agreements = [note for note in imported.report.notes if "ONNX Runtime" in note]
    assert all("agrees" in note for note in agreements)


def test_unsupported_node_is_named_with_a_replacement(tmp_path: Path) -> None:
    nodes = [onnx.helper.make_node("RNN", ["x", "w", "r"], ["y"], hidden_size=2, name="memory")]
    constants = {"w": np.zeros((1, 2, 3), np.float32), "r": np.zeros((1, 2, 2), np.float32)}
    path = write(tmp_path / "rnn.onnx", nodes, ((4, 1, 3), (4, 1, 1, 2)), constants)
    with pytest.raises(ImportRefused, match=r"RNN \(memory\).*fixed window"):
        read_network(path)


def test_external_data_is_refused(tmp_path: Path) -> None:
    path, _ = flatten_network(tmp_path / "inside.onnx")
    model = onnx.load(path)
    onnx.save(model, tmp_path / "outside.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(ImportRefused, match="another file"):
        read_network(tmp_path / "outside.onnx")


def test_garbage_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"\xff" * 100, b"PK\x03\x04"):
        (tmp_path / "bad.onnx").write_bytes(content)
        with pytest.raises(ImportRefused, match=r"ONNX file|nodes"):
            read_network(tmp_path / "bad.onnx")
