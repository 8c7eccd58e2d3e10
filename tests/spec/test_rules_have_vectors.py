"""Every numbered rule of docs/spec has a vector, and every vector names a rule that exists."""

from __future__ import annotations

import json
import re
from pathlib import Path

SPEC = Path(__file__).resolve().parents[2] / "docs" / "spec"
RULE = re.compile(r"\*\*([A-Z]+-\d+)\*\*")


def rules_of_pages() -> dict[str, str]:
    return {
        rule: page.name
        for page in sorted(SPEC.glob("[0-9]*.md"))
        for rule in RULE.findall(page.read_text(encoding="utf-8"))
    }


def rules_of_vectors() -> dict[str, str]:
    named: dict[str, str] = {}
    for path in sorted((SPEC / "vectors").rglob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            named[case["rule"]] = path.name
    return named


def test_every_rule_has_a_vector() -> None:
    assert sorted(set(rules_of_pages()) - set(rules_of_vectors())) == []


def test_every_vector_names_a_rule() -> None:
    assert sorted(set(rules_of_vectors()) - set(rules_of_pages())) == []
