"""Lower a BERT-class encoder: 16-bit states, rows quantized one by one, smoothed."""

from dataclasses import dataclass

import numpy as np

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC
from ai_ops.importers.language import steps
from ai_ops.importers.language.builder import Builder
from ai_ops.importers.language.checkpoint import BertSettings, Checkpoint
from ai_ops.importers.language.float_models import activation
from ai_ops.importers.language.observe import Observations, Reals
from ai_ops.importers.language.options import LanguageOptions
from ai_ops.importers.language.products import InputPlan, plan_input, round_matrix

HEADROOM = 1.2
HEAD_HEADROOM = 1.0
POSITION_LIMIT = 2**14
"""ROPE gives a table's entry back exactly when it multiplies 32,767 by at most this."""
ONE = 32_767


@dataclass(slots=True)
class Encoder:
    """The graph of an encoder under construction: the state's key, and its scale."""

    builder: Builder
    seen: Observations
    checkpoint: Checkpoint
    settings: BertSettings
    options: LanguageOptions
    state: str = ""
    scale: float = 1.0

    def weight(self, name: str) -> Reals:
        """Return a float tensor."""
        return self.checkpoint.tensors[name].astype(np.float64)

    def quantize(self, plan: InputPlan, value: str) -> str:
        """Bring the state to what products take."""
        key = steps.rescale(
            self.builder, self.state, self.scale / plan.scales, steps.plan_clamp(plan), value
        )
        self.builder.watch(value, plan.scales)
        return steps.quantize_rows(self.builder, key, plan)

    def plan(self, value: str, *names: str) -> InputPlan:
        """Plan the input of the products with such weights."""
        weights = [self.weight(f"{name}.weight") for name in names]
        return plan_input(self.seen, value, weights, self.options.bits, biased=True)

    def product(
        self, key: str, value: str, plan: InputPlan, name: str, scales: float | Reals,
        clamp: steps.Clamp, result: str,
    ) -> str:  # fmt: skip
        """Emit one dense layer."""
        matrix = steps.matrix_for(
            self.seen, value, plan, self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        )
        found = steps.multiply(self.builder, key, plan, matrix, scales, clamp, result)
        self.builder.watch(result, scales)
        return found

    def add_norm(self, key: str, scale: float, sum_value: str, name: str, value: str) -> None:
        """Add a product to the state, and normalize the sum into the next state."""
        self.state = steps.add(
            self.builder, (self.state, key), (self.scale, scale), scale, steps.MIDDLE, sum_value
        )
        self.builder.watch(sum_value, scale)
        self.norm(name, scale, value)

    def norm(self, name: str, scale: float, value: str) -> None:
        """Normalize the state, whose integers are worth `scale`."""
        self.scale = steps.wide_scale(self.seen.top(value), HEADROOM)
        fields, unit = steps.norm_fields(
            self.weight(f"{name}.weight"), self.scale, self.settings.epsilon, scale
        )
        beta = np.rint(self.weight(f"{name}.bias") / unit)
        self.state = self.builder.emit(
            "LAYER_NORM",
            (self.state,),
            beta=steps.integers(np.clip(beta, -(2.0**59), 2.0**59)),
            **fields,
            **steps.clamp_fields(steps.MIDDLE),
        )
        self.builder.watch(value, self.scale)


def lower_bert(
    checkpoint: Checkpoint, seen: Observations, options: LanguageOptions, builder: Builder
) -> None:
    """Build the graph from token ids to states, or to one embedding."""
    s = checkpoint.settings
    assert isinstance(s, BertSettings)
    encoder = Encoder(
        builder=builder, seen=seen, checkpoint=checkpoint, settings=s, options=options
    )
    tokens = builder.input("tokens", DType.I32, (SYMBOLIC,), (0, s.vocabulary - 1))
    _embed(encoder, tokens)
    for layer in range(s.layers):
        builder.progress(f"rounding weights: layer {layer + 1} of {s.layers}")
        _attention(encoder, layer)
        _feed_forward(encoder, layer)
    shape: tuple[int, ...] = (SYMBOLIC, s.width)
    if options.pooling == "mean":
        encoder.state = builder.emit("MEAN", (encoder.state,), axes=(0,), keep=1)
        shape = (1, s.width)
    elif options.pooling == "first":
        encoder.state = builder.emit(
            "SLICE", (encoder.state,), starts=(0, 0), sizes=(1, s.width), strides=(1, 1)
        )
        shape = (1, s.width)
    name = "states" if options.pooling == "none" else "embedding"
    builder.output(name, encoder.state, DType.I16, shape, encoder.scale)


def _embed(encoder: Encoder, tokens: str) -> None:
    """Add word, position and type; a position's row is a ROPE of a constant by tables of its own.

    ROPE counts rows, so turning (1, 0) by "cos" and "sin" that hold the two halves of the position
    embeddings gives row i the i-th of them.
    """
    builder, s, seen = encoder.builder, encoder.settings, encoder.seen
    scale = steps.wide_scale(seen.top("embedding"), HEADROOM)
    words = round_matrix(
        encoder.weight("embeddings.word_embeddings.weight"), np.zeros(s.vocabulary), None
    )
    key = steps.embed(builder, tokens, words, builder.weight(words.weight), scale, steps.MIDDLE)
    positions = encoder.weight("embeddings.position_embeddings.weight")[
        : encoder.options.maximum_tokens
    ]
    positions = positions + encoder.weight("embeddings.token_type_embeddings.weight")[0]
    step = float(np.abs(positions).max()) / POSITION_LIMIT or 1.0
    halves = np.rint(positions / step).astype(np.int16).reshape(len(positions), 2, -1)
    one = np.repeat(np.array([[ONE, 0]], np.int16), s.width // 2, axis=1)
    ones = builder.emit("GATHER", (builder.weight(one), tokens), axis=0)
    tables = [builder.weight(halves[:, half]) for half in (0, 1)]
    turned = builder.emit("ROPE", (ones, *tables), interleaved=0)
    encoder.state = steps.add(
        builder, (key, turned), (scale, step), scale, steps.MIDDLE, "embedding"
    )
    builder.watch("embedding", scale)
    encoder.norm("embeddings.LayerNorm", scale, "0.input" if s.layers else "states")


def _attention(encoder: Encoder, layer: int) -> None:
    builder, seen, s = encoder.builder, encoder.seen, encoder.settings
    at, value = f"encoder.layer.{layer}.attention.", f"{layer}.input"
    names = [f"{at}self.{name}" for name in ("query", "key", "value")]
    plan = encoder.plan(value, *names)
    key = encoder.quantize(plan, value)
    depth = s.width // s.heads
    units = _head_units(seen, layer, s)
    keys = [
        encoder.product(
            key, value, plan, name, scales, steps.NARROW, f"{layer}.{name.rpartition('.')[2]}"
        )
        for name, scales in zip(names, units, strict=True)
    ]
    output = f"{at}output.dense"
    mixed = encoder.plan(f"{layer}.mixed", output)
    key = steps.attend(
        builder,
        tuple(keys),
        (s.heads, s.heads),
        float(units[0][0] * units[1][0]) / float(np.sqrt(depth)),
        units[2] / mixed.scales,
        steps.plan_clamp(mixed),
        causal=False,
        source=f"{layer}.mixed",
    )
    builder.watch(f"{layer}.mixed", mixed.scales)
    key = steps.quantize_rows(builder, key, mixed)
    scale = steps.wide_scale(seen.top(f"{layer}.attended"), HEADROOM)
    key = encoder.product(
        key, f"{layer}.mixed", mixed, output, scale, steps.MIDDLE, f"{layer}.projected"
    )
    encoder.add_norm(key, scale, f"{layer}.attended", f"{at}output.LayerNorm", f"{layer}.middle")


def _head_units(seen: Observations, layer: int, s: BertSettings) -> tuple[Reals, Reals, Reals]:
    """Return scales of queries, keys and values; a query's times its key's is the same everywhere.

    Elements of a query are balanced against the key's; a head's scales are then moved from one to
    the other until the products agree.
    """
    query, key, value = (
        np.maximum(seen.largest[f"{layer}.{name}"], 1e-3 * seen.top(f"{layer}.{name}"))
        for name in ("query", "key", "value")
    )
    balance = np.sqrt(key / query)
    evened = (key / balance).reshape(s.heads, -1).max(1, keepdims=True) * HEAD_HEADROOM / 127
    score = float((evened * evened).max())
    key_scales = (evened * balance.reshape(s.heads, -1)).reshape(-1)
    return score / key_scales, key_scales, value * HEAD_HEADROOM / 127


def _feed_forward(encoder: Encoder, layer: int) -> None:
    builder, seen, s = encoder.builder, encoder.seen, encoder.settings
    at, middle, active = f"encoder.layer.{layer}.", f"{layer}.middle", f"{layer}.active"
    plan = encoder.plan(middle, f"{at}intermediate.dense")
    key = encoder.quantize(plan, middle)
    hidden_scale = steps.wide_scale(seen.top(f"{layer}.hidden"), HEADROOM)
    key = encoder.product(
        key, middle, plan, f"{at}intermediate.dense", hidden_scale, steps.MIDDLE, f"{layer}.hidden"
    )
    output = encoder.plan(active, f"{at}output.dense")
    table = steps.table_fields(activation(s.activation), hidden_scale, output.scales, active)
    key = builder.emit("TABLE16", (key,), **table, **steps.clamp_fields(steps.plan_clamp(output)))
    builder.watch(active, output.scales)
    key = steps.quantize_rows(builder, key, output)
    scale = steps.wide_scale(seen.top(f"{layer}.fed"), HEADROOM)
    key = encoder.product(
        key, active, output, f"{at}output.dense", scale, steps.MIDDLE, f"{layer}.reduced"
    )
    following = f"{layer + 1}.input" if layer + 1 < s.layers else "states"
    encoder.add_norm(key, scale, f"{layer}.fed", f"{at}output.LayerNorm", following)
