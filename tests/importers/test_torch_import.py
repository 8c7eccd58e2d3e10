"""PyTorch networks: our reading equals PyTorch, and the integers stay near it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_ops.importers.convert import Imported, import_network, read_network
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_run import run_float
from ai_ops.importers.lowering import Options
from ai_ops.importers.simplify import simplify
from ai_ops.model import decode_model
from tests.importers.networks import export, networks, samples

torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")

NAMES = (
    *("flatten", "residual", "mobile", "branches", "perceptron", "pool_first"),
    *("enlarge", "tokens", "recurrent"),
)
# Random weights on random samples are the worst case; a trained net on its own data does better.
LOWEST_COSINE = 0.995


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Any, Any]]:
    folder = tmp_path_factory.mktemp("networks")
    return {
        name: (export(module, samples(shape), folder / f"{name}.pt2"), module, samples(shape))
        for name, (module, shape) in networks().items()
    }


def test_every_network_is_tested() -> None:
    assert tuple(networks()) == NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("simplified", [False, True])
def test_float_reading_equals_pytorch(
    exported: dict[str, tuple[Path, Any, Any]], name: str, simplified: bool
) -> None:
    path, module, array = exported[name]
    graph = read_network(path)
    with torch.no_grad():
        want = module(torch.tensor(array))
    if simplified:
        graph = simplify(graph)
    got = torch.tensor(run_float(graph, {graph.inputs[0]: array})[graph.outputs[0]])
    if simplified and graph.notes:  # the softmax at the end is gone
        got = torch.log_softmax(got, -1)
    assert got.shape == want.shape
    assert torch.allclose(got, want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels_last", [False, True])
def test_integers_stay_near_the_floats(
    exported: dict[str, tuple[Path, Any, Any]], name: str, channels_last: bool
) -> None:
    path, _, array = exported[name]
    options = Options(name=name, channels_last=channels_last)
    imported = import_network(path, {"x": array}, options)
    (output,) = imported.report.outputs
    assert output.samples == len(array)
    assert output.cosine_minimum >= LOWEST_COSINE
    assert all(layer.cosine >= LOWEST_COSINE for layer in imported.report.layers)


@pytest.mark.parametrize("name", NAMES)
def test_symbolic_batch_gives_the_same_answers(
    exported: dict[str, tuple[Path, Any, Any]], name: str
) -> None:
    path, _, array = exported[name]
    single = import_network(path, {"x": array}, Options(name="m"))
    batch = import_network(path, {"x": array}, Options(name="m", maximum_batch=8))
    size = single.facts.input_bytes(1)
    data = np.random.default_rng(5).integers(-127, 128, 5 * size, np.int8).tobytes()
    one = _loaded(single)
    apart = b"".join(one.run(data[i : i + size], 1).output for i in range(0, len(data), size))
    assert _loaded(batch).run(data, 5).output == apart


def _loaded(imported: Imported) -> Any:
    from ai_ops.backends import select_backend
    from ai_ops.executor import load

    return load(imported.data, imported.facts, select_backend("reference"))


def test_relu_costs_no_step_of_its_own(exported: dict[str, tuple[Path, Any, Any]]) -> None:
    for name in ("flatten", "residual", "pool_first"):
        path, _, array = exported[name]
        model = decode_model(import_network(path, {"x": array}, Options(name=name)).data)
        assert "CLAMP" not in [node.operator for node in model.graph.nodes]


def test_percentile_ignores_an_outlier(exported: dict[str, tuple[Path, Any, Any]]) -> None:
    path, module, array = exported["flatten"]
    spoiled = array.copy()
    spoiled[0, 0, 0, 0] = 300.0
    errors = {
        method: import_network(path, {"x": spoiled}, Options(name="m"), method)
        .report.layers[0]
        .largest
        for method in ("max", "percentile")
    }
    del module
    assert errors["max"] == errors["percentile"]
    steps = {
        method: import_network(path, {"x": spoiled}, Options(name="m"), method)
        .report.outputs[0]
        .step
        for method in ("max", "percentile")
    }
    assert steps["percentile"] < steps["max"]


def _refused(module: Any, shape: tuple[int, ...], folder: Path) -> str:
    path = export(module.eval(), samples(shape), folder / "refused.pt2")
    with pytest.raises(ImportRefused) as caught:
        import_network(path, {"x": samples(shape)}, Options(name="m"))
    return str(caught.value)


def test_unsupported_nodes_are_named_with_a_replacement(tmp_path: Path) -> None:
    nn = torch.nn
    pooled = _refused(nn.Sequential(nn.Conv2d(2, 6, 1), nn.LPPool2d(3, 2)), (2, 4, 4), tmp_path)
    assert "pow" in pooled or "sign" in pooled
    bent = _refused(nn.Sequential(nn.Linear(6, 6), nn.CELU()), (6,), tmp_path)
    assert "celu" in bent
    assert "ELU" in bent


def test_training_mode_is_refused(tmp_path: Path) -> None:
    nn = torch.nn
    module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    array = samples((2, 4, 4))
    program = torch.export.export(module.train(), (torch.tensor(array[:2]),))
    torch.export.save(program, tmp_path / "training.pt2")
    with pytest.raises(ImportRefused, match="eval"):
        import_network(tmp_path / "training.pt2", {"x": array}, Options(name="m"))


def test_samples_that_do_not_fit_are_refused(
    exported: dict[str, tuple[Path, Any, Any]],
) -> None:
    path, _, array = exported["flatten"]
    for bad, words in (
        ({"x": array[:, :2]}, "channels first"),
        ({"x": array, "y": array}, "one array per input"),
        ({"x": np.zeros((0, 3, 8, 11), np.float32)}, "first axis"),
        ({"x": np.full((1, 3, 8, 11), np.inf, np.float32)}, "not finite"),
        ({"x": np.array([["a"]])}, "numbers"),
    ):
        with pytest.raises(ImportRefused, match=words):
            import_network(path, bad, Options(name="m"))
