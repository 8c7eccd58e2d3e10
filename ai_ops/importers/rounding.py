"""Round weights to 8 bits so that the errors cancel on the data, not only in the weights.

The rounding error of one weight is made up for by the weights not yet rounded, as far as their
inputs vary together; the bias, which stays exact, takes the rest. Source: Frantar et al., "GPTQ:
Accurate Post-Training Quantization for Generative Pre-trained Transformers" (2022), algorithm 1;
the bias is one more weight whose input is always 1.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ai_ops.importers.float_graph import FloatArray, FloatGraph, FloatNode
from ai_ops.importers.float_windows import window_view
from ai_ops.importers.scales import LEVELS

Real = NDArray[np.float64]
DEEPEST = 2048
"""A matrix of second moments of more inputs than this is not kept: weights round to nearest."""
ROWS = 8_192
"""About so many rows of inputs are looked at for each layer."""
DAMPING = 0.01
"""Share of the mean second moment added to each: inputs seen rarely must not decide much."""
BLOCK = 64


@dataclass(slots=True)
class Moments:
    """Sums of products of a layer's inputs, the constant 1 of the bias last.

    Attributes
    ----------
    sums : float64 (groups, K + 1, K + 1)
    """

    sums: Real
    rows: int = field(default=0)

    @classmethod
    def of(cls, columns: FloatArray) -> "Moments":
        """Return empty sums for such inputs: float (groups, rows, K)."""
        size = columns.shape[2] + 1
        return cls(np.zeros((len(columns), size, size)))

    def add(self, columns: FloatArray) -> None:
        """Add inputs: float (groups, rows, K)."""
        ones = np.ones((*columns.shape[:2], 1), columns.dtype)
        full = np.concatenate([columns, ones], 2)
        self.sums += full.transpose(0, 2, 1) @ full
        self.rows += columns.shape[1]


def watched(graph: FloatGraph) -> dict[str, list[FloatNode]]:
    """Return the layers whose inputs' moments are worth keeping, by the value they read."""
    found: dict[str, list[FloatNode]] = {}
    for node in graph.nodes:
        if node.operator in {"conv", "dense"}:
            weight = graph.constants[node.attributes["weight"]]
            if int(np.prod(weight.shape[1:])) <= DEEPEST:
                found.setdefault(node.inputs[0], []).append(node)
    return found


def input_columns(graph: FloatGraph, node: FloatNode, x: FloatArray, most: int) -> FloatArray:
    """Return about `most` of the rows that a layer multiplies with: (groups, rows, K)."""
    weight = graph.constants[node.attributes["weight"]]
    if node.operator == "dense":
        rows = x.reshape(-1, x.shape[-1])
        return rows[:: max(1, len(rows) // most)][None]
    windows = window_view(x, node, (weight.shape[2], weight.shape[3]), 0.0)[0]
    pixels = windows.shape[0] * windows.shape[2] * windows.shape[3]
    # Every so many pixels along each axis, so that no column of the image is left out.
    step = max(1, round((pixels / most) ** 0.5))
    windows = windows[:, :, ::step, ::step]
    groups = node.attributes["groups"]
    samples, channels, height, width = windows.shape[:4]
    return (
        windows.reshape(samples, groups, channels // groups, height, width, *windows.shape[4:])
        .transpose(1, 0, 3, 4, 2, 5, 6)
        .reshape(groups, samples * height * width, -1)
    )


def compensated(
    weight: Real, bias: Real, scale: Real, moments: Moments
) -> tuple[NDArray[np.int8], Real]:
    """Round a layer's weights; return them and the bias that fits them.

    Parameters
    ----------
    weight : (groups, N, K)
    bias : (groups, N)
    scale : (groups, N)

    Returns
    -------
    weight : int8 (groups, N, K), -127..127
    bias : float64 (groups, N)
    """
    groups, rows, depth = weight.shape
    curvature = moments.sums / max(1, moments.rows)
    diagonal = np.arange(depth)
    strength = curvature[:, diagonal, diagonal]
    damping = DAMPING * np.maximum(strength.mean(1, keepdims=True), 1e-12)
    curvature[:, diagonal, diagonal] += damping
    # Inputs that carry most are rounded first, while many are left to make up for them.
    order = np.argsort(-strength, axis=1, kind="stable")
    full = np.concatenate([order, np.full((groups, 1), depth)], 1)
    index = np.arange(groups)[:, None]
    curvature = curvature[index[..., None], full[:, :, None], full[:, None, :]]
    # Rows of the upper Cholesky factor of the inverse say how an error spreads over what is left.
    spread = np.linalg.cholesky(np.linalg.inv(curvature)).transpose(0, 2, 1)
    left = np.concatenate([np.take_along_axis(weight, order[:, None], 2), bias[..., None]], 2)
    rounded = np.empty((groups, rows, depth))
    for start in range(0, depth, BLOCK):
        stop = min(depth, start + BLOCK)
        errors = np.empty((groups, rows, stop - start))
        for k in range(start, stop):
            rounded[:, :, k] = np.clip(np.rint(left[:, :, k] / scale), -LEVELS, LEVELS)
            error = (left[:, :, k] - rounded[:, :, k] * scale) / spread[:, None, k, k]
            left[:, :, k:stop] -= error[:, :, None] * spread[:, None, k, k:stop]
            errors[:, :, k - start] = error
        left[:, :, stop:] -= errors @ spread[:, start:stop, stop:]
    result = np.empty_like(rounded)
    np.put_along_axis(result, np.broadcast_to(order[:, None], rounded.shape), rounded, 2)
    return result.astype(np.int8), left[:, :, depth]
