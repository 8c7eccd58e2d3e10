"""Random models and inputs, each from a seed."""

from __future__ import annotations

from random import Random

from ai_ops.dtype import DType
from ai_ops.graph import Graph, Model, Port, Value
from ai_ops.model import build_model
from ai_ops.operators import make_node
from tests.ai_ops.random_graphs import (
    detection,
    elementwise,
    movement,
    pools,
    products,
    reductions,
    sequences,
)
from tests.ai_ops.random_graphs.builder import UNITS, Builder, Proposals

PROPOSALS: Proposals = {
    **products.PROPOSALS,
    **pools.PROPOSALS,
    **elementwise.PROPOSALS,
    **movement.PROPOSALS,
    **reductions.PROPOSALS,
    **sequences.PROPOSALS,
    **detection.PROPOSALS,
}

# Operators of many shapes, and those whose operands are rarely there.
OFTEN = ("CONV2D", "CONV2D", "GEMM", "DYNAMIC_QUANTIZE", *("GEMM_DYNAMIC",) * 3, "TABLE16", "ROPE")


def random_model(seed: int, nodes: int = 20) -> Model:
    """Build a valid model from a seed; unread results become its outputs."""
    builder = Builder(Random(seed))
    while len(builder.nodes) < nodes:
        operator = builder.random.choice((*PROPOSALS, *OFTEN))
        builder.step(operator, PROPOSALS[operator])
    read = {handle for _, handles, _ in builder.nodes for handle in handles}
    for at, value in enumerate(builder.inputs):
        if ("input", at) not in read:
            limits = {"minimum": value.type.dtype.minimum, "maximum": value.type.dtype.maximum}
            builder.nodes.append(("CLAMP", (("input", at),), limits))
            builder.results.append(value)
    first = {"input": 0, "weight": len(builder.inputs)}
    first["result"] = first["weight"] + len(builder.weights)
    leaving = [at for at in range(len(builder.results)) if ("result", at) not in read]
    graph = Graph(
        weights=tuple(builder.weights),
        nodes=tuple(
            make_node(operator, tuple(first[kind] + at for kind, at in handles), **attributes)
            for operator, handles, attributes in builder.nodes
        ),
        outputs=tuple(first["result"] + at for at in leaving),
    )
    symbolic = any(value.type.symbolic for value in builder.inputs)
    return build_model(
        name=f"random {seed}",
        inputs=tuple(_port(f"x{at}", value) for at, value in enumerate(builder.inputs)),
        outputs=tuple(_port(f"y{at}", builder.results[at]) for at in leaving),
        graph=graph,
        weights=_bytes(builder.random, graph.weight_bytes),
        maximum_units=UNITS if symbolic else 1,
    )


def random_input(model: Model, n: int, random: Random) -> bytes:
    """Draw an input inside the declared ranges: uniform, or only its two ends."""
    parts = []
    for port in model.manifest.inputs:
        ends = random.random() < 0.3
        for _ in range(port.type.elements(n)):
            drawn = random.choice((port.minimum, port.maximum)) if ends else None
            value = random.randint(port.minimum, port.maximum) if drawn is None else drawn
            signed = port.dtype is not DType.U8
            parts.append(value.to_bytes(port.dtype.itemsize, "little", signed=signed))
    return b"".join(parts)


def _bytes(random: Random, count: int) -> bytes:
    """Weights: random, or all -128, the largest magnitude."""
    return b"\x80" * count if random.random() < 0.15 else random.randbytes(count)


def _port(name: str, value: Value) -> Port:
    return Port(
        name=name,
        dtype=value.type.dtype,
        shape=value.type.shape,
        scale_mantissa=1,
        scale_exponent=0,
        minimum=value.minimum,
        maximum=value.maximum,
    )


def node_count(model: Model) -> dict[str, int]:
    """Count the operators of a model."""
    counts: dict[str, int] = {}
    for node in model.graph.nodes:
        counts[node.operator] = counts.get(node.operator, 0) + 1
    return counts
