"""The parts that recipes share, and the arithmetic of each, on tiny data."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ai_ops.graph import SYMBOLIC

ROOT = Path(__file__).resolve().parents[2]
packages: Any = importlib.import_module("examples.models.packages")
progress: Any = importlib.import_module("examples.models.progress")
table: Any = importlib.import_module("examples.models.table")
measure: Any = importlib.import_module("examples.models.measure")


def recipe(name: str, *needed: str) -> Any:
    """Import a recipe, or skip the test where a library of the extra is missing."""
    for module in needed:
        pytest.importorskip(module, reason=f"{module} is not installed")
    return importlib.import_module(f"examples.models.{name}")


def test_a_missing_package_is_one_sentence_with_the_command() -> None:
    with pytest.raises(SystemExit) as refused:
        packages.need("json", "no_such_module", "no_other_module")
    (line,) = str(refused.value).splitlines()
    assert line.startswith("not installed: no_such_module, no_other_module; in ")
    assert line.endswith("pip install no-such-module && pip install no-other-module")


def test_what_installs_a_module() -> None:
    assert packages.command("torch") == "pip install '.[import]'"
    assert packages.command("skimage") == "pip install scikit-image"
    assert packages.command("nudenet") == "pip install --no-deps nudenet"
    assert packages.folder("json") == Path(json.__file__).parent


def test_progress_prints_each_stage_and_not_each_item(capsys: pytest.CaptureFixture[str]) -> None:
    show = progress.Progress()
    show("reading")
    assert list(show.count("crops", range(1000))) == list(range(1000))
    show("")
    lines = [line.split(" s  ")[1] for line in capsys.readouterr().out.splitlines()]
    assert lines[:2] == ["reading", "crops: 1 of 1000"]
    assert len(lines) < 10


def test_a_table_is_replaced_between_its_marks() -> None:
    text = "a\n<!-- t: begin -->\nold\n<!-- t: end -->\nb\n"
    lines = table.table(("x", "y"), [{"x": "1", "y": "2", "z": "3"}])
    assert table.replaced(text, "t", lines) == (
        "a\n<!-- t: begin -->\n| x | y |\n| --- | --- |\n| 1 | 2 |\n<!-- t: end -->\nb\n"
    )
    with pytest.raises(ValueError, match="marks of u"):
        table.replaced(text, "u", lines)


def test_cpu_time_is_of_one_call() -> None:
    calls = []

    def call() -> None:
        calls.append(sum(range(20_000)))

    milliseconds = measure.cpu_milliseconds(call)
    assert 0.01 < milliseconds < 100
    assert len(calls) > measure.TIMED_RUNS


@pytest.fixture
def digits() -> Any:
    return measure.IntegerModel((ROOT / "genesis" / "models" / "digits.egm").read_bytes())


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give recipes a page and a file of rows of their own."""
    path = tmp_path / "README.md"
    path.write_text(
        "".join(f"<!-- {name}: begin -->\n<!-- {name}: end -->\n" for name in table.TABLES)
    )
    monkeypatch.setattr(measure, "README", path)
    monkeypatch.setattr(measure, "ROWS", tmp_path / "rows.json")
    monkeypatch.setattr(measure, "SHORTEST_RUN", 1e-9)
    return path


@pytest.mark.parametrize("holds", [True, False])
def test_a_row_is_written_only_within_its_limits(
    digits: Any, page: Path, capsys: pytest.CaptureFixture[str], holds: bool
) -> None:
    sample = np.zeros((1, 28, 28), np.float32)
    before = page.read_text()

    def record() -> None:
        measure.record(
            "tiny",
            digits,
            sample,
            page.parent,
            float_text="1 of 2",
            integer_text="2 of 2",
            limits=[("at least one", True), ("as many as float", holds)],
        )

    if not holds:
        with pytest.raises(SystemExit, match=r"^tiny: nothing written, .*: as many as float$"):
            record()
        assert page.read_text() == before
        assert not list(page.parent.glob("*.egm"))
        return
    record()
    assert (page.parent / "tiny.egm").read_bytes() == digits.data
    assert "| [`tiny.py`](tiny.py) | 1 of 2 | 2 of 2 | 64,082 B | " in page.read_text()
    assert "image i8 (1, 1, 28, 28) | output i8 (1, 10)" in page.read_text()
    assert capsys.readouterr().out.splitlines()[-1].startswith("written   ")


def test_a_backend_that_does_not_work_here_has_no_time(
    digits: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "TIMED_BACKENDS", ("no-such-backend",))
    cells = measure.latencies(digits, np.zeros((1, 28, 28), np.float32))
    assert cells == {"no-such-backend": "not here"}


def test_caches_are_one_entry_of_the_ports() -> None:
    def port(name: str, *shape: int) -> Any:
        kind = SimpleNamespace(size=lambda _: int(np.prod(shape)))
        return SimpleNamespace(name=name, dtype=SimpleNamespace(name="I8"), shape=shape, type=kind)

    ports = (port("tokens", SYMBOLIC), port("keys.0", 4, 8), port("values.0", 4, 8))
    assert measure.ports_text(ports) == "tokens i8 (n); 2 caches, 64 B"


def test_convolutions_pad_as_tensorflow_does() -> None:
    lite = recipe("efficientnet_lite0", "torch", "PIL")
    import torch

    layer = lite.SameConv(1, 1, 3, 2, bias=False)
    torch.nn.init.ones_(layer.weight)
    with torch.no_grad():
        found = layer(torch.ones(1, 1, 4, 4))[0, 0].numpy()
    # An even size and stride 2 leave one row and column over: they go right and below.
    assert found.tolist() == [[9, 6], [6, 4]]


def test_boxes_overlap() -> None:
    detector = recipe("detector", "PIL")
    a, b = np.array([[2.0], [2.0], [2.0], [2.0]]), np.array([[3.0], [2.0], [2.0], [2.0]])
    assert detector.overlap(a, a) == pytest.approx([1])
    assert detector.overlap(a, b) == pytest.approx([1 / 3])
    assert detector.overlap(a, a + 10) == pytest.approx([0])


def test_lines_of_text_are_the_same_again() -> None:
    direction = recipe("ocr_direction", "PIL", "matplotlib")
    images, turned = direction.lines(8, seed=3)
    again, _ = direction.lines(8, seed=3)
    assert images.shape == (8, 3, 48, 192)
    assert np.abs(images).max() <= 1
    assert (images == again).all()
    assert set(turned.tolist()) == {0, 1}


def test_the_residual_network_trains_one_step() -> None:
    resnet = recipe("resnet_digits", "torch")
    images = np.random.default_rng(1).integers(0, 256, (50, 28, 28), np.uint8)
    lines: list[str] = []
    network = resnet.train(images, np.arange(50) % 10, lines.append)
    assert len(lines) == resnet.EPOCHS
    layers = [m for m in network.modules() if type(m).__name__ in {"Conv2d", "Linear"}]
    assert len(layers) == 16


def test_docstrings_are_sentences() -> None:
    minilm = recipe("minilm", "torch", "safetensors", "tokenizers")
    texts = minilm.sentences()
    assert len(texts) > minilm.CALIBRATION + minilm.JUDGED
    assert len(set(texts)) == len(texts)


def test_a_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = measure.arguments("A recipe.")
    assert parser.parse_args(["--out", str(tmp_path / "a" / "b")]).out.is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit):
        parser.parse_args(["--out", str(tmp_path / "file")])
    assert capsys.readouterr().err.endswith("file: File exists\n")


def test_timing_again_changes_costs_only(
    digits: Any, page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retime = importlib.import_module("examples.models.retime")
    row = dict.fromkeys(("model", "float", "integer", "run", "measured"), "kept")
    old = row | dict.fromkeys(("size", "gas", "native", "numba", "takes", "gives"), "old")
    measure.ROWS.write_text(json.dumps({"lenet5": old, "missing": old}))
    (page.parent / "lenet5.egm").write_bytes(digits.data)
    monkeypatch.setattr(retime, "ROWS", measure.ROWS)
    monkeypatch.setattr(retime, "README", page)
    monkeypatch.setattr("sys.argv", ["retime", "--out", str(page.parent)])
    retime.main()
    found = json.loads(measure.ROWS.read_text())
    assert found["missing"] == old
    assert "old" not in found["lenet5"].values()
    assert {key: found["lenet5"][key] for key in row} == row
    assert "| kept | kept | kept | 64,082 B |" in page.read_text()
