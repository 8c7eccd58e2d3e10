"""Well-known networks import from both frameworks; the guide has a row for each."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

torch: Any = pytest.importorskip("torch", reason="the extra `import` is not installed")
pytest.importorskip("onnx", reason="the extra `import` is not installed")

from tests.importers.survey import networks, outcome, ready  # noqa: E402

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "models.md").read_text()
ROWS = dict(re.findall(r"^\| ([^|]+) \| ([\d.]+ \([\d.]+\) \| [^|]+) \|$", GUIDE, re.MULTILINE))
QUICK = {"Swin": "pt2"}


def test_the_guide_s_table_is_complete() -> None:
    assert list(ROWS) == [name for name, _, _ in networks()]
    assert all("refused" not in row for row in ROWS.values())


@pytest.mark.parametrize("name", QUICK)
def test_quick_ones(name: str) -> None:
    _imports(name, QUICK[name])


@pytest.mark.skipif(os.environ.get("ENGRAM_LONG") != "1", reason="ENGRAM_LONG=1 tries all")
@pytest.mark.parametrize("ending", ["pt2", "onnx"])
@pytest.mark.parametrize("name", [name for name, _, _ in networks()])
def test_every_one(name: str, ending: str) -> None:
    _imports(name, ending)


def _imports(name: str, ending: str) -> None:
    make, arrays = next((make, arrays) for tried, make, arrays in networks() if tried == name)
    found = outcome(ready(make), arrays, ending)
    lowest = re.fullmatch(r"[\d.]+ \(([\d.]+)\)", found)
    assert lowest is not None, found
    assert float(lowest[1]) >= 0.99
