"""Choices from an ONNX file or a program: the k largest, boxes kept, comparisons, dead nodes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ai_ops.backends import select_backend
from ai_ops.executor import load
from ai_ops.importers.convert import Imported, import_network, read_network
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_run import run_outputs
from ai_ops.importers.lowering import Options
from ai_ops.importers.report import quantize
from ai_ops.model import decode_model
from tests.importers.networks import samples

onnx: Any = pytest.importorskip("onnx", reason="the extra `import` is not installed")

FLOAT, INT = 1, 7
SEED = 5


def write(
    path: Path,
    nodes: list[Any],
    ports: Mapping[str, tuple[int, tuple[Any, ...]]],
    outputs: Mapping[str, int],
    constants: Mapping[str, Any],
) -> Path:
    """Write an ONNX file with several inputs and outputs."""
    helper, value = onnx.helper, onnx.helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "network",
        [value(name, kind, shape) for name, (kind, shape) in ports.items()],
        [value(name, kind, None) for name, kind in outputs.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, path)
    return path


def answers(imported: Imported, *arrays: NDArray[Any]) -> list[list[NDArray[Any]]]:
    """Return the integer outputs of each sample."""
    model = decode_model(imported.data)
    loaded = load(imported.data, imported.facts, select_backend("reference"))
    found = []
    for index in range(len(arrays[0])):
        parts = [
            quantize(port, array[index : index + 1], channels_last=False)
            for port, array in zip(model.manifest.inputs, arrays, strict=True)
        ]
        data, outputs = loaded.run(b"".join(parts), 1).output, []
        for port in model.manifest.outputs:
            size = port.type.size(1)
            outputs.append(np.frombuffer(data[:size], port.dtype.numpy).reshape(port.shape[1:]))
            data = data[size:]
        found.append(outputs)
    return found


def test_top_k_gives_values_and_indices(tmp_path: Path) -> None:
    weight = np.random.default_rng(SEED).normal(0, 1, (6, 20)).astype(np.float32)
    node = onnx.helper.make_node
    nodes = [
        node("MatMul", ["x", "w"], ["scores"]),
        node("TopK", ["scores", "k"], ["values", "indices"]),
    ]
    constants = {"w": weight, "k": np.array([4], np.int64)}
    outputs = {"values": FLOAT, "indices": INT}
    path = write(tmp_path / "top.onnx", nodes, {"x": (FLOAT, ("n", 6))}, outputs, constants)
    x = samples((6,), 20)
    imported = import_network(path, {"x": x}, Options(name="top", output_bits=16))
    assert any("agrees" in note for note in imported.report.notes)
    want = np.argsort(-(x @ weight), axis=1, kind="stable")[:, :4]
    got = np.stack([indices for _, indices in answers(imported, x)])
    assert (got == want).mean() >= 0.95
    assert imported.report.outputs[0].cosine_minimum >= 0.999


def test_top_k_of_which_one_part_is_used(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    for k in (1, 3):
        nodes = [
            node("Relu", ["x"], ["r"]),
            node("TopK", ["r", "k"], ["values", "indices"]),
        ]
        path = write(
            tmp_path / f"top{k}.onnx",
            nodes,
            {"x": (FLOAT, ("n", 6))},
            {"indices": INT},
            {"k": np.array([k], np.int64)},
        )
        x = samples((6,), 8)
        imported = import_network(path, {"x": x}, Options(name="top"))
        rows = [outputs[0] for outputs in answers(imported, x)]
        assert len(imported.report.notes) == (2 if k > 1 else 1)
        best = np.maximum(x, 0).argmax(1)
        assert [int(row[0]) for row in rows] == best.tolist()


@pytest.mark.parametrize("classes", [1, 3])
def test_boxes_are_kept_as_onnx_runtime_keeps_them(tmp_path: Path, classes: int) -> None:
    runtime: Any = pytest.importorskip("onnxruntime", reason="the extra is not installed")
    node = onnx.helper.make_node
    constants = {
        "most": np.array([6], np.int64),
        "overlap": np.array([0.4], np.float32),
        "score": np.array([0.25], np.float32),
    }
    nodes = [node("NonMaxSuppression", ["boxes", "scores", *constants], ["kept"])]
    ports = {"boxes": (FLOAT, (1, 12, 4)), "scores": (FLOAT, (1, classes, 12))}
    path = write(tmp_path / "nms.onnx", nodes, ports, {"kept": INT}, constants)
    generator = np.random.default_rng(SEED)
    corner = generator.uniform(0, 40, (10, 12, 2))
    boxes = np.concatenate([corner, corner + generator.uniform(8, 30, (10, 12, 2))], 2)
    boxes = boxes.astype(np.float32)
    scores = generator.uniform(0, 1, (10, classes, 12)).astype(np.float32)
    imported = import_network(path, {"boxes": boxes, "scores": scores}, Options(name="nms"))
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for index, (got,) in enumerate(answers(imported, boxes, scores)):
        fed = {"boxes": boxes[index : index + 1], "scores": scores[index : index + 1]}
        (theirs,) = session.run(None, fed)
        want = np.full((classes, 6), -1)
        for kind in range(classes):
            kept = theirs[theirs[:, 1] == kind, 2]
            want[kind, : len(kept)] = kept
        assert got.shape == (classes, 6)
        assert (got == want).all()


def test_comparisons_and_choices(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    nodes = [
        node("Greater", ["x", "low"], ["big"]),
        node("Less", ["mask", "two"], ["few"]),
        node("And", ["big", "few"], ["both"]),
        node("Not", ["both"], ["neither"]),
        node("Where", ["neither", "other", "x"], ["chosen"]),
        node("Cast", ["mask"], ["real"], to=FLOAT),
        node("Add", ["chosen", "real"], ["y"]),
    ]
    constants = {
        "low": np.array(0.3, np.float32),
        "two": np.array(2, np.int64),
        "other": np.full((1, 1), -0.5, np.float32),
    }
    ports = {"x": (FLOAT, ("n", 6)), "mask": (INT, ("n", 6))}
    path = write(tmp_path / "choices.onnx", nodes, ports, {"y": FLOAT}, constants)
    x = samples((6,), 30)
    mask = np.random.default_rng(SEED).integers(0, 4, (30, 6))
    imported = import_network(path, {"x": x, "mask": mask}, Options(name="choices"))
    assert imported.report.outputs[0].cosine_minimum >= 0.99
    assert any("agrees" in note for note in imported.report.notes)


def test_nodes_that_reach_no_output_are_not_read(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    nodes = [
        node("Relu", ["x"], ["y"]),
        node("Exp", ["x"], ["e"]),
        node("Det", ["e"], ["unread"], name="unsupported"),
        node("StringNormalizer", ["unread"], ["tail"]),
    ]
    path = write(tmp_path / "dead.onnx", nodes, {"x": (FLOAT, ("n", 3, 3))}, {"y": FLOAT}, {})
    imported = import_network(path, {"x": samples((3, 3), 4)}, Options(name="dead"))
    operators = [each.operator for each in decode_model(imported.data).graph.nodes]
    assert "TABLE8" not in operators
    path = write(tmp_path / "live.onnx", nodes, {"x": (FLOAT, ("n", 3, 3))}, {"tail": FLOAT}, {})
    with pytest.raises(ImportRefused, match="unsupported"):
        read_network(path, {"x": (3, 3)})
    # A network that ends before an operator that is not read needs no surgery on the file.
    ended = import_network(path, {"x": samples((3, 3), 4)}, Options(name="m"), outputs=["e"])
    assert ended.report.outputs[0].cosine_minimum >= 0.99


def _program(module: Any, arrays: tuple[NDArray[Any], ...], path: Path) -> Path:
    torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        example = tuple(torch.tensor(array[:1]) for array in arrays)
        torch.export.save(torch.export.export(module.eval(), example), path)
    return path


def test_the_same_from_pytorch(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")

    class Best(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            torch.celu(x).sum()  # of no use, and not supported
            values, indices = torch.topk(torch.where(x > 0.5, -x, x), 3)
            return values, indices

    x = samples((9,), 12)
    path = _program(Best(), (x,), tmp_path / "best.pt2")
    graph = read_network(path)
    want = Best()(torch.tensor(x))
    got = run_outputs(graph, {"x": x})
    for name, tensor in zip(graph.outputs, want, strict=True):
        assert np.array_equal(got[name], tensor.numpy())
    imported = import_network(path, {"x": x}, Options(name="best", output_bits=16))
    assert imported.report.outputs[0].cosine_minimum >= 0.99


def test_what_is_written_in_place_is_computed_or_refused(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")

    class Constant(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            mask = x.new_zeros((2, 3))
            mask[0, 1:] = 5.0
            return x * mask + 1

    class Computed(torch.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            y = x * 2
            y[:, 0] = 0.0
            return y + 1

    x = samples((2, 3), 4)
    graph = read_network(_program(Constant(), (x,), tmp_path / "constant.pt2"))
    want = Constant()(torch.tensor(x)).numpy()
    assert np.allclose(run_outputs(graph, {"x": x})[graph.outputs[0]], want)
    with pytest.raises(ImportRefused, match="in place"):
        read_network(_program(Computed(), (x,), tmp_path / "computed.pt2"))


def test_a_stored_token_is_joined_to_every_sample(tmp_path: Path) -> None:
    torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")

    class Token(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(SEED)
            self.token = torch.nn.Parameter(torch.randn(1, 1, 4))

        def forward(self, x: Any) -> Any:
            return torch.cat([self.token.expand(x.shape[0], -1, -1), torch.relu(x)], 1)

    x = samples((3, 4), 10)
    path = _program(Token(), (x,), tmp_path / "token.pt2")
    single = import_network(path, {"x": x}, Options(name="m"))
    several = import_network(path, {"x": x}, Options(name="m", maximum_batch=4))
    assert single.report.outputs[0].cosine_minimum >= 0.999
    loaded = [load(m.data, m.facts, select_backend("reference")) for m in (single, several)]
    data = np.random.default_rng(SEED).integers(-127, 128, (3, 12), np.int8)
    apart = b"".join(loaded[0].run(row.tobytes(), 1).output for row in data)
    assert loaded[1].run(data.tobytes(), 3).output == apart
