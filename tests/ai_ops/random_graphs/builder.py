"""A graph that grows node by node from random choices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from ai_ops.dtype import DType
from ai_ops.errors import InvalidModel
from ai_ops.graph import SYMBOLIC, AttributeValue, TensorType, Value
from ai_ops.operators import OPERATORS, make_node

UNITS = 3
MAXIMUM_BYTES = 40_000
MAXIMUM_RANK = 6
Handle = tuple[str, int]  # ("input" | "weight" | "result", index): ids wait for the weight count
Attributes = Mapping[str, AttributeValue]
Proposal = tuple[tuple[Handle, ...], Attributes]
Proposals = dict[str, Callable[["Builder"], Proposal]]


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
        return self.typed_weight(
            self.random.choice((DType.I8, DType.I8, DType.I8, DType.I16)), *shape
        )

    def typed_weight(self, dtype: DType, *shape: int) -> Handle:
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

    def step(self, operator: str, propose: Callable[[Builder], Proposal]) -> None:
        """Add one node of `operator` if the proposal is a legal one."""
        kept = len(self.weights)
        try:
            handles, attributes = propose(self)
            node = make_node(operator, tuple(range(len(handles))), **attributes)
            values = tuple(self.value_of(handle) for handle in handles)
            outputs = OPERATORS[operator].infer(node, values)
            check_size(outputs)
        except InvalidModel:
            del self.weights[kept:]
            return
        handles = self.keep_used(handles, kept)
        self.nodes.append((operator, handles, attributes))
        self.results.extend(outputs)

    def keep_used(self, handles: tuple[Handle, ...], kept: int) -> tuple[Handle, ...]:
        """Drop the weights from `kept` on that a proposal made and then did not choose."""
        drawn = self.weights[kept:]
        del self.weights[kept:]
        moved: dict[Handle, Handle] = {}
        for kind, index in handles:
            if kind == "weight" and index >= kept and (kind, index) not in moved:
                moved[kind, index] = (kind, len(self.weights))
                self.weights.append(drawn[index - kept])
        return tuple(moved.get(handle, handle) for handle in handles)


def check_size(outputs: tuple[Value, ...]) -> None:
    for out in outputs:
        shape = out.type.shape
        if shape.count(SYMBOLIC) > 1 or len(shape) > MAXIMUM_RANK:
            raise InvalidModel(0, "no shape that a chain accepts")
        if out.type.size(UNITS) > MAXIMUM_BYTES:
            raise InvalidModel(0, "too large for a test")
