"""What a language model's file holds: its architecture's numbers and its float tensors."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai_ops.importers.errors import ImportRefused

Floats = NDArray[np.float32]

MAXIMUM_ELEMENTS = 1 << 31
"""Float elements of all tensors together: 8 GiB."""
MAXIMUM_NUMBER = 1 << 24


@dataclass(frozen=True, slots=True, kw_only=True)
class BertSettings:
    """The numbers of a BERT-class encoder.

    Attributes
    ----------
    vocabulary, positions, types : rows of the three embeddings
    width : elements of a token's state
    layers, heads, hidden : of the blocks
    epsilon : of the layer norms
    activation : "gelu", "gelu_tanh" or "relu"
    """

    vocabulary: int
    positions: int
    types: int
    width: int
    layers: int
    heads: int
    hidden: int
    epsilon: float
    activation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LlamaSettings:
    """The numbers of a Llama-class decoder.

    Attributes
    ----------
    vocabulary : rows of the embedding
    positions : the context it was trained for
    width : elements of a token's state
    layers, heads, shared_heads, depth, hidden : of the blocks; heads of keys and values are shared
    epsilon : of the norms
    base : of the rotary angles
    """

    vocabulary: int
    positions: int
    width: int
    layers: int
    heads: int
    shared_heads: int
    depth: int
    hidden: int
    epsilon: float
    base: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A language model as floats.

    Attributes
    ----------
    settings : which class it is, and its numbers
    tensors : float32, named as `bert_shapes` or `llama_shapes` name them
    notes : what was left out, in sentences
    """

    settings: BertSettings | LlamaSettings
    tensors: Mapping[str, Floats]
    notes: tuple[str, ...] = ()


def bert_shapes(s: BertSettings) -> dict[str, tuple[int, ...]]:
    """Return the tensors of an encoder and their shapes, (outputs, inputs) for matrices."""
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (s.vocabulary, s.width),
        "embeddings.position_embeddings.weight": (s.positions, s.width),
        "embeddings.token_type_embeddings.weight": (s.types, s.width),
        **_affine("embeddings.LayerNorm", s.width),
    }
    for layer in range(s.layers):
        at = f"encoder.layer.{layer}."
        for name in ("query", "key", "value"):
            shapes |= _affine(f"{at}attention.self.{name}", s.width, s.width)
        shapes |= _affine(f"{at}attention.output.dense", s.width, s.width)
        shapes |= _affine(f"{at}attention.output.LayerNorm", s.width)
        shapes |= _affine(f"{at}intermediate.dense", s.hidden, s.width)
        shapes |= _affine(f"{at}output.dense", s.width, s.hidden)
        shapes |= _affine(f"{at}output.LayerNorm", s.width)
    return shapes


def _affine(name: str, outputs: int, *inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, *inputs), f"{name}.bias": (outputs,)}


def llama_shapes(s: LlamaSettings) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a decoder and their shapes; `output.weight` may be missing (tied)."""
    shapes: dict[str, tuple[int, ...]] = {
        "token_embd.weight": (s.vocabulary, s.width),
        "output_norm.weight": (s.width,),
    }
    for layer in range(s.layers):
        at = f"blk.{layer}."
        shapes |= {
            f"{at}attn_norm.weight": (s.width,),
            f"{at}attn_q.weight": (s.heads * s.depth, s.width),
            f"{at}attn_k.weight": (s.shared_heads * s.depth, s.width),
            f"{at}attn_v.weight": (s.shared_heads * s.depth, s.width),
            f"{at}attn_output.weight": (s.width, s.heads * s.depth),
            f"{at}ffn_norm.weight": (s.width,),
            f"{at}ffn_gate.weight": (s.hidden, s.width),
            f"{at}ffn_up.weight": (s.hidden, s.width),
            f"{at}ffn_down.weight": (s.width, s.hidden),
        }
    return shapes


def check_tensors(
    shapes: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]], source: str
) -> None:
    """Check that every tensor is there with its shape.

    Parameters
    ----------
    found : the shapes that the file declares

    Raises
    ------
    ImportRefused : a tensor is missing or has another shape; says which
    """
    for name, shape in shapes.items():
        if name not in found:
            raise ImportRefused(f"{source} lacks the tensor {name}, which its configuration needs")
        if tuple(found[name]) != shape:
            raise ImportRefused(
                f"the tensor {name} of {source} has the shape {tuple(found[name])} and its"
                f" configuration needs {shape}"
            )


def finite(tensors: Mapping[str, Floats], source: str) -> dict[str, Floats]:
    """Return the tensors, which must hold numbers only."""
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise ImportRefused(f"the tensor {name} of {source} holds values that are not finite")
    return dict(tensors)


class Numbers:
    """A file's named settings, read with bounds."""

    def __init__(self, values: Mapping[str, Any], source: str) -> None:
        self.values = values
        self.source = source

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a positive whole number."""
        value = self.values.get(name, default)
        if type(value) is not int or not 1 <= value <= MAXIMUM_NUMBER:
            raise ImportRefused(
                f"{self.source} sets {name} to {_short(value)}: a whole number of 1 or more is"
                " needed"
            )
        return value

    def real(self, name: str, default: float | None = None) -> float:
        """Return a positive number."""
        value = self.values.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
            raise ImportRefused(
                f"{self.source} sets {name} to {_short(value)}: a positive number is needed"
            )
        return float(value)

    def choice(self, name: str, allowed: Iterable[Any], default: Any) -> Any:
        """Return a value that must be one of few."""
        value = self.values.get(name, default)
        options = list(allowed)
        if not any(value == option and type(value) is type(option) for option in options):
            shown = ", ".join(repr(option) for option in options)
            raise ImportRefused(
                f"{self.source} sets {name} to {_short(value)}, which is not read: only {shown}"
            )
        return value


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_heads(settings: BertSettings | LlamaSettings, source: str) -> None:
    """Check that widths split into heads, and that all tensors together stay within bounds."""
    if isinstance(settings, BertSettings):
        fits = settings.width % settings.heads == 0 and settings.width % 2 == 0
    else:
        fits = settings.heads % settings.shared_heads == 0 and settings.depth % 2 == 0
    if not fits:
        raise ImportRefused(f"the widths that {source} sets do not split into its heads")
    if settings.layers > 1024:
        raise ImportRefused(f"{source} sets {settings.layers} layers; at most 1,024 are read")
    shapes = bert_shapes(settings) if isinstance(settings, BertSettings) else llama_shapes(settings)
    total = sum(math.prod(shape) for shape in shapes.values())
    if total > MAXIMUM_ELEMENTS:
        raise ImportRefused(
            f"{source} describes {total:,} weights; at most {MAXIMUM_ELEMENTS:,} are read"
        )
