"""Settings of every test: the long form has more cases, hence more time for each test."""

from __future__ import annotations

import os
from contextlib import suppress

import pytest

from ai_ops.native.build import BuildFailed, build, is_current

LONG_TEST_SECONDS = 3_000


def pytest_configure() -> None:
    """Build the kernels in C where sources changed; tests say what they skip without them."""
    if not is_current():
        with suppress(BuildFailed):
            build()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if os.environ.get("ENGRAM_LONG") == "1":
        for item in items:
            item.add_marker(pytest.mark.timeout(LONG_TEST_SECONDS))
