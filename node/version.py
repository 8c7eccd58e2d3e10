"""The version of this distribution, readable without importing package metadata (20 ms)."""

from __future__ import annotations

VERSION = "0.1.0"  # tests/node/test_cli.py compares it with pyproject.toml
