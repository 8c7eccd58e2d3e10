"""A `.pt2` file is data: nothing in it is unpickled, evaluated or loaded as code."""

from __future__ import annotations

import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ai_ops.importers.convert import import_network, read_network
from ai_ops.importers.errors import ImportRefused
from ai_ops.importers.float_run import run_float
from ai_ops.importers.lowering import Options

WEIGHT = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)


class Bomb:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def program() -> dict[str, Any]:
    """Return the JSON of a dense layer, as torch 2.13 writes it."""
    batch = {"as_expr": {"expr_str": "__import__('os').abort()", "hint": {"as_int": 2}}}

    def tensor(*sizes: Any) -> dict[str, Any]:
        return {"sizes": [{"as_int": s} if isinstance(s, int) else s for s in sizes]}

    def named(name: str) -> dict[str, Any]:
        return {"as_tensor": {"name": name}}

    node = {
        "target": "torch.ops.aten.linear.default",
        "inputs": [
            {"name": "input", "arg": named("x"), "kind": 1},
            {"name": "weight", "arg": named("w"), "kind": 1},
        ],
        "outputs": [named("y")],
    }
    return {
        "schema_version": {"major": 8, "minor": 20},
        "graph_module": {
            "graph": {
                "nodes": [node],
                "outputs": [named("y")],
                "tensor_values": {
                    "x": tensor(batch, 2),
                    "w": tensor(3, 2),
                    "y": tensor(batch, 3),
                },
            },
            "signature": {
                "input_specs": [
                    {"parameter": {"arg": {"name": "w"}, "parameter_name": "weight"}},
                    {"user_input": {"arg": named("x")}},
                ]
            },
        },
    }


def meta(**changes: Any) -> dict[str, Any]:
    """Return the stored description of the weight."""
    stored = {
        "dtype": 7,
        "sizes": [{"as_int": 3}, {"as_int": 2}],
        "strides": [{"as_int": 2}, {"as_int": 1}],
        "storage_offset": {"as_int": 0},
    }
    entry = {"path_name": "weight_0", "use_pickle": False, "tensor_meta": {**stored, **changes}}
    return {"config": {"weight": entry}}


def parts() -> dict[str, bytes]:
    """Return the files of a good archive."""
    return {
        "models/m.json": json.dumps(program()).encode(),
        "data/weights/m_weights_config.json": json.dumps(meta()).encode(),
        "data/constants/m_constants_config.json": b'{"config": {}}',
        "data/weights/weight_0": WEIGHT.tobytes(),
        "byteorder": b"little",
    }


def write(path: Path, files: dict[str, bytes]) -> Path:
    """Write an archive."""
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(f"m/{name}", content)
    return path


def test_good_archive_is_read_without_evaluating_its_expressions(tmp_path: Path) -> None:
    graph = read_network(write(tmp_path / "good.pt2", parts()))
    x = np.array([[1.0, -1.0], [0.5, 2.0]], np.float32)
    assert (run_float(graph, {"x": x})["y"] == x @ WEIGHT.T).all()


def test_strides_are_honoured(tmp_path: Path) -> None:
    files = parts()
    strides = [{"as_int": 1}, {"as_int": 3}]
    files["data/weights/m_weights_config.json"] = json.dumps(meta(strides=strides)).encode()
    files["data/weights/weight_0"] = np.ascontiguousarray(WEIGHT.T).tobytes()
    graph = read_network(write(tmp_path / "strided.pt2", files))
    assert (graph.constants["w"] == WEIGHT).all()


def _pickled(files: dict[str, bytes], trap: Path) -> None:
    config = meta()
    config["config"]["weight"]["use_pickle"] = True
    files["data/weights/m_weights_config.json"] = json.dumps(config).encode()
    files["data/weights/weight_0"] = pickle.dumps(Bomb(trap))


def _pickled_constant(files: dict[str, bytes], trap: Path) -> None:
    entry = {"path_name": "opaque_obj_0", "use_pickle": True, "tensor_meta": None}
    files["data/constants/m_constants_config.json"] = json.dumps({"config": {"c": entry}}).encode()
    files["data/constants/opaque_obj_0"] = pickle.dumps(Bomb(trap))


def _saved_by_torch_save(files: dict[str, bytes], trap: Path) -> None:
    files.clear()
    files["data.pkl"] = pickle.dumps(Bomb(trap))


def _compiled(files: dict[str, bytes], trap: Path) -> None:
    del trap
    files["data/aotinductor/m/m.so"] = b"\x7fELF"


def _beyond(files: dict[str, bytes], trap: Path) -> None:
    del trap
    changed = meta(storage_offset={"as_int": 1})
    files["data/weights/m_weights_config.json"] = json.dumps(changed).encode()


def _negative(files: dict[str, bytes], trap: Path) -> None:
    del trap
    changed = meta(strides=[{"as_int": -2}, {"as_int": 1}])
    files["data/weights/m_weights_config.json"] = json.dumps(changed).encode()


def _integers(files: dict[str, bytes], trap: Path) -> None:
    del trap
    files["data/weights/m_weights_config.json"] = json.dumps(meta(dtype=2)).encode()


def _older(files: dict[str, bytes], trap: Path) -> None:
    del trap
    older = {**program(), "schema_version": {"major": 7}}
    files["models/m.json"] = json.dumps(older).encode()


def _missing(files: dict[str, bytes], trap: Path) -> None:
    del trap
    del files["data/weights/weight_0"]


def _not_json(files: dict[str, bytes], trap: Path) -> None:
    del trap
    files["models/m.json"] = b"{"


def _deep(files: dict[str, bytes], trap: Path) -> None:
    del trap
    files["models/m.json"] = b"[" * 1_000_000


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (_pickled, "as a pickle"),
        (_pickled_constant, "as a pickle"),
        (_saved_by_torch_save, "torch.save"),
        (_compiled, "compiled code"),
        (_beyond, "beyond its stored bytes"),
        (_negative, "negative"),
        (_integers, "number type"),
        (_older, "version 7"),
        (_missing, "damaged"),
        (_not_json, "damaged"),
        (_deep, "damaged"),
    ],
)
def test_bad_archive_is_refused_and_runs_nothing(
    tmp_path: Path, spoil: Callable[[dict[str, bytes], Path], None], words: str
) -> None:
    trap = tmp_path / "trap"
    files = parts()
    spoil(files, trap)
    with pytest.raises(ImportRefused, match=words):
        read_network(write(tmp_path / "bad.pt2", files))
    assert not trap.exists()


@pytest.mark.parametrize("ending", [".pt", ".pth", ".bin", ".pkl", ".h5"])
def test_other_files_are_refused_by_their_ending(tmp_path: Path, ending: str) -> None:
    trap = tmp_path / "trap"
    path = tmp_path / f"network{ending}"
    path.write_bytes(pickle.dumps(Bomb(trap)))
    with pytest.raises(ImportRefused):
        import_network(path, {}, Options(name="m"))
    assert not trap.exists()
