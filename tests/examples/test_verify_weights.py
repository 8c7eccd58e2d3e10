"""The stand-alone verifier of weights: its Merkle arithmetic against the engine's."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from ai_ops import merkle

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "examples" / "verify_weights.py"


@pytest.fixture(scope="module")
def verifier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_weights", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_imports_nothing_of_ours() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"node", "vm", "ai_ops", "consensus", "p2p", "genesis"}


@pytest.mark.parametrize("count", range(1, 20))
def test_paths_lead_to_the_root_for_every_chunk(verifier: ModuleType, count: int) -> None:
    leaves = [verifier.leaf(bytes([index]) * (index + 1)) for index in range(count)]
    root = merkle.merkle_root(leaves)
    for index in range(count):
        path = list(merkle.merkle_path(leaves, index))
        assert verifier.root_from_path(leaves[index], index, count, path) == root
        if path:
            spoiled = [bytes(32), *path[1:]]
            assert verifier.root_from_path(leaves[index], index, count, spoiled) != root
            with pytest.raises(verifier.Refuted):
                verifier.root_from_path(leaves[index], index, count, path[1:])
        with pytest.raises(verifier.Refuted):
            verifier.root_from_path(leaves[index], index, count, [*path, bytes(32)])
