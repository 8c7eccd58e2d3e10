"""The vectors of docs/spec on one backend: what `engram gpu check` runs on a card."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ai_ops.backends.base import Backend
from ai_ops.dtype import BY_CODE, Array
from ai_ops.executor import load
from ai_ops.graph import SYMBOLIC, TensorType, Value
from ai_ops.model import decode_model, head_of
from ai_ops.operators import OPERATORS, make_node
from ai_ops.validate import DEFAULT_LIMITS, validate

Case = dict[str, Any]


def source_tree() -> Path | None:
    """Return the folder that holds our packages, vectors and tests; an installed wheel has none."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "docs" / "spec" / "vectors").is_dir() else None


def run_vectors(root: Path, backend: Backend) -> tuple[int, list[str]]:
    """Run every vector of operators and of whole models.

    Returns
    -------
    passed : int
    failures : list of str
        One sentence each.
    """
    passed, failures = 0, []
    folder = root / "docs" / "spec" / "vectors"
    for name, at, case in _cases(folder):
        problem = _model(case, backend) if "steps" in case else _operator(case, backend)
        if problem is None:
            passed += 1
        else:
            failures.append(f"{name}, case {at} ({case['rule']}): {problem}")
    return passed, failures


def _cases(folder: Path) -> Iterator[tuple[str, int, Case]]:
    for path in [*sorted(folder.glob("02-operators/*.json")), folder / "03-models" / "runs.json"]:
        for at, case in enumerate(json.loads(path.read_text(encoding="utf-8"))["cases"]):
            if "output" in case or "outputs" in case:
                yield path.stem, at, case


def _array(tensor: Case) -> Array:
    return np.array(tensor["data"], BY_CODE[tensor["dtype"]].numpy).reshape(tensor["shape"])


def _value(tensor: Case) -> Value:
    dtype, shape = BY_CODE[tensor["dtype"]], list(tensor["shape"])
    if "symbolic" in tensor:
        shape[tensor["symbolic"]] = SYMBOLIC
    return Value(
        type=TensorType(dtype=dtype, shape=tuple(shape)),
        minimum=tensor.get("minimum", dtype.minimum),
        maximum=tensor.get("maximum", dtype.maximum),
    )


def _operator(case: Case, backend: Backend) -> str | None:
    """Run one node, once with its later inputs as weights and once with none."""
    attributes = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["attributes"].items()
    }
    node = make_node(case["operator"], tuple(range(len(case["inputs"]))), **attributes)
    values = tuple(_value(tensor) for tensor in case["inputs"])
    arrays = tuple(_array(tensor) for tensor in case["inputs"])
    outputs = OPERATORS[node.operator].infer(node, values)
    expected = [_array(tensor) for tensor in case.get("outputs", [case.get("output")])]
    for weights in ({}, {at: array for at, array in enumerate(arrays) if at}):
        try:
            results = backend.prepare(node, values, outputs, weights)(arrays)
        except Exception as error:  # noqa: BLE001 - whatever it raises is its failure
            return f"{node.operator} raised {error!r}"
        for got, want in zip(results, expected, strict=True):
            if got.dtype != want.dtype or not np.array_equal(got, want):
                return f"{node.operator} differs"
    return None


def _model(case: Case, backend: Backend) -> str | None:
    data = bytes.fromhex(case["model"])
    model = decode_model(data)
    facts = validate(head_of(model), len(data), DEFAULT_LIMITS)
    try:
        result = load(model, facts, backend).run(bytes.fromhex(case["input"]), case["units"])
    except Exception as error:  # noqa: BLE001 - whatever it raises is its failure
        return f"a model raised {error!r}"
    if result.output.hex() != case["output"]:
        return "a model's output differs"
    if [digest.hex() for digest in result.step_digests] != case["steps"]:
        return "a model's step digests differ"
    return None
