"""The tables of README.md, made of rows.json.

    python -m examples.models.table

writes them again, as every recipe does at its end.
"""

import json
from pathlib import Path

HERE = Path(__file__).parent
TABLES = {
    "rows": ("model", "float", "integer", "size", "gas", "native", "numba", "measured"),
    "ports": ("model", "takes", "gives", "run"),
}
"""The columns between the marks `<!-- NAME: begin -->` and `<!-- NAME: end -->`."""


def table(columns, rows):
    """Return the lines of a table."""
    lines = ["| " + " | ".join(columns) + " |", "|" + " --- |" * len(columns)]
    lines += ["| " + " | ".join(row[key] for key in columns) + " |" for row in rows]
    return lines


def replaced(text, name, lines):
    """Return a text with the lines between two marks replaced."""
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"the marks of {name} are not there once each")
    head, tail = text.partition(begin)[0], text.partition(end)[2]
    return head + begin + "\n".join(lines) + "\n" + end + tail


def write_tables(readme, rows):
    """Write the rows into a README's tables."""
    text = readme.read_text()
    for name, columns in TABLES.items():
        text = replaced(text, name, table(columns, rows.values()))
    readme.write_text(text)


if __name__ == "__main__":
    write_tables(HERE / "README.md", json.loads((HERE / "rows.json").read_text()))
