"""Transformers from both frameworks: token ids and masks as inputs, causal masks, rotary positions."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ai_ops.dtype import DType
from ai_ops.importers.convert import import_network, read_network
from ai_ops.importers.float_run import run_outputs
from ai_ops.importers.lowering import Options
from ai_ops.model import decode_model
from tests.importers.transformers import LENGTH, WORDS, decoder, encoder, framework_encoder

torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")
pytest.importorskip("onnx", reason="the extra `import` is not installed")

SEED = 3
CASES: dict[str, tuple[Any, bool]] = {
    "encoder": (encoder, False),
    "encoder, masked": (encoder, True),
    "encoder written out, masked": (lambda: encoder(written_out=True), True),
    "decoder": (decoder, False),
    "PyTorch's encoder": (framework_encoder, False),
    "PyTorch's encoder, masked": (framework_encoder, True),
}


def tokens(masked: bool) -> dict[str, NDArray[Any]]:
    """Return texts of token ids, and masks of 3 to LENGTH real tokens."""
    generator = np.random.default_rng(SEED)
    found = {"ids": generator.integers(0, WORDS, (24, LENGTH))}
    if masked:
        lengths = generator.integers(3, LENGTH + 1, (24, 1))
        found["mask"] = (np.arange(LENGTH) < lengths).astype(np.int64)
    return found


def export(
    module: Any, arrays: dict[str, NDArray[Any]], path: Path, symbolic: bool = False
) -> Path:
    """Write a file of either framework, for one sample or for any number."""
    example = tuple(torch.tensor(array[: 2 if symbolic else 1]) for array in arrays.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if path.suffix == ".pt2":
            batch = torch.export.Dim("batch", min=1, max=64)
            dynamic = tuple({0: batch} for _ in arrays) if symbolic else None
            program = torch.export.export(module, example, dynamic_shapes=dynamic)
            torch.export.save(program, path)
        else:
            names = [*arrays, "y"]
            torch.onnx.export(
                module,
                example,
                str(path),
                dynamo=False,
                input_names=list(arrays),
                output_names=["y"],
                opset_version=17,
                dynamic_axes={name: {0: "n"} for name in names} if symbolic else None,
            )
    return path


@pytest.mark.parametrize("ending", ["pt2", "onnx"])
@pytest.mark.parametrize("name", CASES)
def test_integers_stay_near_the_floats(tmp_path: Path, name: str, ending: str) -> None:
    make, masked = CASES[name]
    module, arrays = make(), tokens(masked)
    path = export(module, arrays, tmp_path / f"net.{ending}", symbolic=masked)
    graph = read_network(path, {key: array.shape[1:] for key, array in arrays.items()})
    with torch.no_grad():
        want = module(*(torch.tensor(array) for array in arrays.values())).numpy()
    got = run_outputs(graph, {key: array.astype(np.float32) for key, array in arrays.items()})
    assert np.allclose(got[graph.outputs[0]], want, rtol=1e-4, atol=1e-4)

    imported = import_network(path, arrays, Options(name="transformer"))
    (output,) = imported.report.outputs
    assert output.cosine_minimum >= 0.99
    ports = decode_model(imported.data).manifest.inputs
    assert [port.dtype for port in ports] == [DType.I32] * len(arrays)


def test_masked_tokens_change_nothing(tmp_path: Path) -> None:
    arrays = tokens(masked=True)
    path = export(encoder(), arrays, tmp_path / "net.pt2")
    imported = import_network(path, arrays, Options(name="m"))
    loaded = _loaded(imported)
    ids, mask = (arrays[name].astype(np.int32) for name in ("ids", "mask"))
    other = np.where(mask == 1, ids, (ids + 7) % WORDS).astype(np.int32)
    short = int(np.argmin(mask.sum(1)))
    assert mask[short].sum() < LENGTH
    answers = [
        loaded.run(row[short].tobytes() + mask[short].tobytes(), 1).output for row in (ids, other)
    ]
    assert answers[0] == answers[1]
    shown = loaded.run(other[short].tobytes() + np.ones_like(mask[short]).tobytes(), 1).output
    assert shown != answers[0]


def test_later_tokens_change_nothing_before_them(tmp_path: Path) -> None:
    arrays = tokens(masked=False)
    path = export(decoder(), arrays, tmp_path / "net.onnx")
    loaded = _loaded(import_network(path, arrays, Options(name="m")))
    ids = arrays["ids"].astype(np.int32)[0]
    other = ids.copy()
    other[6:] = (other[6:] + 5) % WORDS
    first, second = (
        np.frombuffer(loaded.run(row.tobytes(), 1).output, np.int8).reshape(LENGTH, WORDS)
        for row in (ids, other)
    )
    assert (first[:6] == second[:6]).all()
    assert (first[6:] != second[6:]).any()


def test_symbolic_batch_gives_the_same_answers(tmp_path: Path) -> None:
    arrays = tokens(masked=True)
    path = export(framework_encoder(), arrays, tmp_path / "net.pt2", symbolic=True)
    single = _loaded(import_network(path, arrays, Options(name="m")))
    several = _loaded(import_network(path, arrays, Options(name="m", maximum_batch=8)))
    ids, mask = (arrays[name].astype(np.int32)[:5] for name in ("ids", "mask"))
    rows = zip(ids, mask, strict=True)
    apart = b"".join(single.run(a.tobytes() + b.tobytes(), 1).output for a, b in rows)
    assert several.run(ids.tobytes() + mask.tobytes(), 5).output == apart


def test_spelled_out_normalizations_are_one_operator(tmp_path: Path) -> None:
    arrays = tokens(masked=False)
    for ending in ("pt2", "onnx"):
        path = export(decoder(), arrays, tmp_path / f"net.{ending}")
        model = decode_model(import_network(path, arrays, Options(name="m")).data)
        operators = [node.operator for node in model.graph.nodes]
        assert operators.count("RMS_NORM") == 4
        assert operators.count("LAYER_NORM") == 1
        assert "DIVIDE" not in operators


def _loaded(imported: Any) -> Any:
    from ai_ops.backends import select_backend
    from ai_ops.executor import load

    return load(imported.data, imported.facts, select_backend("reference"))
