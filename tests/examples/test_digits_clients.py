"""The clients' encoding of an image, without a chain."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits"
SEVEN = EXAMPLE / "seven.pgm"


@pytest.fixture(scope="module")
def client() -> ModuleType:
    pytest.importorskip("web3", reason="the extra `dev` brings web3")
    spec = importlib.util.spec_from_file_location("digits_client", EXAMPLE / "client.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_image_is_one_of_the_held_out_digits(client: ModuleType) -> None:
    held_out = np.load(EXAMPLE / "heldout.npz")
    same = (held_out["images"] == client.read_pgm(SEVEN)).all((1, 2))
    assert held_out["labels"][same].tolist() == [7]


def test_first_pixel_may_look_like_a_space(client: ModuleType, tmp_path: Path) -> None:
    pixels = bytes(range(9, 14)) + bytes(779)
    (tmp_path / "x.pgm").write_bytes(b"P5\n28 28\n255\n" + pixels)
    assert client.read_pgm(tmp_path / "x.pgm").tobytes() == pixels


@pytest.mark.parametrize("content", [b"", b"P5 28 28 255\n" + bytes(783), b"P2 28 28 255\n"])
def test_other_files_are_refused(client: ModuleType, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.pgm").write_bytes(content)
    with pytest.raises(SystemExit, match="28 x 28"):
        client.read_pgm(tmp_path / "x.pgm")


def test_an_image_that_is_missing_is_told_before_anything_is_sent(
    client: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = str(tmp_path / "none.pgm")
    # Nothing listens there: the image is looked at first.
    monkeypatch.setattr(sys, "argv", ["client.py", missing, "--rpc", "http://127.0.0.1:9"])
    with pytest.raises(SystemExit, match=r"none\.pgm cannot be read: No such file"):
        client.main()


def test_both_clients_encode_every_pixel_alike(client: ModuleType) -> None:
    pixels = np.arange(256, dtype=np.uint8)
    want = client.encode(pixels)
    assert want[0] == 0
    assert want[255] == 127
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    source = (EXAMPLE / "client.mjs").read_text()
    function = source[source.index("function encode") : source.index("/** Return the address")]
    script = f"{function}\nprocess.stdout.write(encode(Uint8Array.from(Array(256).keys())));"
    done = subprocess.run([node, "-e", script], capture_output=True, timeout=60, check=True)
    assert done.stdout == want
