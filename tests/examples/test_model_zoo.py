"""The zoo's tables are what the recipes wrote, and the page and the recipes say the same."""

import json
import re
from pathlib import Path

import pytest

ZOO = Path(__file__).resolve().parents[2] / "examples" / "models"
SHARED = {
    "__init__",
    "language",
    "measure",
    "packages",
    "photographs",
    "progress",
    "retime",
    "table",
}
TABLES = {
    "rows": ("model", "float", "integer", "size", "gas", "native", "numba", "measured"),
    "ports": ("model", "takes", "gives", "run"),
}
RECIPES = sorted({path.stem for path in ZOO.glob("*.py")} - SHARED)


def rows() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads((ZOO / "rows.json").read_text())
    return found


def test_every_recipe_has_a_row() -> None:
    assert set(RECIPES) == set(rows())


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_hold_the_rows(name: str) -> None:
    text = (ZOO / "README.md").read_text()
    table = text.partition(f"<!-- {name}: begin -->")[2].partition(f"<!-- {name}: end -->")[0]
    lines = table.strip().splitlines()[2:]
    assert lines == [
        "| " + " | ".join(row[key] for key in TABLES[name]) + " |" for row in rows().values()
    ]


@pytest.mark.parametrize("name", RECIPES)
def test_the_page_names_what_a_recipe_installs_and_its_command(name: str) -> None:
    recipe = (ZOO / f"{name}.py").read_text()
    page = (ZOO / "README.md").read_text()
    (command,) = re.findall(r"^ {4}(python -m .*)$", recipe, re.MULTILINE)
    assert command == f"python -m examples.models.{name} --out build/models"
    (block,) = (part for part in page.split("```")[1::2] if f"\n{command}\n" in part)
    installs = re.findall(r"^ {4}(?:pip install )(.*)$", recipe, re.MULTILINE)
    wanted = {word for line in installs for word in line.split() if word != "'.[import]'"}
    for word in wanted:
        assert re.search(rf"(?m)(^|\s){re.escape(word)}(==\S+)?(\s|$)", block), word
