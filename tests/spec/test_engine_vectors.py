"""Pages 01 to 03: the engine against every vector, on each backend."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from blake3 import blake3

from ai_ops.arithmetic import divide, rescale
from ai_ops.backends import BACKENDS
from ai_ops.dtype import BY_CODE, Array
from ai_ops.errors import InputFault, InvalidInput, InvalidModel, ModelFault
from ai_ops.executor import check_input, load
from ai_ops.graph import SYMBOLIC, Node, TensorType, Value
from ai_ops.merkle import leaf_digests, merkle_root, model_id
from ai_ops.model import decode_model, encode_model, head_of
from ai_ops.operators import OPERATORS, make_node
from ai_ops.ops.exponential import EXPONENTIAL
from ai_ops.validate import DEFAULT_LIMITS, Limits, ModelFacts, units_from_input, validate
from tests.spec import plain_sequence
from tests.spec.generate_engine_vectors import VECTORS, encoded, files
from tests.support.backends import started

SPEC = VECTORS.parent
Case = dict[str, Any]


def cases(pattern: str) -> list[Any]:
    """Load cases of matching files, named by file, position and rule."""
    found = []
    for path in sorted(VECTORS.glob(pattern)):
        for at, case in enumerate(json.loads(path.read_text(encoding="utf-8"))["cases"]):
            found.append(pytest.param(case, id=f"{path.stem}-{at}-{case['rule']}"))
    assert found
    return found


def test_the_committed_vectors_are_what_the_script_writes() -> None:
    for name, content in files().items():
        path = VECTORS / f"{name}.json"
        assert path.read_text(encoding="utf-8") == encoded(name, content), path.name


def node_of(case: Case) -> Node:
    attributes = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in case["attributes"].items()
    }
    return make_node(case["operator"], tuple(range(len(case["inputs"]))), **attributes)


def value_of(tensor: Case) -> Value:
    dtype, shape = BY_CODE[tensor["dtype"]], list(tensor["shape"])
    if "symbolic" in tensor:
        shape[tensor["symbolic"]] = SYMBOLIC
    return Value(
        type=TensorType(dtype=dtype, shape=tuple(shape)),
        minimum=tensor.get("minimum", dtype.minimum),
        maximum=tensor.get("maximum", dtype.maximum),
    )


def units_of(case: Case) -> int:
    """Return n: the size of a dimension that an input lets be symbolic."""
    sizes = [t["shape"][t["symbolic"]] for t in case["inputs"] if "symbolic" in t]
    return int(sizes[0]) if sizes else 1


def array_of(tensor: Case) -> Array:
    dtype = BY_CODE[tensor["dtype"]].numpy
    return np.array(tensor["data"], dtype).reshape(tensor["shape"])


def expected_of(case: Case) -> list[Case]:
    """Return what an operator case must give; nothing for a case that is refused."""
    found: list[Case] = case.get("outputs", [case["output"]] if "output" in case else [])
    return found


def dtype_rule(case: Case) -> None:
    dtype = BY_CODE[case["dtype"]]
    assert (dtype.minimum, dtype.maximum) == (case["minimum"], case["maximum"])
    ends = np.array([case["minimum"], case["maximum"]], dtype.numpy)
    assert ends.tobytes().hex() == case["ends"]
    assert len(case["ends"]) == 4 * dtype.itemsize


def layout_rule(case: Case) -> None:
    assert array_of(case).tobytes().hex() == case["bytes"]


def rescale_rule(case: Case) -> None:
    v, m, s = case["v"], case["m"], case["s"]
    assert str(rescale(v, m, s)) == case["result"]
    wide = rescale(np.array([v], np.int64), np.array([m], np.int64), np.array([s], np.int64))
    assert str(wide[0]) == case["result"]


def divide_rule(case: Case) -> None:
    assert divide(case["n"], case["d"]) == case["result"]
    assert (
        divide(np.array([case["n"]], np.int64), np.array([case["d"]], np.int64))[0]
        == case["result"]
    )


def clamp_rule(case: Case) -> None:
    assert int(np.clip(np.int64(case["v"]), case["minimum"], case["maximum"])) == case["result"]


def symbolic_rule(case: Case) -> None:
    tensor = TensorType(dtype=BY_CODE[case["dtype"]], shape=tuple(case["shape"]))
    assert tensor.size(case["units"]) == case["bytes"]


RULES: dict[str, Callable[[Case], None]] = {
    "T-1": dtype_rule,
    "T-2": layout_rule,
    "T-3": rescale_rule,
    "T-4": divide_rule,
    "T-5": clamp_rule,
    "T-8": symbolic_rule,
}


@pytest.mark.parametrize(
    "case", [*cases("01-tensors/arithmetic.json"), *cases("01-tensors/symbolic.json")]
)
def test_tensors(case: Case) -> None:
    RULES[case["rule"]](case)


@pytest.mark.parametrize(
    "case", [*cases("01-tensors/accumulators.json"), *cases("02-operators/refusals.json")]
)
def test_refusals(case: Case) -> None:
    values = tuple(value_of(tensor) for tensor in case["inputs"])
    if case["fault"] is None:
        results = OPERATORS[case["operator"]].infer(node_of(case), values)
        found = [[result.minimum, result.maximum] for result in results]
        assert found == case.get("intervals", found)
        return
    with pytest.raises(InvalidModel) as caught:
        OPERATORS[case["operator"]].infer(node_of(case), values)
    assert caught.value.code == case["fault"], caught.value.reason


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "case", [c for c in cases("02-operators/*.json") if expected_of(c.values[0])]
)
def test_operators(case: Case, backend: str) -> None:
    node = node_of(case)
    values = tuple(value_of(tensor) for tensor in case["inputs"])
    arrays = tuple(array_of(tensor) for tensor in case["inputs"])
    outputs = OPERATORS[node.operator].infer(node, values)
    expected = [array_of(tensor) for tensor in expected_of(case)]
    ready = started(backend)
    # The second input once as a weight, once as any other tensor.
    for weights in ({}, {1: arrays[1]} if len(arrays) > 1 else {}):
        results = ready.prepare(node, values, outputs, weights)(arrays)
        for got, want, out in zip(results, expected, outputs, strict=True):
            assert got.dtype == want.dtype == out.type.dtype.numpy
            assert got.shape == want.shape == out.type.concrete(units_of(case))
            assert got.tolist() == want.tolist()
    for want, out in zip(expected, outputs, strict=True):
        assert out.minimum <= want.min()
        assert want.max() <= out.maximum


def facts_of(data: bytes, limits: Limits = DEFAULT_LIMITS) -> ModelFacts:
    return validate(head_of(decode_model(data)), len(data), limits)


@pytest.mark.parametrize(
    "case", [*cases("03-models/encoding.json"), *cases("03-models/validation.json")]
)
def test_models(case: Case) -> None:
    data = bytes.fromhex(case["model"])
    if "fault" in case:
        with pytest.raises(InvalidModel) as caught:
            facts_of(data, replace(DEFAULT_LIMITS, **case.get("limits", {})))
        assert caught.value.code == case["fault"], caught.value.reason
        return
    if "limits" in case:
        facts_of(data, replace(DEFAULT_LIMITS, **case["limits"]))
        return
    model = decode_model(data)
    assert encode_model(model) == data
    assert head_of(model).head_bytes == case["manifest_bytes"] + case["graph_bytes"]
    assert model.manifest.graph_bytes == case["graph_bytes"]
    assert (model.manifest.name, model.manifest.maximum_units) == ("three", 5)
    (port,) = model.manifest.inputs
    assert (port.name, port.shape, port.scale_mantissa, port.scale_exponent) == (
        "x",
        (-1, 2),
        3,
        -7,
    )
    (node,) = model.graph.nodes
    assert (node.operator, node.inputs, model.graph.outputs) == ("GEMM", (0, 1), (2,))
    assert node.attribute("multipliers") == (2**30, 2**30, 2**31 - 1)
    assert list(model.weights) == [1, 2, 253, 4, 127, 128]


@pytest.mark.parametrize("case", cases("03-models/merkle.json"))
def test_merkle(case: Case) -> None:
    if "data" in case:
        assert model_id(bytes.fromhex(case["data"])).hex() == case["root"]
        return
    data = blake3(bytes.fromhex(case["seed"])).digest(length=case["size"])
    leaves = leaf_digests(data)
    assert [leaf.hex() for leaf in leaves] == case["leaves"]
    assert merkle_root(leaves).hex() == case["root"]


@pytest.mark.parametrize("case", cases("03-models/facts.json"))
def test_facts(case: Case) -> None:
    facts = facts_of(bytes.fromhex(case["model"]))
    if "live_bytes" in case:
        assert facts.live_bytes == case["live_bytes"]
        return
    counts = {name: list(count) for name, count in facts.cost.counts.items() if any(count)}
    assert counts == case["counts"]


@pytest.mark.parametrize("case", cases("03-models/costs.json"))
def test_costs(case: Case) -> None:
    operator = OPERATORS[case["operator"]]
    node, values = node_of(case), tuple(value_of(tensor) for tensor in case["inputs"])
    work = operator.work(node, values, operator.infer(node, values))
    assert {name: list(count) for name, count in work.items()} == case["counts"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("case", cases("03-models/runs.json"))
def test_runs(case: Case, backend: str) -> None:
    data, given = bytes.fromhex(case["model"]), bytes.fromhex(case["input"])
    facts = facts_of(data)
    assert units_from_input(facts, len(given)) == case["units"]
    if case["units"] is None:
        return
    if "fault" in case:
        with pytest.raises(InvalidInput) as caught:
            check_input(decode_model(data).manifest, given, case["units"])
        assert caught.value.code == case["fault"]
        return
    loaded = load(data, facts, started(backend))
    for _ in range(case.get("calls", 1)):
        result = loaded.run(given, case["units"])
        assert result.output.hex() == case["output"]
        assert [digest.hex() for digest in result.step_digests] == case["steps"]


def page(name: str) -> str:
    return (SPEC / name).read_text(encoding="utf-8")


def test_every_operator_has_its_file_section_and_vector() -> None:
    sections = re.findall(r"^### (\w+) `0x([0-9a-f]{4})`$", page("02-operators.md"), re.MULTILINE)
    assert {name: int(code, 16) for name, code in sections} == {
        name: operator.code for name, operator in OPERATORS.items()
    }
    run = {
        case.values[0]["operator"]
        for case in cases("02-operators/*.json")
        if expected_of(case.values[0])
    }
    assert run == set(OPERATORS)
    folder = Path(__file__).resolve().parents[2] / "ai_ops" / "ops"
    for name, operator in OPERATORS.items():
        assert operator.name == name
        assert operator.reference.__module__ == f"ai_ops.ops.{name.lower()}"
        assert (folder / f"{name.lower()}.py").exists()


def test_the_page_lists_every_field_in_encoding_order() -> None:
    text = page("02-operators.md")
    for name, operator in OPERATORS.items():
        section = text.partition(f"### {name} `")[2].partition("\n### ")[0]
        listed = re.findall(r"`(\w+)`: (?:list of )?(u8|u16|u32|i16|i32|i64)", section)
        assert listed == [(field.name, field.element) for field in operator.fields], name


def test_the_page_and_the_engine_have_the_same_exponentials() -> None:
    found = re.search(r"nearest integer, that is:\n\n((?: {4}[\d, ]+\n)+)", page("02-operators.md"))
    assert found is not None
    listed = tuple(int(entry) for entry in re.findall(r"\d+", found[1]))
    assert listed == EXPONENTIAL == tuple(plain_sequence.E)
    for k, entry in enumerate(EXPONENTIAL):  # nearest to 2^15 * 2^(-k / 256)
        assert (2 * entry - 1) ** 256 <= 2 ** (4096 - k) < (2 * entry + 1) ** 256


def test_the_page_lists_every_fault() -> None:
    rows = dict(re.findall(r"^\| (\d{3}) \| `(\w+)` \|", page("03-models.md"), re.MULTILINE))
    faults = [*ModelFault, *InputFault]
    assert {int(code): name for code, name in rows.items()} == {f.value: f.name for f in faults}
