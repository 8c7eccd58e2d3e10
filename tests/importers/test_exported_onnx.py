"""ONNX files as PyTorch and ONNX Runtime write them: shapes computed, functions spelled out, QDQ."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ai_ops.importers.convert import import_network, read_network
from ai_ops.importers.float_run import run_float
from ai_ops.importers.lowering import Options
from ai_ops.model import decode_model
from tests.importers.networks import networks, samples

torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")
pytest.importorskip("onnx", reason="the extra `import` is not installed")

NAMES = (
    *("flatten", "residual", "mobile", "branches", "perceptron", "pool_first"),
    *("enlarge", "tokens"),
)


def export_onnx(module: Any, array: NDArray[Any], path: Path, symbolic: bool) -> Path:
    """Write a file with PyTorch's built-in ONNX exporter."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (torch.tensor(array[: 2 if symbolic else 1]),),
            str(path),
            dynamo=False,
            input_names=["x"],
            output_names=["y"],
            dynamic_axes={"x": {0: "n"}, "y": {0: "n"}} if symbolic else None,
            opset_version=18,
        )
    return path


def agrees(notes: tuple[str, ...]) -> bool:
    """Tell whether nothing contradicts our reading (without ONNX Runtime nothing can)."""
    return all("agrees" in note for note in notes if "ONNX Runtime" in note)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("symbolic", [False, True])
def test_pytorch_s_own_exporter(tmp_path: Path, name: str, symbolic: bool) -> None:
    module, shape = networks()[name]
    array = samples(shape)
    path = export_onnx(module, array, tmp_path / "net.onnx", symbolic)
    report = import_network(path, {"x": array}, Options(name=name)).report
    assert report.outputs[0].cosine_minimum >= 0.995
    assert agrees(report.notes)


@pytest.mark.parametrize("symbolic", [False, True])
def test_recurrent_layers(tmp_path: Path, symbolic: bool) -> None:
    class Recurrent(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)
            self.gru = torch.nn.GRU(8, 5, batch_first=True)

        def forward(self, x: Any) -> Any:
            y, last = self.gru(self.lstm(x)[0])
            return torch.cat([y[:, 1], last[-1]], 1)

    torch.manual_seed(3)
    module, array = Recurrent().eval(), samples((4, 3))
    path = export_onnx(module, array, tmp_path / "net.onnx", symbolic)
    report = import_network(path, {"x": array}, Options(name="recurrent")).report
    assert report.outputs[0].cosine_minimum >= 0.995
    assert agrees(report.notes)


def test_view_by_a_computed_size(tmp_path: Path) -> None:
    class View(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv2d(2, 3, 3)
            self.dense = torch.nn.Linear(3 * 4 * 5, 4)

        def forward(self, x: Any) -> Any:
            y = self.conv(x).relu()
            return self.dense(y.view(y.size(0), -1))

    array = samples((2, 6, 7))
    path = export_onnx(View().eval(), array, tmp_path / "view.onnx", symbolic=True)
    report = import_network(path, {"x": array}, Options(name="view")).report
    assert report.outputs[0].cosine_minimum >= 0.995
    assert agrees(report.notes)


def test_gelu_in_five_operations_is_one_table(tmp_path: Path) -> None:
    module = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.Linear(8, 3))
    array = samples((6,))
    path = export_onnx(module.eval(), array, tmp_path / "gelu.onnx", symbolic=True)
    operators = [node.operator for node in read_network(path).nodes]
    model = decode_model(import_network(path, {"x": array}, Options(name="m")).data)
    assert len(operators) >= 6
    assert [node.operator for node in model.graph.nodes] == ["GEMM", "TABLE8", "GEMM"]


def test_quantized_file_is_quantized_anew(tmp_path: Path) -> None:
    quantization: Any = pytest.importorskip(
        "onnxruntime.quantization", reason="the extra `import` is not installed"
    )
    module, shape = networks()["flatten"]
    array = samples(shape)
    plain = export_onnx(module, array, tmp_path / "plain.onnx", symbolic=True)

    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.batches = iter([{"x": array[i : i + 1]} for i in range(len(array))])

        def get_next(self) -> Any:
            return next(self.batches, None)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantization.quantize_static(
            str(plain),
            str(tmp_path / "qdq.onnx"),
            Reader(),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
        )
    graph = read_network(tmp_path / "qdq.onnx")
    with torch.no_grad():
        want = module(torch.tensor(array)).numpy()
    got = run_float(graph, {"x": array})["y"]
    # Only the weights' rounding is left of the file's quantization.
    assert np.abs(got - want).max() <= 0.03 * np.abs(want).max()
    imported = import_network(tmp_path / "qdq.onnx", {"x": array}, Options(name="q"))
    assert imported.report.outputs[0].cosine_minimum >= 0.995
    assert any("own quantization" in note for note in imported.report.notes)
