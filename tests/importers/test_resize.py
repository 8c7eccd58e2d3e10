"""Resizing and normalizing by any factor and group, from both frameworks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_ops.importers.convert import import_network, read_network
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_run import run_outputs
from ai_ops.importers.lowering import Options
from ai_ops.model import decode_model
from tests.importers.networks import export, samples

torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")
onnx: Any = pytest.importorskip("onnx", reason="the extra `import` is not installed")

# These modules skip themselves in the same case: an import of one that did would fail.
from tests.importers.test_exported_onnx import agrees, export_onnx  # noqa: E402
from tests.importers.test_onnx_import import write  # noqa: E402

RESIZES: dict[str, dict[str, Any]] = {
    "nearest by whole factors": {"scale_factor": (2, 3)},
    "nearest by any factor": {"size": (9, 4)},
    "bilinear twice": {"scale_factor": 2, "mode": "bilinear"},
    "bilinear to corners": {"size": (11, 9), "mode": "bilinear", "align_corners": True},
    "bilinear smaller": {"size": (3, 5), "mode": "bilinear"},
    "bicubic": {"size": (12, 7), "mode": "bicubic"},
}


class Resized(torch.nn.Module):  # type: ignore[misc]
    """A convolution, a resize and another convolution."""

    def __init__(self, arguments: dict[str, Any]) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.last = torch.nn.Conv2d(2, 4, 3, padding=1), torch.nn.Conv2d(4, 3, 1)
        self.arguments = arguments

    def forward(self, x: Any) -> Any:
        y = torch.nn.functional.interpolate(self.first(x), **self.arguments)
        return self.last(torch.relu(y))


@pytest.mark.parametrize("ending", ["pt2", "onnx"])
@pytest.mark.parametrize("name", RESIZES)
def test_resizes(tmp_path: Path, name: str, ending: str) -> None:
    module, x = Resized(RESIZES[name]).eval(), samples((2, 6, 5), 16)
    write_file = export if ending == "pt2" else _onnx
    path = write_file(module, x, tmp_path / f"net.{ending}")
    graph = read_network(path, {"x": x.shape[1:]})
    with torch.no_grad():
        want = module(torch.tensor(x)).numpy()
    got = run_outputs(graph, {graph.inputs[0]: x})[graph.outputs[0]]
    assert np.allclose(got, want, rtol=1e-4, atol=1e-4)
    imported = import_network(path, {"x": x}, Options(name="resized"))
    assert imported.report.outputs[0].cosine_minimum >= 0.995
    assert agrees(imported.report.notes)
    operators = {node.operator for node in decode_model(imported.data).graph.nodes}
    wanted = "UPSAMPLE" if "whole" in name else "GATHER" if "any" in name else "MATMUL"
    assert wanted in operators


def _onnx(module: Any, x: Any, path: Path) -> Path:
    return export_onnx(module, x, path, symbolic=False)


def test_bilinear_weights_of_whole_factors_are_exact(tmp_path: Path) -> None:
    path = export(Resized(RESIZES["bilinear twice"]).eval(), samples((2, 6, 5)), tmp_path / "n.pt2")
    model = decode_model(import_network(path, {"x": samples((2, 6, 5))}, Options(name="m")).data)
    stored = np.frombuffer(model.weights, np.int8)
    offset, found = 0, []
    for weight in model.graph.weights:
        size = weight.size(1)
        if len(weight.shape) == 2 and weight.shape in {(12, 6), (10, 5)}:
            found.append(set(stored[offset : offset + size].tolist()))
        offset += size
    assert found == [{0, 1, 3, 4}] * 2


def test_what_is_not_read_names_node_and_mode(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    for attributes, words in (
        ({"mode": "linear", "antialias": 1}, "antialias"),
        ({"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}, "tf_crop"),
    ):
        roi = "roi" if "coordinate_transformation_mode" in attributes else ""
        nodes = [node("Resize", ["x", roi, "", "sizes"], ["y"], name="bigger", **attributes)]
        constants: dict[str, Any] = {"sizes": np.array([1, 2, 9, 9], np.int64)}
        if roi:
            constants["roi"] = np.zeros(8, np.float32)
        path = write(tmp_path / "n.onnx", nodes, ((1, 2, 5, 5), (1, 2, 9, 9)), constants)
        with pytest.raises(ImportRefused, match=rf"Resize \(bigger\).*{words}"):
            read_network(path, {"x": (2, 5, 5)})


def test_uneven_pools_groups_and_shuffles(tmp_path: Path) -> None:
    nn = torch.nn
    torch.manual_seed(2)
    module = nn.Sequential(
        nn.Conv2d(2, 8, 3),
        nn.GroupNorm(4, 8),
        nn.SiLU(),
        nn.PixelShuffle(2),
        nn.InstanceNorm2d(2, affine=True),
        nn.AdaptiveAvgPool2d((3, 5)),
        nn.Flatten(),
        nn.Linear(30, 5),
    ).eval()
    x = samples((2, 9, 8), 16)
    path = export(module, x, tmp_path / "net.pt2")
    graph = read_network(path)
    with torch.no_grad():
        want = module(torch.tensor(x)).numpy()
    got = run_outputs(graph, {graph.inputs[0]: x})[graph.outputs[0]]
    assert np.allclose(got, want, rtol=1e-4, atol=1e-4)
    assert import_network(path, {"x": x}, Options(name="m")).report.outputs[0].cosine_minimum > 0.99
