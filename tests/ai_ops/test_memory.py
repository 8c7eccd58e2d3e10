"""No legal model takes more memory than its file declares, on any backend.

Each backend runs every case in a process of its own, because a peak is a process's.
`ENGRAM_LONG=1` takes tensors of the largest dimension.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from ai_ops.memory import MEMORY_BOUNDS, memory_bound
from ai_ops.model import encode_model, head_of
from ai_ops.native.library import supported
from ai_ops.validate import DEFAULT_LIMITS, validate
from tests.ai_ops.models import mlp
from tests.support.memory import resident_peak, traced_peak

LONG = bool(os.environ.get("ENGRAM_LONG"))
SCALE = 2**24 if LONG else 2**21
SECONDS = 3_000 if LONG else 200
BACKENDS = {"reference": "reference", "numba": "numba", "cpu": "native"}


@cache
def measured(backend: str) -> list[dict[str, Any]]:
    if backend == "cpu" and not supported():
        pytest.skip("the kernels in C are not built here")
    command = [sys.executable, "-m", "tests.support.memory_probe", backend, str(SCALE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def above(rows: list[dict[str, Any]], figure: str) -> list[dict[str, Any]]:
    return [row for row in rows if row[figure] > row["bound"]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_stay_below_what_the_file_declares(backend: str) -> None:
    rows = measured(backend)
    assert len(rows) > 70
    assert above(rows, "traced") == []
    # The figures are of the right thing: nothing that holds its tensors takes less than them.
    assert max(row["traced"] for row in rows) > SCALE


@pytest.mark.parametrize("backend", BACKENDS)
def test_resident_memory_stays_below_what_the_file_declares(backend: str) -> None:
    rows = measured(backend)
    if any(row["resident"] is None for row in rows):
        pytest.skip("the peak of resident memory cannot be reset here")
    assert above(rows, "resident") == []


def test_the_bound_has_a_part_for_each_thing_that_grows() -> None:
    model = mlp()
    facts = validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)
    weights, bound = model.graph.weight_bytes, MEMORY_BOUNDS["numba"]
    known = memory_bound("numba", model, facts)
    more = replace(facts, live_bytes=facts.live_bytes + 1)
    assert memory_bound("numba", model, more) == known + bound.live
    more = replace(facts, total_bytes=facts.total_bytes + 1)
    assert memory_bound("numba", model, more) > known
    assert known > bound.fixed + bound.weights * weights + bound.live * facts.live_bytes


def test_measuring_sees_a_block_that_is_given_back() -> None:
    def work() -> None:
        bytearray(b"\x01") * (8 * 2**20)

    assert traced_peak(work) >= 8 * 2**20
    resident = resident_peak(work)
    if resident is None:
        pytest.skip("the peak of resident memory cannot be reset here")
    assert resident >= 8 * 2**20 - 2**16
