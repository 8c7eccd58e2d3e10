"""Random valid models: every operator, every dtype, odd shapes, extreme constants."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from random import Random

from ai_ops.dtype import DType
from ai_ops.errors import InvalidModel
from ai_ops.graph import SYMBOLIC, AttributeValue, Graph, Model, Port, TensorType, Value
from ai_ops.model import build_model
from ai_ops.operators import OPERATORS, make_node

UNITS = 3
MAXIMUM_BYTES = 40_000
Handle = tuple[str, int]  # ("input" | "weight" | "result", index): ids wait for the weight count
Attributes = Mapping[str, AttributeValue]
Proposal = tuple[tuple[Handle, ...], Attributes]


class Builder:
    """Grows a graph node by node; a proposal that the operator rejects is dropped."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.inputs = [self.random_input() for _ in range(random.randint(1, 2))]
        self.weights: list[TensorType] = []
        self.nodes: list[tuple[str, tuple[Handle, ...], Attributes]] = []
        self.results: list[Value] = []

    def random_input(self) -> Value:
        dtype = self.random.choice((DType.I8, DType.I8, DType.U8, DType.I16))
        lead = self.random.choice((SYMBOLIC, SYMBOLIC, 1, 2))
        shape = self.random.choice(
            ((lead, 9, 8, 3), (lead, 12, 7, 1), (lead, 6, 6, 20), (lead, 40), (lead, 5, 16))
        )
        low, high = dtype.minimum, dtype.maximum
        if self.random.random() < 0.3:
            low, high = max(low, -100), 100
        return Value(type=TensorType(dtype=dtype, shape=shape), minimum=low, maximum=high)

    def value_of(self, handle: Handle) -> Value:
        kind, index = handle
        if kind == "weight":
            weight = self.weights[index]
            return Value(type=weight, minimum=weight.dtype.minimum, maximum=weight.dtype.maximum)
        return (self.inputs if kind == "input" else self.results)[index]

    def pick(self, rank: int | None = None) -> Handle:
        """Choose a tensor, late ones more often so that graphs grow deep."""
        handles: list[Handle] = [("input", at) for at in range(len(self.inputs))]
        handles += [("result", at) for at in range(len(self.results))]
        found = [h for h in handles if rank in {None, len(self.value_of(h).type.shape)}]
        if not found:
            raise InvalidModel(0, "no tensor of this rank yet")
        return found[-1 - min(int(self.random.expovariate(0.5)), len(found) - 1)]

    def shape(self, handle: Handle) -> tuple[int, ...]:
        return self.value_of(handle).type.shape

    def weight(self, *shape: int) -> Handle:
        dtype = self.random.choice((DType.I8, DType.I8, DType.I8, DType.I16))
        self.weights.append(TensorType(dtype=dtype, shape=shape))
        return ("weight", len(self.weights) - 1)

    def clamp(self, dtype: DType) -> dict[str, AttributeValue]:
        low, high = sorted(self.random.randint(dtype.minimum, dtype.maximum) for _ in range(2))
        if self.random.random() < 0.6:
            low, high = dtype.minimum, dtype.maximum
        return {"minimum": low, "maximum": high}

    def pair(self) -> tuple[int, int]:
        if self.random.random() < 0.2:
            multiplier = self.random.choice((0, 1, 2**31 - 1, self.random.randrange(2**31)))
            return multiplier, self.random.choice((1, 2, 61, 62, self.random.randint(1, 62)))
        return self.random.randrange(2**30, 2**31), self.random.randint(30, 42)

    def dtype(self) -> DType:
        return self.random.choice((DType.I8, DType.I8, DType.I16, DType.I32, DType.U8))

    def rescaled(self, channels: int) -> dict[str, AttributeValue]:
        count = channels if channels > 0 and self.random.random() < 0.6 else 1
        pairs = [self.pair() for _ in range(count)]
        dtype = self.dtype()
        return {
            "multipliers": tuple(multiplier for multiplier, _ in pairs),
            "shifts": tuple(shift for _, shift in pairs),
            "dtype": dtype.code,
            **self.clamp(dtype),
        }

    def bias(self, channels: int) -> tuple[int, ...]:
        if self.random.random() < 0.3:
            return ()
        return tuple(self.random.randint(-(2**16), 2**16) for _ in range(channels))

    def window(self, kernel: tuple[int, int], dilations: tuple[int, int]) -> Attributes:
        reach = [(size - 1) * gap for size, gap in zip(kernel, dilations, strict=True)]
        return {
            "strides": (self.random.randint(1, 3), self.random.randint(1, 3)),
            "padding": tuple(self.random.randint(0, reach[at % 2]) for at in range(4)),
        }

    def step(self, operator: str) -> None:
        """Add one node of `operator` if a legal one is drawn."""
        kept = len(self.weights)
        try:
            handles, attributes = PROPOSALS[operator](self)
            node = make_node(operator, tuple(range(len(handles))), **attributes)
            values = tuple(self.value_of(handle) for handle in handles)
            outputs = OPERATORS[operator].infer(node, values)
            check_size(outputs)
        except InvalidModel:
            del self.weights[kept:]
            return
        self.nodes.append((operator, handles, attributes))
        self.results.extend(outputs)


def check_size(outputs: tuple[Value, ...]) -> None:
    for out in outputs:
        if out.type.shape.count(SYMBOLIC) > 1 or out.type.size(UNITS) > MAXIMUM_BYTES:
            raise InvalidModel(0, "too large for a test")


def propose_gemm(b: Builder) -> Proposal:
    x = b.pick()
    units = b.random.choice((1, 3, 10, 33))
    attributes = {"bias": b.bias(units), **b.rescaled(units)}
    return (x, b.weight(units, max(b.shape(x)[-1], 1))), attributes


def propose_conv2d(b: Builder) -> Proposal:
    x = b.pick(rank=4)
    channels = max(b.shape(x)[3], 1)
    groups = b.random.choice([g for g in range(1, channels + 1) if channels % g == 0])
    filters = groups * b.random.choice((1, 1, 2, 5, 17))
    kernel = (b.random.randint(1, 5), b.random.randint(1, 5))
    dilations = b.random.choice(((1, 1), (1, 1), (2, 1), (1, 2)))
    attributes = {
        **b.window(kernel, dilations),
        "dilations": dilations,
        "groups": groups,
        "bias": b.bias(filters),
        **b.rescaled(filters),
    }
    return (x, b.weight(filters, *kernel, channels // groups)), attributes


def propose_max_pool2d(b: Builder) -> Proposal:
    kernel = (b.random.randint(1, 4), b.random.randint(1, 4))
    return (b.pick(rank=4),), {"kernel": kernel, **b.window(kernel, (1, 1))}


def propose_avg_pool2d(b: Builder) -> Proposal:
    handles, attributes = propose_max_pool2d(b)
    return handles, {**attributes, "count_padding": b.random.randint(0, 1)}


def propose_pairwise(b: Builder) -> tuple[Handle, Handle]:
    a = b.pick()
    shape = b.shape(a)
    fixed = tuple(size if size != SYMBOLIC and b.random.random() < 0.7 else 1 for size in shape)
    other = b.weight(*fixed[b.random.randint(0, len(fixed) - 1) :])
    choices = (other, a, b.pick())
    pair = (a, b.random.choice(choices))
    if pair[1] != other:
        b.weights.pop()
    return pair if b.random.random() < 0.5 else (pair[1], pair[0])


def propose_sum(b: Builder) -> Proposal:
    handles = propose_pairwise(b)
    (multiplier_a, shift_a), (multiplier_b, shift_b) = b.pair(), b.pair()
    dtype = b.dtype()
    attributes = {
        "multiplier_a": multiplier_a,
        "shift_a": shift_a,
        "multiplier_b": multiplier_b,
        "shift_b": shift_b,
        "dtype": dtype.code,
        **b.clamp(dtype),
    }
    return handles, attributes


def propose_mul(b: Builder) -> Proposal:
    handles = propose_pairwise(b)
    multiplier, shift = b.pair()
    dtype = b.dtype()
    scale = {"multiplier": multiplier, "shift": shift, "dtype": dtype.code}
    return handles, {**scale, **b.clamp(dtype)}


def propose_rescale(b: Builder) -> Proposal:
    x = b.pick()
    return (x,), b.rescaled(b.shape(x)[-1])


def propose_clamp(b: Builder) -> Proposal:
    x = b.pick()
    return (x,), b.clamp(b.value_of(x).type.dtype)


def propose_table8(b: Builder) -> Proposal:
    dtype = b.random.choice((DType.I8, DType.U8, DType.I16))
    low, high = dtype.minimum, dtype.maximum
    table = tuple(b.random.randint(low, high) for _ in range(256))
    return (b.pick(),), {"dtype": dtype.code, "table": table}


def propose_reshape(b: Builder) -> Proposal:
    x = b.pick()
    shape = list(b.shape(x))
    fixed = prod(size for size in shape if size != SYMBOLIC)
    divisor = b.random.choice([d for d in range(1, min(fixed, 40) + 1) if fixed % d == 0])
    parts = [fixed // divisor, divisor]
    if SYMBOLIC in shape:
        parts.insert(b.random.randint(0, 2), SYMBOLIC)
    return (x,), {"shape": tuple(parts)}


def propose_transpose(b: Builder) -> Proposal:
    x = b.pick()
    rank = len(b.shape(x))
    return (x,), {"permutation": tuple(b.random.sample(range(rank), rank))}


def propose_concat(b: Builder) -> Proposal:
    x = b.pick()
    others = [h for h in (b.pick(), b.pick(), x) if b.shape(h)[:-1] == b.shape(x)[:-1]]
    axis = b.random.choice((len(b.shape(x)) - 1, b.random.randrange(len(b.shape(x)))))
    return (x, *others), {"axis": axis}


def propose_argmax(b: Builder) -> Proposal:
    x = b.pick()
    return (x,), {"axis": b.random.randrange(len(b.shape(x)))}


PROPOSALS = {
    "GEMM": propose_gemm,
    "CONV2D": propose_conv2d,
    "MAX_POOL2D": propose_max_pool2d,
    "AVG_POOL2D": propose_avg_pool2d,
    "ADD": propose_sum,
    "SUB": propose_sum,
    "MUL": propose_mul,
    "RESCALE": propose_rescale,
    "CLAMP": propose_clamp,
    "TABLE8": propose_table8,
    "RESHAPE": propose_reshape,
    "TRANSPOSE": propose_transpose,
    "CONCAT": propose_concat,
    "ARGMAX": propose_argmax,
}


def random_model(seed: int, nodes: int = 12) -> Model:
    """Build a valid model from a seed; unread results become its outputs."""
    builder = Builder(Random(seed))
    while len(builder.nodes) < nodes:
        builder.step(builder.random.choice((*PROPOSALS, "CONV2D", "CONV2D", "GEMM")))
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


__all__ = ["UNITS", "node_count", "random_input", "random_model"]
