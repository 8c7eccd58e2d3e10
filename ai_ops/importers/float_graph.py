"""The neutral float graph that every reader produces and every later pass works on.

Axis 0 of every value is the sample axis and is never mixed or moved; `shape` attributes leave it
out. Images are NCHW here; `lower` turns them into NHWC.

operator          inputs        attributes
conv              x             weight, bias (constants' names, bias may be None), strides, dilations,
                                pads (top, left, bottom, right), groups
dense             x             weight ([N, K]), bias
affine            x             scale, shift: constants of one number, or one per channel (axis 1);
                                rank of x
clamp             x             low, high (floats, may be infinite)
max_pool          x             kernel, strides, pads, ceil_mode
average_pool      x             kernel, strides, pads, ceil_mode, count_pads
global_average    x             keep (True: (N, C, 1, 1), False: (N, C))
add, multiply     a, b
concat            x...          axis (>= 1)
reshape           x             shape (sample axis left out; one -1 allowed, 0 copies a dimension)
transpose         x             axes (a permutation of 1..rank-1)
pad               x             before, after (for each axis after the first), value
slice             x             starts, sizes, strides (for each axis after the first)
take              x             axis, indices
upsample          x             scales (rows, columns), nearest
constant          -             value: a constant's name, its array with a sample axis of size 1
conv_transpose    x             as conv, weight (O, C / groups, KH, KW), and output_padding
matmul            a, b
subtract, maximum, minimum      a, b
reduce            x             function (mean, sum, max, min), axes, keep
layer_norm        x             weight, bias, epsilon (over the last axis)
rms_norm          x             weight, epsilon (over the last axis)
argmax            x             axis, keep
top_k             x             k, part ("values" or "indices"), group (a name that both parts of one
                                choice share); along the last axis
suppress          boxes, scores score, overlap (thresholds), count; see `float_choices.suppress`
mix               x             axis, matrix: a constant's name, [size after, size before]
tile              x             repetitions (for each axis after the first)
lookup            indices       table: a constant's name, [N, K]; rows of it, clamped to 0..N-1
compare           a, b          relation (==, !=, <, <=, >, >=); 1 or 0
where             condition, a, b
real              x             integers (indices, truth values) as numbers to compute with
unary             x             function (a name of `float_run.FUNCTIONS`), parameter
pointwise         x             nodes: unary, clamp, affine, add and multiply nodes over x alone
softmax           x             axis, logarithm (bool)
identity          x
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai_ops.dtype import DType

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatNode:
    """One operation with one output.

    Attributes
    ----------
    operator : a row of the table above
    name : the name of the output value
    inputs : names of values (never of constants: those are named in `attributes`)
    attributes : see the table
    source : what the file calls the node, for messages
    clamp : bounds applied to the result in float units, when a ReLU was fused into it
    """

    operator: str
    name: str
    inputs: tuple[str, ...]
    source: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    clamp: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatGraph:
    """A float network: `nodes` in topological order, `inputs` and `outputs` by name.

    `labels` names the outputs for people; left out, they are called by their values. `integers`
    says which inputs hold integers (token ids, masks) and in which type a model takes them.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[FloatNode, ...]
    constants: Mapping[str, FloatArray]
    notes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    integers: Mapping[str, DType] = field(default_factory=dict)

    def consumers(self, name: str) -> list[FloatNode]:
        """Nodes that read the value `name`."""
        return [node for node in self.nodes if name in node.inputs]

    def with_nodes(self, nodes: Iterable[FloatNode], **changes: Any) -> "FloatGraph":
        """Return the graph with other nodes (and other fields, when given)."""
        return replace(self, nodes=tuple(nodes), **changes)


def renamed(node: FloatNode, names: Mapping[str, str]) -> FloatNode:
    """Return `node` reading `names[x]` in place of each input x that `names` has."""
    return replace(node, inputs=tuple(names.get(name, name) for name in node.inputs))
