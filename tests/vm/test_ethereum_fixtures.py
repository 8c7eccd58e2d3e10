"""A sample of the published block tests; ENGRAM_FIXTURES names the folder that holds them."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.support.fixtures import load_tests, run_test

SAMPLE = 60
SEED = 20_261_124
FILE = "blockchain-prague.jsonl.gz"
# Minutes in pure Python curves: a native library for this curve is a later step.
SLOW = "eip2537_bls_12_381"


def test_sample_of_the_prague_fixtures() -> None:
    folder = os.environ.get("ENGRAM_FIXTURES")
    if not folder:
        pytest.skip(f"ENGRAM_FIXTURES is not set: put {FILE} into a folder and name it")
    tests = [
        (name, test)
        for name, test in load_tests(Path(folder) / FILE)
        if test["network"] == "Prague" and SLOW not in name
    ]
    print("seed", SEED)
    sample = random.Random(SEED).sample(tests, SAMPLE)
    assert [(name, fault) for name, test in sample if (fault := run_test(test))] == []


@pytest.mark.long
def test_all_prague_fixtures() -> None:
    folder = os.environ.get("ENGRAM_FIXTURES")
    if not folder:
        pytest.skip(f"ENGRAM_FIXTURES is not set: put {FILE} into a folder and name it")
    faults = [
        (name, fault)
        for name, test in load_tests(Path(folder) / FILE)
        if test["network"] == "Prague" and SLOW not in name and (fault := run_test(test))
    ]
    assert faults == []
