"""`engram model import` from the command line; needs neither torch nor onnx."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from node.cli import main
from node.commands.model_import import progress
from tests.importers.test_archive import WEIGHT, parts, write

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "dense.pt2", parts())
    generator = np.random.default_rng(2)
    np.savez(tmp_path / "samples.npz", x=generator.uniform(-2, 2, (64, 2)).astype(np.float32))
    return tmp_path


def ask(capsys: Capture, *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_import_then_run_gives_the_network_s_numbers(folder: Path, capsys: Capture) -> None:
    code, out, err = ask(
        capsys,
        *("model", "import", folder / "dense.pt2", "--calibration", folder / "samples.npz"),
        *("-o", folder / "dense.egm", "--name", "dense", "--report", folder / "report.json"),
    )
    assert (code, err) == (0, "")
    report = json.loads((folder / "report.json").read_text())
    assert report["modelId"] in out
    assert report["outputs"][0]["top1_agreement"] >= 0.95
    assert [layer["operator"] for layer in report["layers"]] == ["GEMM"]

    array = np.load(folder / "samples.npz")["x"]
    np.save(folder / "in.npy", array)
    ask(capsys, "model", "run", folder / "dense.egm", folder / "in.npy", "-o", folder / "out.npy")
    step = report["outputs"][0]["step"]
    difference = np.abs(np.load(folder / "out.npy") - array @ WEIGHT.T).max()
    assert difference <= 3 * step
    assert difference == pytest.approx(report["outputs"][0]["maximum_error"], abs=1e-6)


def test_report_as_a_picture_has_a_bar_for_each_layer(folder: Path, capsys: Capture) -> None:
    words = ("model", "import", folder / "dense.pt2", "--calibration", folder / "samples.npz")
    reports = ("--report", folder / "r.json", "--report", folder / "r.svg")
    code, out, _ = ask(capsys, *words, "-o", folder / "d.egm", *reports, "--name", "a<b")
    assert code == 0
    (layer,) = json.loads((folder / "r.json").read_text())["layers"]
    picture = ET.fromstring((folder / "r.svg").read_text())
    texts = [entry.text or "" for entry in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert any("GEMM" in text for text in texts)
    assert f"{layer['decibels']:.1f}" in texts
    assert any(text.startswith("a<b") for text in texts)
    assert f"{layer['decibels']:.1f}" in out
    assert layer["decibels"] > 35


def test_progress_shows_on_a_terminal_only(folder: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        show = progress(stream)
        show("calibrating: batch 1 of 9")
        show("")
    assert "calibrating: batch 1 of 9" in terminal.getvalue()
    assert pipe.getvalue() == ""


def test_unknown_output_is_refused(folder: Path, capsys: Capture) -> None:
    words = ("model", "import", folder / "dense.pt2", "--calibration", folder / "samples.npz")
    code, _, err = ask(capsys, *words, "-o", folder / "d.egm", "--outputs", "nothing")
    assert code == 3
    assert "no value called nothing" in err


def test_symbolic_batch_runs_many_samples_in_one_call(folder: Path, capsys: Capture) -> None:
    words = ("model", "import", folder / "dense.pt2", "--calibration", folder / "samples.npz")
    ask(capsys, *words, "-o", folder / "one.egm")
    ask(capsys, *words, "-o", folder / "many.egm", "--maximum-batch", 64)
    np.save(folder / "in.npy", np.load(folder / "samples.npz")["x"])
    for name in ("one", "many"):
        model, output = folder / f"{name}.egm", folder / f"{name}.npy"
        code, _, _ = ask(capsys, "model", "run", model, folder / "in.npy", "-o", output)
        assert code == 0
    assert (np.load(folder / "one.npy") == np.load(folder / "many.npy")).all()
    np.save(folder / "in.npy", np.zeros((65, 2), np.float32))
    code, _, err = ask(capsys, "model", "run", folder / "many.egm", folder / "in.npy")
    assert code == 3
    assert "at most 64" in err


@pytest.mark.parametrize(
    ("network", "samples", "code", "words"),
    [
        ("missing.pt2", "samples.npz", "E-MODEL-001", "not a file"),
        ("dense.pt2", "missing.npz", "E-MODEL-001", "cannot be read"),
        ("dense.pt2", "dense.pt2", "E-MODEL-005", "not an array file"),
        ("net.pth", "samples.npz", "E-MODEL-003", "pickle"),
        ("net.h5", "samples.npz", "E-MODEL-003", "neither"),
        ("net.pt2", "samples.npz", "E-MODEL-003", "not a .pt2 archive"),
        ("net.onnx", "samples.npz", "E-MODEL-004", "pip install 'engram-node[import]'"),
    ],
)
def test_each_refusal_is_one_sentence_and_writes_nothing(
    folder: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    network: str,
    samples: str,
    code: str,
    words: str,
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    if network.startswith("net."):
        (folder / network).write_bytes(b"nothing")
    status, out, err = ask(
        capsys,
        *("model", "import", folder / network, "--calibration", folder / samples),
        *("-o", folder / "out.egm"),
    )
    assert status == 3
    assert out == ""
    assert err.startswith(f"engram: {code}: ")
    assert err.count("\n") == 1
    assert words in err
    assert not (folder / "out.egm").exists()
