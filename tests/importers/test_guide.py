"""The guide names every operation that the importers read, and no other."""

import re
from pathlib import Path

from ai_ops.importers import onnx_reader, torch_reader

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "models.md").read_text()


def column(number: int) -> set[str]:
    """Return the names in code font of one column of the table of operations."""
    table = GUIDE.partition("| what | PyTorch")[2].partition("\n\n")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ")]
    names = [name for row in rows for name in re.findall(r"`(\w+)`", row[number])]
    assert len(names) == len(set(names))
    return set(names)


def test_pytorch_operations() -> None:
    assert column(2) == {
        target.removeprefix("torchvision.").partition(".")[0] for target in torch_reader.TARGETS
    }


def test_onnx_operations() -> None:
    assert column(3) == {*onnx_reader.OPERATORS, "Constant"}
