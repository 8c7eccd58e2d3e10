"""A small transformer encoder whose symbolic dimension is the sequence: token ids to one vector."""

from __future__ import annotations

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, AttributeValue, Graph, Model, Node
from ai_ops.model import build_model
from ai_ops.operators import make_node
from tests.ai_ops.models import port, random_bytes, weight

VOCABULARY, WIDTH, HIDDEN, HEADS, POSITIONS = 50, 16, 32, 2, 20
MAXIMUM_TOKENS = 24
SHORT: dict[str, AttributeValue] = {
    "dtype": DType.I16.code,
    "minimum": -32_767,
    "maximum": 32_767,
}
BYTE: dict[str, AttributeValue] = {"dtype": DType.I8.code, "minimum": -127, "maximum": 127}


def scale(shift: int, fields: dict[str, AttributeValue]) -> dict[str, AttributeValue]:
    return {"multipliers": (2**30,), "shifts": (shift,), **fields}


class Chain:
    """Nodes of one graph, each named by the id of its first result."""

    def __init__(self, first: int) -> None:
        self.nodes: list[Node] = []
        self.next = first

    def add(self, operator: str, *inputs: int, **attributes: AttributeValue) -> int:
        self.nodes.append(make_node(operator, inputs, **attributes))
        first = self.next
        self.next += 2 if operator == "DYNAMIC_QUANTIZE" else 1
        return first

    def dense(self, x: int, w: int, shift: int, fields: dict[str, AttributeValue]) -> int:
        """Quantize the rows of x and multiply them by w."""
        q = self.add("DYNAMIC_QUANTIZE", x)
        return self.add("GEMM_DYNAMIC", q, q + 1, w, bias=(), **scale(shift, fields))

    def norm(self, operator: str, x: int) -> int:
        fields = {**SHORT, "gamma": (2**12,), "epsilon": 2**12, "shift": 15}
        if operator == "LAYER_NORM":
            fields["beta"] = tuple(range(WIDTH))
        return self.add(operator, x, **fields)

    def add_rows(self, a: int, b: int) -> int:
        half = 2**30, 31
        return self.add(
            "ADD",
            a,
            b,
            multiplier_a=half[0],
            shift_a=half[1],
            multiplier_b=half[0],
            shift_b=half[1],
            **SHORT,
        )


def encoder(seed: int = 3, tokens: int = SYMBOLIC) -> Model:
    """Embed, attend, feed forward, take the mean over all tokens.

    Parameters
    ----------
    tokens : int
        The number of token ids; by default symbolic, up to `MAXIMUM_TOKENS`.
    """
    square = weight(WIDTH, WIDTH)
    weights = (
        weight(VOCABULARY, WIDTH),
        *(square,) * 4,
        weight(HIDDEN, WIDTH),
        weight(WIDTH, HIDDEN),
        *(weight(POSITIONS, WIDTH // HEADS // 2, dtype=DType.I16),) * 2,
    )
    table, wq, wk, wv, wo, up, down, cos, sin = range(1, 10)
    g = Chain(10)
    x = g.norm("LAYER_NORM", g.add("GATHER", table, 0, axis=0))
    turned = [g.add("ROPE", g.dense(x, w, 34, BYTE), cos, sin, interleaved=0) for w in (wq, wk)]
    mixed = g.add(
        "ATTENTION",
        *turned,
        g.dense(x, wv, 34, BYTE),
        heads=HEADS,
        kv_heads=HEADS,
        causal=1,
        probability_bits=7,
        multiplier=2**30,
        shift=33,
        **scale(30, SHORT),
    )
    x = g.norm("RMS_NORM", g.add_rows(x, g.dense(mixed, wo, 28, SHORT)))
    curve = (*(max(0, 128 * (at - 256)) for at in range(512)), 32_767)
    inner = g.add("TABLE16", g.dense(x, up, 28, SHORT), table=curve, **scale(37, SHORT))
    x = g.add_rows(x, g.dense(inner, down, 28, SHORT))
    pooled = g.add("MEAN", x, axes=(0,), keep=0)
    graph = Graph(weights=weights, nodes=tuple(g.nodes), outputs=(pooled,))
    return build_model(
        name="encoder",
        inputs=(port("ids", DType.I32, (tokens,), 0, VOCABULARY - 1),),
        outputs=(port("vector", DType.I16, (WIDTH,), -32_767, 32_767),),
        graph=graph,
        weights=random_bytes(graph.weight_bytes, seed),
        maximum_units=MAXIMUM_TOKENS if tokens == SYMBOLIC else 1,
    )
