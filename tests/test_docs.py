"""The pages hold together: links lead somewhere, and the README keeps its promises of form."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
SCREEN_LINES = 60


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    names = listed.stdout.split() if listed.returncode == 0 else []
    return [ROOT / name for name in names] or sorted((ROOT / "docs").rglob("*.md"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def test_every_relative_link_leads_somewhere() -> None:
    broken = []
    for page in pages():
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = (page.parent / name).resolve() if name else page
            if not path.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")
            elif anchor and path.suffix == ".md" and anchor not in anchors(path):
                broken.append(f"{page.relative_to(ROOT)}: {target} (no such heading)")
    assert broken == []


def test_every_spec_page_is_in_its_index_with_all_its_rules() -> None:
    index = (ROOT / "docs/spec/README.md").read_text(encoding="utf-8")
    stale = []
    for page in sorted((ROOT / "docs/spec").glob("[0-9]*.md")):
        rules = re.findall(r"\*\*([A-Z]+)-(\d+)\*\*", page.read_text(encoding="utf-8"))
        numbers = sorted(int(number) for _, number in rules)
        row = f"({page.name}) | {rules[0][0]}-{numbers[0]} to {rules[0][0]}-{numbers[-1]} |"
        if row not in index:
            stale.append(row)
    assert stale == []


def test_every_decision_is_in_its_index() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    records = [p.name for p in (ROOT / "docs/adr").glob("0*.md") if p.name != "0000-template.md"]
    assert [name for name in records if name not in index] == []


def test_readme_fits_two_screens() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 2 * SCREEN_LINES


def readme_contract() -> str:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (contract,) = re.findall(r"```solidity\n(.*?)```", readme, re.DOTALL)
    return str(contract)


def test_readme_contract_is_short() -> None:
    assert len([line for line in readme_contract().splitlines() if line.strip()]) <= 15


def test_readme_contract_compiles(tmp_path: Path) -> None:
    solcjs = os.environ.get("SOLCJS") or shutil.which("solcjs")
    if solcjs is None:
        pytest.skip("solcjs is not installed; name it in SOLCJS")
    (tmp_path / "Digits.sol").write_text(readme_contract(), encoding="utf-8")
    shutil.copy(ROOT / "genesis/contracts/IEngram.sol", tmp_path)
    command = [solcjs, "--bin", "--base-path", ".", "Digits.sol"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "Digits_sol_Digits.bin").read_text(encoding="utf-8")
