"""A call from bytes to bytes: sizes, ranges, digests, faults."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
from blake3 import blake3

from ai_ops import executor
from ai_ops.backends import select_backend
from ai_ops.backends.base import Backend, Kernel
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.dtype import Array, DType
from ai_ops.errors import BackendFault, InputFault, InvalidInput
from ai_ops.executor import LoadedModel, check_input, load, run_exact
from ai_ops.graph import Graph, Model, Node, Value
from ai_ops.model import build_model, encode_model, head_of
from ai_ops.operators import make_node
from ai_ops.validate import DEFAULT_LIMITS, ModelFacts, units_from_input, validate
from tests.ai_ops.models import lenet, mlp, port, weight


def facts_of(model: Model) -> ModelFacts:
    return validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)


def loaded(model: Model) -> LoadedModel:
    return load(model, facts_of(model), select_backend("reference"))


def dense_by_hand(x: list[int], w: list[list[int]], shift: int, low: int) -> list[int]:
    sums = [sum(a * b for a, b in zip(x, row, strict=True)) + j for j, row in enumerate(w)]
    return [min(127, max(low, (s * 2**30 + 2 ** (shift - 1)) // 2**shift)) for s in sums]


def test_mlp_equals_plain_integers() -> None:
    model = mlp()
    w1 = np.frombuffer(model.weights, np.int8, 128).reshape(16, 8).tolist()
    w2 = np.frombuffer(model.weights, np.int8, 64, 128).reshape(4, 16).tolist()
    rows = [[-128, 127, 0, 5, -7, 99, -100, 1], [1, 2, 3, 4, 5, 6, 7, 8]]
    hidden = [dense_by_hand(row, w1, 38, 0) for row in rows]
    expected = [dense_by_hand(row, w2, 38, -127) for row in hidden]

    result = loaded(model).run(np.array(rows, np.int8).tobytes(), 2)

    assert np.frombuffer(result.output, np.int8).reshape(2, 4).tolist() == expected
    assert expected != [[0] * 4] * 2
    preimage = b"\x02" + struct.pack("<IHBBBQQ", 0, 0x0101, 1, 1, 2, 2, 16)
    first = blake3(preimage + np.array(hidden, np.int8).tobytes()).digest()
    assert result.step_digests[0] == first
    assert len(result.step_digests) == 2


def test_a_batch_is_its_rows() -> None:
    model = loaded(lenet())
    images = np.random.default_rng(5).integers(-128, 128, (3, 784)).astype(np.int8)
    together = model.run(images.tobytes(), 3).output
    assert together == b"".join(model.run(image.tobytes(), 1).output for image in images)
    assert len(set(together)) > 10


def test_facts_give_sizes_and_units() -> None:
    facts = facts_of(lenet())
    assert facts.macs == 24 * 24 * 6 * 25 + 8 * 8 * 16 * 150 + 256 * 120 + 120 * 84 + 840
    assert (facts.input_bytes(3), facts.output_bytes(3), facts.steps) == (2352, 120, 8)
    sizes = (0, 784, 785, 64 * 784, 65 * 784)
    assert [units_from_input(facts, size) for size in sizes] == [None, 1, None, 64, None]


def test_trace_shows_what_run_committed_to() -> None:
    model = loaded(mlp())
    data = bytes(range(8))
    trace = model.trace(data, 1)
    result = model.run(data, 1)
    assert tuple(step.digest for step in trace) == result.step_digests
    assert trace[-1].tensor == result.output
    assert [(step.operator, step.dtype, step.shape) for step in trace] == [
        ("GEMM", "i8", (1, 16)),
        ("GEMM", "i8", (1, 4)),
    ]
    assert trace[0].minimum == min(np.frombuffer(trace[0].tensor, np.int8))


@pytest.mark.parametrize(
    ("data", "n", "code"),
    [
        (b"", 1, InputFault.SIZE),
        (bytes(7), 1, InputFault.SIZE),
        (bytes(9), 1, InputFault.SIZE),
        (bytes(8), 0, InputFault.UNITS),
        (bytes(40), 5, InputFault.UNITS),
        (b"\x04" + bytes(7), 1, InputFault.RANGE),
        (b"\xfc" + bytes(7), 1, InputFault.RANGE),
    ],
)
def test_bad_input_is_refused_before_step_0(data: bytes, n: int, code: InputFault) -> None:
    model = mlp()
    narrow = replace(
        model, manifest=replace(model.manifest, inputs=(port("x", DType.I8, (-1, 8), -3, 3),))
    )
    with pytest.raises(InvalidInput) as caught:
        loaded(narrow).run(data, n)
    assert caught.value.code == code
    with pytest.raises(InvalidInput):
        check_input(head_of(narrow), data, n)


class Broken:
    """A backend whose kernels fail, as a lost device does."""

    def __init__(self, kernel: Kernel, name: str = "broken") -> None:
        self.kernel = kernel
        self.name = name

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        del node, inputs, outputs, weights
        return self.kernel


def out_of_memory(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    raise MemoryError


def wrong_shape(arrays: tuple[Array, ...]) -> tuple[Array, ...]:
    return (np.zeros((1, 1), np.int8),)


@pytest.mark.parametrize("kernel", [out_of_memory, wrong_shape])
def test_a_fault_is_local_and_the_reference_answers(kernel: Kernel) -> None:
    model = mlp()
    faulty = load(model, facts_of(model), Broken(kernel))
    with pytest.raises(BackendFault):
        faulty.run(bytes(8), 1)
    assert run_exact(faulty, bytes(8), 1) == loaded(model).run(bytes(8), 1)


def test_a_fault_of_a_card_goes_to_the_cpu_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def select(name: str) -> Backend:
        asked.append(name)
        return ReferenceBackend() if name == "reference" else Broken(out_of_memory, name)

    monkeypatch.setattr(executor, "select_backend", select)
    model = mlp()
    faulty = load(model, facts_of(model), Broken(out_of_memory, "gpu"))
    assert run_exact(faulty, bytes(8), 1) == loaded(model).run(bytes(8), 1)
    assert asked == ["cpu", "reference"]


def test_a_result_never_depends_on_earlier_calls() -> None:
    """Cortex let a model place a result on its own weights; three calls gave three answers."""
    pair = dict.fromkeys(("multiplier_a", "multiplier_b"), 2**30)
    node = make_node(
        "ADD", (0, 1), **pair, shift_a=30, shift_b=30, dtype=1, minimum=-128, maximum=127
    )
    graph = Graph(weights=(weight(4),), nodes=(node,), outputs=(2,))
    model = build_model(
        name="sum",
        inputs=(port("x", DType.I8, (4,)),),
        outputs=(port("y", DType.I8, (4,)),),
        graph=graph,
        weights=bytes([10, 20, 30, 40]),
    )
    for backend in ("reference", "numba", "cpu"):
        ready = load(model, facts_of(model), select_backend(backend))
        answers = [ready.run(bytes([1, 2, 3, 4]), 1).output for _ in range(3)]
        assert answers == [bytes([11, 22, 33, 44])] * 3
