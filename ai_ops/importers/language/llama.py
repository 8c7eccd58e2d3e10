"""Lower a Llama-class decoder: 32-bit residual stream, 16-bit norms, 8-bit keys and values."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC
from ai_ops.importers.float_run import FUNCTIONS
from ai_ops.importers.language import steps
from ai_ops.importers.language.builder import Builder, pair
from ai_ops.importers.language.checkpoint import Checkpoint, LlamaSettings
from ai_ops.importers.language.float_models import rotation
from ai_ops.importers.language.observe import Observations, Reals
from ai_ops.importers.language.options import LanguageOptions
from ai_ops.importers.language.products import InputPlan, IntegerMatrix, plan_input, round_matrix
from ai_ops.importers.scales import LEVELS, scale_for

RESIDUAL_HEADROOM = 2.0
"""Some tokens grow activations hundreds of times above the others'."""
HEADROOM = 1.5
HEAD_HEADROOM = 1.05
TURN_GAIN = 128.0
"""Queries and keys are turned in 16 bits, at most so much finer, and then brought to 8."""
ONE = 32_767


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadScales:
    """What one integer is worth: queries (heads * depth,), keys and values (shared * depth,)."""

    query: Reals
    key: Reals
    value: Reals
    score: float
    """A query's scale times its key's, the same everywhere."""
    centre: Reals
    """What is subtracted from keys, in real units."""


def head_scales(seen: Observations, layer: int, s: LlamaSettings) -> HeadScales:
    """Balance queries against keys, pair by pair, so that both use their 8 bits."""
    group = s.heads // s.shared_heads
    tops = []
    centre, width = seen.centre(f"{layer}.key")
    for found, heads in ((seen.largest[f"{layer}.query"], s.heads), (width, s.shared_heads)):
        largest = found.reshape(heads, 2, s.depth // 2).max(1)
        tops.append(np.maximum(largest, 1e-3 * max(1e-6, largest.max())))
    query, key = tops[0].reshape(s.shared_heads, group, -1).max(1), tops[1]
    balance = np.sqrt(key / query)
    key_scale = (key / balance).max(1, keepdims=True) * HEAD_HEADROOM / LEVELS
    query_scale = (query * balance).max(1, keepdims=True) * HEAD_HEADROOM / LEVELS
    score = float((key_scale * query_scale).max())
    key_scales = np.repeat((key_scale * balance)[:, None], 2, axis=1)
    query_scales = np.repeat(score / key_scales, group, axis=0)
    value = seen.largest[f"{layer}.value"] * HEAD_HEADROOM / LEVELS
    return HeadScales(
        query=query_scales.reshape(-1),
        key=key_scales.reshape(-1),
        value=np.maximum(value, 1e-3 * max(1e-6, value.max())),
        score=score,
        centre=centre,
    )


@dataclass(slots=True)
class Decoder:
    """The graph of a decoder under construction.

    Attributes
    ----------
    stream, scale : key of the residual stream and what one of its integers is worth
    position : keys of (offset of the first token, rows of the caches in use); none to score
    """

    builder: Builder
    seen: Observations
    checkpoint: Checkpoint
    settings: LlamaSettings
    options: LanguageOptions
    stream: str = ""
    scale: float = 1.0
    position: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()

    def weight(self, name: str) -> Reals:
        """Return a float tensor."""
        return self.checkpoint.tensors[name].astype(np.float64)

    def plan(self, name: str, *weights: str) -> InputPlan:
        """Plan a product's input."""
        # Norms have elements of like size, which 16 bits hold without a smoothing.
        smooth = self.options.bits == 8 or name.endswith("product")
        return plan_input(
            self.seen, name, [self.weight(w) for w in weights], self.options.bits, smooth=smooth
        )

    def matrix(self, name: str, plan: InputPlan, weight: str) -> IntegerMatrix:
        """Quantize a matrix whose input is the value `name`."""
        known = self.seen.matrices
        if (weight, plan.bits) not in known:
            known[weight, plan.bits] = steps.matrix_for(
                self.seen, name, plan, self.weight(weight), None
            )
        matrix: IntegerMatrix = known[weight, plan.bits]
        return matrix

    def norm(self, name: str, value: str, plan: InputPlan) -> str:
        """Normalize the residual stream into a product's input."""
        s = self.settings
        fields, _ = steps.norm_fields(self.weight(name), plan.scales, s.epsilon, self.scale)
        clamp = steps.clamp_fields(steps.plan_clamp(plan))
        key = self.builder.emit("RMS_NORM", (self.stream,), **fields, **clamp)
        self.builder.watch(value, plan.scales)
        return steps.quantize_rows(self.builder, key, plan)

    def add(self, key: str, plan: InputPlan, matrix: IntegerMatrix, value: str) -> None:
        """Multiply, and add the product to the residual stream, whose scale follows its range."""
        limit = steps.RESIDUAL_LIMIT
        clamp = (DType.I32, -limit, limit)
        scale = float(scale_for(self.seen.top(value) * RESIDUAL_HEADROOM, limit))
        product = steps.multiply(self.builder, key, plan, matrix, scale, clamp, value)
        self.stream = steps.add(
            self.builder, (self.stream, product), (self.scale, scale), scale, clamp, value
        )
        self.scale = scale
        self.builder.watch(value, scale)


def lower_llama(
    checkpoint: Checkpoint, seen: Observations, options: LanguageOptions, builder: Builder
) -> None:
    """Build the graph that scores a text, or the one that takes a step with caches."""
    s = checkpoint.settings
    assert isinstance(s, LlamaSettings)
    decoder = Decoder(
        builder=builder, seen=seen, checkpoint=checkpoint, settings=s, options=options
    )
    rows = SYMBOLIC if options.form == "score" else 1
    tokens = builder.input("tokens", DType.I32, (rows,), (0, s.vocabulary - 1))
    caches: list[tuple[str, str]] = []
    if options.form == "step":
        last = options.maximum_tokens - 1
        position = builder.input("position", DType.I32, (1,), (0, last))
        shape = (options.maximum_tokens, s.shared_heads * s.depth)
        caches = [
            (
                builder.input(f"keys.{layer}", DType.I8, shape, (-LEVELS, LEVELS)),
                builder.input(f"values.{layer}", DType.I8, shape, (-LEVELS, LEVELS)),
            )
            for layer in range(s.layers)
        ]
        one = builder.weight(np.ones(1, np.int32))
        clamp = (DType.I32, 0, options.maximum_tokens)
        valid = steps.add(builder, (position, one), (1.0, 1.0), 1.0, clamp, "position")
        decoder.position = (position, valid)
    decoder.tables = tuple(
        builder.weight(np.rint(np.clip(table, -1, 1) * ONE).astype(np.int16))
        for table in rotation(s, options.maximum_tokens)
    )
    head = _embed(decoder, tokens)
    kept = []
    for layer in range(s.layers):
        builder.progress(f"rounding weights: layer {layer + 1} of {s.layers}")
        kept += _attention(decoder, layer, caches[layer] if caches else ())
        _feed_forward(decoder, layer)
    _logits(decoder, head)
    for name, key in kept:
        builder.output(name, key, DType.I8, (options.maximum_tokens, s.shared_heads * s.depth), 1.0)


def _embed(decoder: Decoder, tokens: str) -> tuple[str, IntegerMatrix]:
    """Look tokens up; return the matrix, which the logits share when the file ties them."""
    matrix = round_matrix(
        decoder.weight("token_embd.weight"), np.zeros(decoder.settings.vocabulary), None
    )
    weight = decoder.builder.weight(matrix.weight)
    limit = steps.RESIDUAL_LIMIT
    top = decoder.seen.top("embedding") * RESIDUAL_HEADROOM
    decoder.scale = float(scale_for(top, limit))
    clamp = (DType.I32, -limit, limit)
    decoder.stream = steps.embed(decoder.builder, tokens, matrix, weight, decoder.scale, clamp)
    decoder.builder.watch("embedding", decoder.scale)
    return weight, matrix


def _attention(decoder: Decoder, layer: int, cache: tuple[str, ...]) -> list[tuple[str, str]]:
    """Emit the first half of a block; return the names and keys of its new caches."""
    builder, s = decoder.builder, decoder.settings
    at, scales = f"blk.{layer}.", head_scales(decoder.seen, layer, s)
    names = [f"{at}attn_{name}.weight" for name in "qkv"]
    normal = f"{layer}.normal"
    plan = decoder.plan(normal, *names)
    x = decoder.norm(f"{at}attn_norm.weight", normal, plan)
    q, k, v = (decoder.matrix(normal, plan, name) for name in names)
    turned = []
    for name, matrix, units in (("query", q, scales.query), ("key", k, scales.key)):
        gain = _gain(decoder.seen.largest[f"{layer}.{name}"] / units)
        key = steps.multiply(
            builder, x, plan, matrix, units / gain, steps.MIDDLE, f"{layer}.{name}"
        )
        offset = decoder.position[:1]
        key = builder.emit("ROPE", (key, *decoder.tables, *offset), interleaved=0)
        if name == "query":
            key = steps.rescale(builder, key, 1 / gain, steps.NARROW, f"{layer}.{name}")
        else:
            centre = builder.weight(_wide(-scales.centre / units * gain))
            terms = (1 / gain, 1 / gain)
            key = steps.add(builder, (key, centre), terms, 1.0, steps.NARROW, f"{layer}.key")
        builder.watch(f"{layer}.{name}", units, scales.centre if name == "key" else 0.0)
        turned.append(key)
    value = steps.multiply(builder, x, plan, v, scales.value, steps.NARROW, f"{layer}.value")
    builder.watch(f"{layer}.value", scales.value)
    kept = []
    rows = [turned[1], value]
    for i, (kind, old) in enumerate(zip(("keys", "values"), cache, strict=False)):
        rows[i] = builder.emit("UPDATE_ROWS", (old, rows[i], decoder.position[0]))
        kept.append((f"{kind}.{layer}", rows[i]))
    output = f"{at}attn_output.weight"
    mixed = decoder.plan(f"{layer}.mixed", output)
    repeated = np.repeat(
        scales.value.reshape(s.shared_heads, -1), s.heads // s.shared_heads, axis=0
    )
    key = steps.attend(
        builder,
        (turned[0], *rows, *decoder.position[1:]),
        (s.heads, s.shared_heads),
        scales.score / float(np.sqrt(s.depth)),
        repeated.reshape(-1) / mixed.scales,
        steps.plan_clamp(mixed),
        causal=True,
        source=f"{layer}.mixed",
    )
    builder.watch(f"{layer}.mixed", mixed.scales)
    matrix = decoder.matrix(f"{layer}.mixed", mixed, output)
    decoder.add(steps.quantize_rows(builder, key, mixed), mixed, matrix, f"{layer}.attended")
    return kept


def _gain(magnitudes: Reals) -> float:
    """Return how much finer than the final 8 bits a value is while it is turned.

    Turning can bring a pair's whole length into one element.
    """
    return min(TURN_GAIN, steps.WIDE / (1.5 * float(magnitudes.max())))


def _wide(values: Reals) -> NDArray[np.int16]:
    return np.rint(np.clip(values, -steps.WIDE, steps.WIDE)).astype(np.int16)[None]


def _feed_forward(decoder: Decoder, layer: int) -> None:
    """Emit the second half of a block."""
    builder, at, seen = decoder.builder, f"blk.{layer}.", decoder.seen
    names = [f"{at}ffn_gate.weight", f"{at}ffn_up.weight"]
    middle, product = f"{layer}.middle", f"{layer}.product"
    plan = decoder.plan(middle, *names)
    x = decoder.norm(f"{at}ffn_norm.weight", middle, plan)
    gate, up = (decoder.matrix(middle, plan, name) for name in names)
    down = decoder.plan(product, f"{at}ffn_down.weight")

    gate_scale = steps.wide_scale(seen.top(f"{layer}.gate"), HEADROOM)
    key = steps.multiply(builder, x, plan, gate, gate_scale, steps.MIDDLE, f"{layer}.gate")
    builder.watch(f"{layer}.gate", gate_scale)
    # SiLU(x) is at most x, and at least -0.279.
    active_scale = gate_scale
    table = steps.table_fields(
        lambda real: FUNCTIONS["silu"](real, 0.0), gate_scale, active_scale, f"{layer}.silu"
    )
    active = builder.emit("TABLE16", (key,), **table, **steps.clamp_fields(steps.MIDDLE))
    # One scale per element: what MUL makes of it is the smoothed input of the last product.
    largest = seen.largest[f"{layer}.up"] / down.factors
    up_scales = down.factors * steps.wide_scale(float(largest.max()), HEADROOM)
    key = steps.multiply(builder, x, plan, up, up_scales, steps.MIDDLE, f"{layer}.up")
    builder.watch(f"{layer}.up", up_scales)
    multiplier, shift = pair(
        active_scale * float(up_scales[0] / down.factors[0]) / down.unit, product
    )
    key = builder.emit(
        "MUL",
        (active, key),
        multiplier=multiplier,
        shift=shift,
        **steps.clamp_fields(steps.plan_clamp(down)),
    )
    builder.watch(product, down.scales)
    matrix = decoder.matrix(product, down, f"{at}ffn_down.weight")
    decoder.add(steps.quantize_rows(builder, key, down), down, matrix, f"{layer}.fed")


def _logits(decoder: Decoder, head: tuple[str, IntegerMatrix]) -> None:
    builder, s, options = decoder.builder, decoder.settings, decoder.options
    last_only = options.form == "score" and options.last_only
    if last_only:
        decoder.stream = builder.emit(
            "SLICE", (decoder.stream,), starts=(-1, 0), sizes=(1, s.width), strides=(1, 1)
        )
    tied = "output.weight" not in decoder.checkpoint.tensors
    name = "token_embd.weight" if tied else "output.weight"
    weight, matrix = head
    # A shared matrix cannot take a smoothing into its columns.
    plan = plan_input(decoder.seen, "states", [decoder.weight(name)], options.bits, smooth=not tied)
    if not tied:
        matrix = decoder.matrix("states", plan, name)
        weight = builder.weight(matrix.weight)
    x = decoder.norm("output_norm.weight", "states", plan)
    scale = steps.wide_scale(decoder.seen.top("logits"), HEADROOM)
    key = steps.multiply(builder, x, plan, matrix, scale, steps.MIDDLE, "logits", weight)
    builder.watch("logits", scale)
    rows = SYMBOLIC if options.form == "score" and not last_only else 1
    builder.output("logits", key, DType.I16, (rows, s.vocabulary), scale)
