"""The zoo's table is what the recipes wrote, and every recipe has written its row."""

import json
from pathlib import Path

ZOO = Path(__file__).resolve().parents[2] / "examples" / "models"
SHARED = {"__init__", "language", "measure", "photographs"}
COLUMNS = ("model", "float", "integer", "size", "gas", "latency", "measured")


def rows() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((ZOO / "rows.json").read_text())
    return found


def test_every_recipe_has_a_row() -> None:
    assert {path.stem for path in ZOO.glob("*.py")} - SHARED == set(rows())


def test_the_table_holds_the_rows() -> None:
    text = (ZOO / "README.md").read_text()
    table = text.partition("<!-- rows: begin -->")[2].partition("<!-- rows: end -->")[0]
    lines = table.strip().splitlines()[2:]
    assert lines == [
        "| " + " | ".join(row[key] for key in COLUMNS) + " |" for row in rows().values()
    ]
