"""`engram model inspect` and `engram model run`, without torch or onnx."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from node.cli import main
from node.errors import CliError
from node.model_file import read_bytes

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "genesis" / "models" / "digits.egm"
Capture = pytest.CaptureFixture[str]
HELD_OUT = ROOT / "examples" / "digits" / "heldout.npz"


def digits(count: int) -> NDArray[np.float32]:
    images: NDArray[np.uint8] = np.load(HELD_OUT)["images"][:count]
    return np.asarray(images[:, None] / 255, np.float32)


def ask(capsys: Capture, *words: object) -> tuple[int, str, str]:
    code = main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_inspect_as_json(capsys: Capture) -> None:
    code, out, _ = ask(capsys, "model", "inspect", DIGITS, "--json")
    described = json.loads(out)
    assert code == 0
    assert described["bytes"] == DIGITS.stat().st_size
    assert described["macs"] == sum(row["macs"] for row in described["operators"]) == 416_520
    assert sum(row["weightBytes"] for row in described["operators"]) == 61_470
    assert [row["operator"] for row in described["operators"]].count("CONV2D") == 2
    assert described["inputs"][0]["shape"] == [1, 1, 28, 28]


def test_inspect_as_text_names_identity_and_every_step(capsys: Capture) -> None:
    _, machine, _ = ask(capsys, "model", "inspect", DIGITS, "--json")
    code, out, _ = ask(capsys, "model", "inspect", DIGITS)
    described = json.loads(machine)
    assert code == 0
    assert described["modelId"] in out
    assert out.count("GEMM") == 3
    assert "416,520" in out


def test_run_takes_floats_and_gives_floats(capsys: Capture, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", digits(20))
    code, _, _ = ask(
        capsys, "model", "run", DIGITS, tmp_path / "in.npy", "-o", tmp_path / "out.npy"
    )
    scores = np.load(tmp_path / "out.npy")
    assert code == 0
    assert scores.shape == (20, 10)
    assert scores.dtype == np.float64
    assert (scores.argmax(1) == np.load(HELD_OUT)["labels"][:20]).sum() >= 19


def test_raw_integers_equal_scaled_floats(capsys: Capture, tmp_path: Path) -> None:
    real = digits(5)
    np.save(tmp_path / "real.npy", real)
    np.save(tmp_path / "raw.npy", np.rint(real * 127).astype(np.int16))
    ask(capsys, "model", "run", DIGITS, tmp_path / "real.npy", "-o", tmp_path / "a.npy")
    ask(capsys, "model", "run", DIGITS, tmp_path / "raw.npy", "--raw", "-o", tmp_path / "b.npy")
    _, machine, _ = ask(capsys, "model", "inspect", DIGITS, "--json")
    port = json.loads(machine)["outputs"][0]
    scale = int(port["scaleMantissa"]) * 2.0 ** port["scaleExponent"]
    raw = np.load(tmp_path / "b.npy")
    assert raw.dtype == np.int8
    assert (np.load(tmp_path / "a.npy") == raw * scale).all()


def test_integers_without_raw_are_taken_as_they_are(capsys: Capture, tmp_path: Path) -> None:
    real = digits(3)
    np.save(tmp_path / "real.npy", real)
    np.savez(tmp_path / "integers.npz", image=np.rint(real * 127).astype(np.uint8))
    ask(capsys, "model", "run", DIGITS, tmp_path / "real.npy", "-o", tmp_path / "a.npy")
    ask(capsys, "model", "run", DIGITS, tmp_path / "integers.npz", "-o", tmp_path / "b.npy")
    assert (np.load(tmp_path / "a.npy") == np.load(tmp_path / "b.npy")).all()


@pytest.mark.parametrize(
    ("shape", "result"),
    [((1, 1, 28, 28), (1, 10)), ((4, 1, 28, 28), (4, 10)), ((4, 1, 1, 28, 28), (4, 1, 10))],
)
def test_sample_axes(
    capsys: Capture, tmp_path: Path, shape: tuple[int, ...], result: tuple[int, ...]
) -> None:
    real = digits(4)[: shape[0]].reshape(shape)
    np.save(tmp_path / "in.npy", real)
    ask(capsys, "model", "run", DIGITS, tmp_path / "in.npy", "-o", tmp_path / "out.npy")
    np.save(tmp_path / "all.npy", digits(4))
    ask(capsys, "model", "run", DIGITS, tmp_path / "all.npy", "-o", tmp_path / "want.npy")
    got, want = np.load(tmp_path / "out.npy"), np.load(tmp_path / "want.npy")
    assert got.shape == result
    assert (got.reshape(-1, 10) == want[: shape[0]]).all()


def test_result_without_output_file_is_printed(capsys: Capture, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", digits(1))
    code, out, _ = ask(capsys, "model", "run", DIGITS, tmp_path / "in.npy", "--raw")
    assert code == 3  # floats with --raw
    assert out == ""
    code, out, _ = ask(capsys, "model", "run", DIGITS, tmp_path / "in.npy")
    assert code == 0
    assert out.startswith("output float64 (1, 10)\n")


def _file(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    if name == "pickled.npy":
        np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    elif name == "text.npy":
        path.write_text("no array")
    elif name == "shape.npy":
        np.save(path, np.zeros((28, 29), np.float32))
    elif name == "range.npy":
        np.save(path, np.full((1, 1, 28, 28), 255, np.uint8))
    elif name == "nan.npy":
        np.save(path, np.full((1, 1, 28, 28), np.nan))
    elif name == "strings.npy":
        np.save(path, np.full((1, 1, 28, 28), "a"))
    elif name == "empty.npy":
        np.save(path, np.zeros((0, 1, 28, 28), np.float32))
    elif name == "names.npz":
        np.savez(path, a=digits(1), b=digits(1))
    elif name == "bad.egm":
        path.write_bytes(b"EGM")
    elif name == "cut.egm":
        path.write_bytes(DIGITS.read_bytes()[:-1])
    return path


@pytest.mark.parametrize(
    ("model", "array", "code", "words"),
    [
        (None, "missing.npy", "E-MODEL-001", "cannot be read"),
        ("missing.egm", "shape.npy", "E-MODEL-001", "cannot be read"),
        ("bad.egm", "shape.npy", "E-MODEL-002", "not a valid model"),
        ("cut.egm", "shape.npy", "E-MODEL-002", "not a valid model"),
        (None, "pickled.npy", "E-MODEL-005", "not an array file"),
        (None, "text.npy", "E-MODEL-005", "not an array file"),
        (None, "shape.npy", "E-MODEL-006", "the model takes (1, 1, 28, 28)"),
        (None, "empty.npy", "E-MODEL-006", "the model takes (1, 1, 28, 28)"),
        (None, "range.npy", "E-MODEL-006", "outside -128 to 127"),
        (None, "nan.npy", "E-MODEL-006", "not finite"),
        (None, "strings.npy", "E-MODEL-006", "floats or integers"),
        (None, "names.npz", "E-MODEL-006", "one array per input"),
    ],
)
def test_each_bad_file_gets_one_sentence(
    capsys: Capture, tmp_path: Path, model: str | None, array: str, code: str, words: str
) -> None:
    chosen = DIGITS if model is None else _file(tmp_path, model)
    out_path = tmp_path / "out.npy"
    status, out, err = ask(capsys, "model", "run", chosen, _file(tmp_path, array), "-o", out_path)
    assert status == 3
    assert out == ""
    assert err.startswith(f"engram: {code}: ")
    assert err.count("\n") == 1
    assert words in err
    assert not out_path.exists()


def test_unwritable_output_is_refused(capsys: Capture, tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", digits(1))
    target = tmp_path / "nowhere" / "out.npy"
    status, _, err = ask(capsys, "model", "run", DIGITS, tmp_path / "in.npy", "-o", target)
    assert status == 3
    assert "E-MODEL-007" in err


def test_inspect_and_run_import_neither_torch_nor_onnx(tmp_path: Path) -> None:
    np.save(tmp_path / "in.npy", digits(1))
    script = (
        "import sys\n"
        "sys.modules['torch'] = sys.modules['onnx'] = sys.modules['onnxruntime'] = None\n"
        "from node.cli import main\n"
        f"sys.exit(main(['model', 'inspect', {str(DIGITS)!r}])"
        f" or main(['model', 'run', {str(DIGITS)!r}, {str(tmp_path / 'in.npy')!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_file_without_end_is_not_read_whole(tmp_path: Path) -> None:
    # A device has no size: only the limit of the read stops it.
    endless = Path("/dev/zero")
    if not endless.exists():
        pytest.skip("this system has no /dev/zero")
    with pytest.raises(CliError) as caught:
        read_bytes(endless, 1_000)
    assert caught.value.sentence == "/dev/zero has more than 1,000 bytes; name a model file."
    exact = tmp_path / "exact"
    exact.write_bytes(bytes(1_000))
    assert read_bytes(exact, 1_000) == bytes(1_000)
