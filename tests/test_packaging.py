"""What is built is what the project promises: six packages, their data, nothing else."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from ai_ops.native.build import SOURCES
from tests.support.backends import compiler_works

ROOT = Path(__file__).resolve().parent.parent
KERNELS = "ai_ops/native/_kernels.so"
PACKAGES = {"node", "vm", "ai_ops", "consensus", "p2p", "genesis"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = out.glob("*.whl")
    return path


def test_wheel_holds_the_six_packages_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names}
    assert {name for name in top if not name.endswith(".dist-info")} == PACKAGES
    assert {f"{name}/py.typed" for name in PACKAGES} <= set(names)


def test_wheel_carries_what_the_devnet_needs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    needed = {
        path.relative_to(ROOT).as_posix()
        for folder in ("genesis/chains", "genesis/contracts", "genesis/models")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert needed - names == set()


def test_wheel_has_no_compiled_or_stray_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    stray = {name for name in names if name.endswith((".pyc", ".so", ".npz"))}
    assert stray - {KERNELS} == set()


def test_wheel_has_the_compiled_kernels_where_a_compiler_works(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {f"ai_ops/native/src/{path.name}" for path in SOURCES.iterdir()} <= names
    assert (KERNELS in names) == compiler_works()
    assert ("-none-any" in wheel.name) == (KERNELS not in names)


def test_wheel_builds_without_a_compiler(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    environment = {**os.environ, "CC": "/bin/false"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "numba is used instead" in done.stdout + done.stderr
    (path,) = tmp_path.glob("*-py3-none-any.whl")
    with zipfile.ZipFile(path) as archive:
        assert KERNELS not in archive.namelist()


def test_installed_names_belong_to_this_distribution() -> None:
    try:
        importlib.metadata.distribution("engram-node")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("engram-node is not installed in this environment")
    owners = importlib.metadata.packages_distributions()
    assert {name: owners[name] for name in PACKAGES} == {name: ["engram-node"] for name in PACKAGES}


def test_every_dependency_has_its_licence_listed() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(item for extra in extras for item in extra)]
    names = {re.split(r"[\[=<>]", item)[0] for item in wanted}
    listed = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    assert sorted(name for name in names if not re.search(rf"\b{re.escape(name)}\b", listed)) == []
