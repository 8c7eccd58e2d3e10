"""The published Prague block tests; ENGRAM_FIXTURES names the folder that holds them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.fixtures import load_tests, run_test

FILE = "blockchain-prague.jsonl.gz"


def test_prague_fixtures() -> None:
    folder = os.environ.get("ENGRAM_FIXTURES")
    if not folder:
        pytest.skip(f"ENGRAM_FIXTURES is not set: put {FILE} into a folder and name it")
    tests = [
        (name, test)
        for name, test in load_tests(Path(folder) / FILE)
        if test["network"] == "Prague"
    ]
    assert len(tests) > 800
    assert [(name, fault) for name, test in tests if (fault := run_test(test))] == []
