"""Networks of known shapes with random weights: what a run takes depends on shapes only."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import frexp, sqrt

import numpy as np

from ai_ops.dtype import DType
from ai_ops.graph import AttributeValue, Graph, Model, Node, Port, TensorType
from ai_ops.model import build_model
from ai_ops.operators import make_node

I8, I16, I32 = DType.I8, DType.I16, DType.I32
LIMITS = {"dtype": I8.code, "minimum": -128, "maximum": 127}


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value that has no number yet."""

    kind: str
    index: int
    shape: tuple[int, ...]


@dataclass(slots=True)
class Network:
    """Collects inputs, weights and nodes; numbers them at the end."""

    seed: int
    ports: list[Port] = field(default_factory=list)
    types: list[TensorType] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    nodes: list[tuple[str, tuple[Tensor, ...], dict[str, AttributeValue]]] = field(
        default_factory=list
    )
    results: int = 0

    def input(self, shape: tuple[int, ...], dtype: DType = I8, low: int = -127, high: int = 127):
        port = Port(
            name=f"x{len(self.ports)}",
            dtype=dtype,
            shape=shape,
            scale_mantissa=1,
            scale_exponent=0,
            minimum=low,
            maximum=high,
        )
        self.ports.append(port)
        return Tensor("input", len(self.ports) - 1, shape)

    def weight(self, shape: tuple[int, ...], dtype: DType = I8) -> Tensor:
        self.types.append(TensorType(dtype=dtype, shape=shape))
        size = self.types[-1].elements(1)
        random = np.random.default_rng((self.seed, len(self.types)))
        top = 127 if dtype is I8 else 2**14
        drawn = random.integers(-top, top, size, dtype=np.int8 if dtype is I8 else np.int16)
        self.data.append(drawn.astype(dtype.numpy).tobytes())
        return Tensor("weight", len(self.types) - 1, shape)

    def add(
        self, operator: str, inputs: tuple[Tensor, ...], *shapes: tuple[int, ...], **fields
    ) -> Tensor | tuple[Tensor, ...]:
        self.nodes.append((operator, inputs, fields))
        made = tuple(Tensor("result", self.results + at, shape) for at, shape in enumerate(shapes))
        self.results += len(made)
        return made if len(made) > 1 else made[0]

    def conv(self, x, filters: int, kernel: int, stride: int = 1, groups: int = 1, low: int = 0):
        batch, height, width, channels = x.shape
        w = self.weight((filters, kernel, kernel, channels // groups))
        side = (kernel - 1) // 2
        multiplier, shift = factor(40 / (74 * 74 * sqrt(kernel * kernel * channels // groups)))
        return self.add(
            "CONV2D",
            (x, w),
            (batch, -(-height // stride), -(-width // stride), filters),
            strides=(stride, stride),
            padding=(side, side, side, side),
            dilations=(1, 1),
            groups=groups,
            bias=(0,) * filters,
            multipliers=(multiplier,) * filters,
            shifts=(shift,) * filters,
            **{**LIMITS, "minimum": low},
        )

    def dense(self, x, units: int):
        depth = x.shape[-1]
        multiplier, shift = factor(40 / (74 * 74 * sqrt(depth)))
        return self.add(
            "GEMM",
            (x, self.weight((units, depth))),
            (*x.shape[:-1], units),
            bias=(0,) * units,
            multipliers=(multiplier,) * units,
            shifts=(shift,) * units,
            **LIMITS,
        )

    def sum(self, a, b, dtype: DType = I8):
        half = 2**30
        return self.add(
            "ADD",
            (a, b),
            a.shape,
            multiplier_a=half,
            shift_a=31,
            multiplier_b=half,
            shift_b=31,
            dtype=dtype.code,
            minimum=-127 if dtype is I8 else -32_767,
            maximum=127 if dtype is I8 else 32_767,
        )

    def dynamic_dense(self, x, units: int, dtype: DType = I16):
        """Quantize each row, then multiply."""
        rows, depth = x.shape
        q, a = self.add("DYNAMIC_QUANTIZE", (x,), x.shape, (rows, 1))
        multiplier, _ = factor(0.9)
        top = dtype.maximum
        return self.add(
            "GEMM_DYNAMIC",
            (q, a, self.weight((units, depth))),
            (rows, units),
            bias=(0,) * units,
            multipliers=(multiplier,) * units,
            shifts=(40 if dtype is I16 else 48,) * units,
            dtype=dtype.code,
            minimum=-top,
            maximum=top,
        )

    def attention(self, q, k, v, heads: int, kv_heads: int, extra=(), causal: int = 0):
        multiplier, shift = factor(1 / 64)
        return self.add(
            "ATTENTION",
            (q, k, v, *extra),
            q.shape,
            heads=heads,
            kv_heads=kv_heads,
            causal=causal,
            probability_bits=7,
            multiplier=multiplier,
            shift=shift,
            multipliers=(2**30,),
            shifts=(30,),
            dtype=I16.code,
            minimum=-32_767,
            maximum=32_767,
        )

    def norm(self, x, operator: str):
        fields: dict[str, AttributeValue] = {
            "gamma": (3_000,) * x.shape[-1],
            "epsilon": 1,
            "shift": 10,
            "dtype": I16.code,
            "minimum": -32_767,
            "maximum": 32_767,
        }
        if operator == "LAYER_NORM":
            fields["beta"] = (5,) * x.shape[-1]
        return self.add(operator, (x,), x.shape, **fields)

    def table16(self, x):
        curve = tuple(
            round(32_000 * (at - 256) / 256 / (1 + 2 ** (-(at - 256) / 32))) for at in range(513)
        )
        multiplier, shift = factor(1 / 128)
        return self.add(
            "TABLE16",
            (x,),
            x.shape,
            table=curve,
            multipliers=(multiplier,),
            shifts=(shift,),
            dtype=I16.code,
            minimum=-32_767,
            maximum=32_767,
        )

    def rescale(self, x, dtype: DType, by: float):
        multiplier, shift = factor(by)
        return self.add(
            "RESCALE",
            (x,),
            x.shape,
            multipliers=(multiplier,),
            shifts=(shift,),
            dtype=dtype.code,
            minimum=-dtype.maximum,
            maximum=dtype.maximum,
        )

    def model(self, name: str, outputs: tuple[Tensor, ...]) -> Model:
        first = {"input": 0, "weight": len(self.ports)}
        first["result"] = first["weight"] + len(self.types)

        def number(tensor: Tensor) -> int:
            return first[tensor.kind] + tensor.index

        nodes: list[Node] = [
            make_node(operator, tuple(number(x) for x in inputs), **fields)
            for operator, inputs, fields in self.nodes
        ]
        dtypes = {number(t): t for t in outputs}
        ports = tuple(
            Port(
                name=f"y{at}",
                dtype=dtype,
                shape=tensor.shape,
                scale_mantissa=1,
                scale_exponent=0,
                minimum=dtype.minimum,
                maximum=dtype.maximum,
            )
            for at, tensor in enumerate(dtypes.values())
            for dtype in [output_dtype(nodes, number(tensor) - first["result"], self)]
        )
        return build_model(
            name=name,
            inputs=tuple(self.ports),
            outputs=ports,
            graph=Graph(weights=tuple(self.types), nodes=tuple(nodes), outputs=tuple(dtypes)),
            weights=b"".join(self.data),
        )


def output_dtype(nodes: list[Node], result: int, network: Network) -> DType:
    """Return the dtype of a result; of two results of one node only the first leaves a model."""
    del network
    at = 0
    for node in nodes:
        if at == result:
            codes = {dtype.code: dtype for dtype in DType}
            if node.operator == "ARGMAX":
                return I32
            names = dict(node.attributes)
            return codes[names["dtype"]] if "dtype" in names else I8  # type: ignore[index]
        at += 2 if node.operator == "DYNAMIC_QUANTIZE" else 1
    raise AssertionError(result)


def factor(by: float) -> tuple[int, int]:
    """Return multiplier and shift of a factor."""
    mantissa, exponent = frexp(by)
    return int(mantissa * 2**31), 31 - exponent


def resnet20() -> Model:
    """ResNet-20 for 32 x 32 images, 41 million multiply-accumulates."""
    net = Network(1)
    x = net.conv(net.input((1, 32, 32, 3)), 16, 3)
    for filters in (16, 32, 64):
        for block in range(3):
            stride = 2 if filters > 16 and block == 0 else 1
            y = net.conv(net.conv(x, filters, 3, stride), filters, 3, low=-127)
            shortcut = x if stride == 1 else net.conv(x, filters, 1, stride, low=-127)
            x = net.sum(y, shortcut)
    mean = net.add("MEAN", (x,), (1, 64), axes=(1, 2), keep=0)
    return net.model("resnet20", (net.dense(mean, 10),))


def mobilenet() -> Model:
    """MobileNet (version 1) for 224 x 224 images, 569 million multiply-accumulates."""
    net = Network(2)
    x = net.conv(net.input((1, 224, 224, 3)), 32, 3, 2)
    plan = [(64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2)]
    plan += [(512, 1)] * 5 + [(1024, 2), (1024, 1)]
    for filters, stride in plan:
        x = net.conv(net.conv(x, x.shape[-1], 3, stride, groups=x.shape[-1]), filters, 1)
    mean = net.add("MEAN", (x,), (1, 1024), axes=(1, 2), keep=0)
    return net.model("mobilenet", (net.dense(mean, 1000),))


def minilm(tokens: int = 128) -> Model:
    """The six layers of MiniLM-L6 (384 wide, 12 heads), without the embedding."""
    net, width = Network(3), 384
    x = net.input((tokens, width), I16, -32_767, 32_767)
    for _ in range(6):
        q, k, v = (net.dynamic_dense(x, width, I8) for _ in range(3))
        mixed = net.dynamic_dense(net.attention(q, k, v, 12, 12), width)
        x = net.norm(net.sum(x, mixed, I16), "LAYER_NORM")
        inner = net.table16(net.dynamic_dense(x, 4 * width))
        x = net.norm(net.sum(x, net.dynamic_dense(inner, width), I16), "LAYER_NORM")
    return net.model("minilm", (x,))


def smollm2(context: int = 256, layers: int = 30) -> Model:
    """One token of SmolLM2-135M (576 wide, 9 heads that share 3) after `context` others."""
    net, width, shared, inner, words = Network(4), 576, 192, 1536, 49_152
    token = net.input((1,), I32, 0, words - 1)
    position = net.input((1,), I32, 0, context - 1)
    length = net.input((1,), I32, 1, context)
    embedding = net.weight((words, width))
    rows = net.add("GATHER", (embedding, token), (1, width), axis=0)
    x = net.rescale(rows, I16, 128.0)
    cos, sin = net.weight((context, 32), I16), net.weight((context, 32), I16)
    outputs = []
    for _ in range(layers):
        normal = net.norm(x, "RMS_NORM")
        q, k, v = (net.dynamic_dense(normal, size, I16) for size in (width, shared, shared))
        turned = [
            net.rescale(
                net.add("ROPE", (y, cos, sin, position), y.shape, interleaved=0), I8, 1 / 256
            )
            for y in (q, k)
        ]
        keys, values = (
            net.add(
                "UPDATE_ROWS",
                (net.input((context, shared)), row, position),
                (context, shared),
            )
            for row in (turned[1], net.rescale(v, I8, 1 / 256))
        )
        outputs += [keys, values]
        mixed = net.attention(turned[0], keys, values, 9, 3, (length,))
        x = net.sum(x, net.dynamic_dense(mixed, width), I16)
        normal = net.norm(x, "RMS_NORM")
        gate = net.table16(net.dynamic_dense(normal, inner))
        up = net.dynamic_dense(normal, inner)
        product = net.add(
            "MUL",
            (gate, up),
            gate.shape,
            multiplier=2**30,
            shift=44,
            dtype=I16.code,
            minimum=-32_767,
            maximum=32_767,
        )
        x = net.sum(x, net.dynamic_dense(product, width), I16)
    logits = net.dynamic_dense(net.norm(x, "RMS_NORM"), words)
    best = net.add("ARGMAX", (logits,), (1,), axis=1)
    return net.model("smollm2", (best, *outputs))
