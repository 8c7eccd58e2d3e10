"""The memory plan: nothing alive is overwritten, and the peak known at activation bounds it."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from ai_ops.backends.base import Program
from ai_ops.dtype import DType
from ai_ops.executor import program_of
from ai_ops.graph import Graph, Model, Node
from ai_ops.model import build_model
from ai_ops.operators import make_node
from ai_ops.planner import ALIGNMENT, Plan, plan_memory
from tests.ai_ops.models import lenet, mlp, port
from tests.ai_ops.random_graphs import random_model
from tests.ai_ops.test_executor import facts_of

SEEDS = range(300)


def program(model: Model) -> Program:
    return program_of(model, facts_of(model))


def lifetimes(it: Program) -> dict[int, range]:
    """Steps at which a value's bytes must be intact, counted on its own from the graph."""
    steps = len(it.steps)
    alive: dict[int, range] = {}
    for value in range(len(it.facts.values)):
        if value in it.weights:
            continue
        born = next((i for i, step in enumerate(it.steps) if value in step.outputs), -1)
        readers = [i for i, step in enumerate(it.steps) if value in step.node.inputs]
        dies = steps if value in it.model.graph.outputs else max(readers)
        alive[value] = range(born, dies + 1)
    return alive


def check_plan(it: Program, plan: Plan, n: int) -> None:
    """Play the run: write each result, and see that every operand is still what was written."""
    arena = np.full(plan.arena_bytes, -1, np.int64)  # the value that owns each byte
    sizes = [value.type.size(n) for value in it.facts.values]
    places = {
        value: slice(offset, offset + sizes[value])
        for value, offset in enumerate(plan.offsets)
        if offset >= 0
    }
    for place in places.values():
        assert place.start % ALIGNMENT == 0
        assert place.stop <= plan.arena_bytes

    def read(value: int) -> None:
        root = plan.roots[value]
        if value not in places:
            assert root in it.weights
            return
        assert (arena[places[value]] == root).all(), (value, root)

    for value in range(len(it.model.manifest.inputs)):
        arena[places[value]] = value
    for step in it.steps:
        for value in step.node.inputs:
            read(value)
        for value in step.outputs:
            if plan.roots[value] == value:
                arena[places[value]] = value
        for value in (*step.node.inputs, *step.outputs):
            read(value)  # a result never lies on an operand
    for value in it.model.graph.outputs:
        read(value)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_live_tensor_is_overwritten(seed: int) -> None:
    it = program(random_model(seed, nodes=Random(seed).randint(1, 40)))
    units = it.facts.maximum_units
    plan = plan_memory(it, units)
    check_plan(it, plan, units)
    check_plan(it, plan, 1)  # the plan of the largest n serves the smaller ones
    assert plan == plan_memory(it, units)
    assert plan.live_bytes == it.facts.live_bytes
    assert plan.block_bytes <= plan.live_bytes
    assert plan.block_bytes <= plan.arena_bytes
    assert plan.bound <= it.facts.live_bytes * 5 // 4 + ALIGNMENT * len(it.facts.values)
    assert plan_memory(it, 1).live_bytes == max(
        sum(it.facts.values[value].type.size(1) for value, life in alive if step in life)
        for alive in [list(lifetimes(it).items())]
        for step in range(-1, len(it.steps) + 1)
    )


def test_few_plans_waste_so_much_that_a_runner_must_not_use_them() -> None:
    loose = []
    for seed in SEEDS:
        it = program(random_model(seed, nodes=Random(seed).randint(1, 40)))
        if not plan_memory(it, it.facts.maximum_units).tight:
            loose.append(seed)
    assert len(loose) <= len(SEEDS) // 50, loose


@pytest.mark.parametrize("model", [lenet(), mlp()], ids=["lenet", "mlp"])
def test_networks_need_little_more_than_their_peak(model: Model) -> None:
    it = program(model)
    for n in (1, it.facts.maximum_units):
        plan = plan_memory(it, n)
        check_plan(it, plan, n)
        assert plan.arena_bytes <= plan.block_bytes + 3 * ALIGNMENT


def chained(nodes: tuple[Node, ...], shape: tuple[int, ...], outputs: tuple[int, ...]) -> Model:
    return build_model(
        name="chain",
        inputs=(port("x", DType.I8, shape),),
        outputs=tuple(port(f"y{at}", DType.I8, shape) for at in range(len(outputs))),
        graph=Graph(weights=(), nodes=nodes, outputs=outputs),
        weights=b"",
    )


def clamp(x: int) -> Node:
    return make_node("CLAMP", (x,), minimum=-128, maximum=127)


def test_a_view_lives_in_its_tensor_and_keeps_it() -> None:
    nodes = (
        make_node("RESHAPE", (0,), shape=(8, 8)),
        make_node("RESHAPE", (1,), shape=(64,)),
        clamp(0),
        clamp(3),
    )
    it = program(chained(nodes, (64,), (2, 4)))
    plan = plan_memory(it, 1)
    assert plan.roots == (0, 0, 0, 3, 4)
    assert plan.offsets[0] == plan.offsets[1] == plan.offsets[2]
    assert (plan.blocks, plan.block_bytes, plan.live_bytes) == (3, 3 * 64, 3 * 64)
    assert plan_memory(program(chained(nodes[:3], (64,), (2, 3))), 1).block_bytes == 2 * 64
    check_plan(it, plan, 1)


def test_a_plan_over_its_bound_is_not_tight() -> None:
    plan = plan_memory(program(lenet()), 1)
    loose = Plan(
        n=1,
        roots=plan.roots,
        offsets=plan.offsets,
        arena_bytes=plan.bound + 1,
        block_bytes=plan.block_bytes,
        live_bytes=plan.live_bytes,
        blocks=plan.blocks,
    )
    assert plan.tight
    assert not loose.tight


def test_the_deepest_graph_is_planned_quickly() -> None:
    nodes = tuple(clamp(at) for at in range(4_096))
    plan = plan_memory(program(chained(nodes, (64,), (4_096,))), 1)
    assert plan.arena_bytes == 2 * 64


def test_the_widest_graph_is_planned_quickly() -> None:
    """4,000 tensors side by side."""
    joins = [tuple(range(at, at + 1_000)) for at in range(1, 4_001, 1_000)]
    graph = Graph(
        weights=(),
        nodes=(*(clamp(0) for _ in range(4_000)), *(make_node("CONCAT", j, axis=0) for j in joins)),
        outputs=tuple(range(4_001, 4_005)),
    )
    model = build_model(
        name="wide",
        inputs=(port("x", DType.I8, (64,)),),
        outputs=tuple(port(f"y{at}", DType.I8, (64_000,)) for at in range(4)),
        graph=graph,
        weights=b"",
    )
    plan = plan_memory(program(model), 1)
    assert plan.tight
    assert plan.arena_bytes >= plan.block_bytes == 4_001 * 64 + 64_000 - 64
