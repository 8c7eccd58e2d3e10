"""Resizing as fixed positions or fixed weighted sums along each axis.

Nearest pixels are chosen positions; linear and cubic interpolation and uneven average pools are
one matrix for each axis. The names of the coordinates' rules are ONNX's.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ai_ops.importers.float_graph import FloatNode

Real = NDArray[np.float64]
Make = Callable[..., FloatNode]
COORDINATES = frozenset({"half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"})
ROUNDINGS: dict[str, Callable[[Real], Real]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}
TIE = 1e-9


def positions(size: int, after: int, scale: float, rule: str) -> Real:
    """Return where each of `after` results lies among `size` positions, not limited to them."""
    at = np.arange(after, dtype=np.float64)
    if rule == "align_corners":
        return at * (size - 1) / max(1, after - 1)
    if rule == "asymmetric":
        return at / scale
    if rule == "pytorch_half_pixel" and after == 1:
        return np.zeros(1)
    return (at + 0.5) / scale - 0.5


def nearest(size: int, at: Real, rounding: str) -> list[int]:
    """Return the position nearest to each of `at`."""
    chosen = ROUNDINGS[rounding](np.round(at, 9))
    return [int(index) for index in np.clip(chosen, 0, size - 1)]


def linear(size: int, at: Real) -> Real:
    """Return the matrix (results, size) of linear interpolation."""
    at = np.clip(at, 0, size - 1)
    low = np.minimum(np.floor(at + TIE), size - 1).astype(np.int64)
    share = at - low
    matrix = np.zeros((len(at), size))
    rows = np.arange(len(at))
    np.add.at(matrix, (rows, low), 1 - share)
    np.add.at(matrix, (rows, np.minimum(low + 1, size - 1)), share)
    return matrix


def cubic(size: int, at: Real, a: float) -> Real:
    """Return the matrix (results, size) of cubic convolution; the edge's pixels repeat.

    Source: Keys, "Cubic Convolution Interpolation for Digital Image Processing" (1981).
    """
    low = np.floor(at + TIE).astype(np.int64)
    matrix = np.zeros((len(at), size))
    for tap in range(-1, 3):
        far = np.abs(at - (low + tap))
        near = ((a + 2) * far - (a + 3)) * far**2 + 1
        outer = a * (((far - 5) * far + 8) * far - 4)
        weight = np.where(far <= 1, near, np.where(far < 2, outer, 0))
        np.add.at(matrix, (np.arange(len(at)), np.clip(low + tap, 0, size - 1)), weight)
    return matrix


def averages(size: int, after: int) -> Real:
    """Return the matrix (after, size) of an adaptive average pool: windows of unlike sizes."""
    matrix = np.zeros((after, size))
    for row in range(after):
        start, end = row * size // after, -(-(row + 1) * size // after)
        matrix[row, start:end] = 1 / (end - start)
    return matrix


def mixed(
    make: Make, name: str, x: str, matrices: dict[int, Real], put: Callable[[str, Any], str]
) -> list[FloatNode]:
    """Return one `mix` node for each axis; the last is called `name`.

    Parameters
    ----------
    make : makes a node from a name, an operator, inputs and attributes
    matrices : by axis; those that change nothing are left out
    """
    nodes: list[FloatNode] = []
    for axis, matrix in matrices.items():
        if not np.array_equal(matrix, np.eye(*matrix.shape)):
            inner = f"{name}.axis{axis}"
            nodes.append(make(inner, "mix", x, axis=axis, matrix=put(name, matrix)))
            x = inner
    return named(make, name, nodes, x)


def chosen(
    make: Make, name: str, x: str, wanted: dict[int, tuple[int, list[int]]]
) -> list[FloatNode]:
    """Return the nodes that take positions along axes; whole factors of an image are one node.

    Parameters
    ----------
    wanted : by axis, the size before and the positions
    """
    factors = {}
    for axis, (size, indices) in wanted.items():
        factor = max(1, len(indices) // size)
        if indices == [at // factor for at in range(size * factor)]:
            factors[axis] = factor
    if set(wanted) == {2, 3} and len(factors) == 2:
        return named(make, name, [make(name, "upsample", x, scales=(factors[2], factors[3]))], name)
    nodes: list[FloatNode] = []
    for axis, (size, indices) in wanted.items():
        if indices != list(range(size)):
            inner = f"{name}.axis{axis}"
            nodes.append(make(inner, "take", x, axis=axis, indices=tuple(indices)))
            x = inner
    return named(make, name, nodes, x)


def named(make: Make, name: str, nodes: list[FloatNode], x: str) -> list[FloatNode]:
    """Return the nodes with one more that gives the last value its name."""
    return nodes if nodes and nodes[-1].name == name else [*nodes, make(name, "identity", x)]


def shuffled(
    make: Make, name: str, x: str, sizes: tuple[list[int], int], *, channels_first: bool
) -> list[FloatNode]:
    """Return the nodes that turn (C * s * s, H, W) into (C, H * s, W * s)."""
    (_, channels, height, width), size = sizes
    kept = channels // size**2
    apart = (kept, size, size) if channels_first else (size, size, kept)
    axes = (1, 4, 2, 5, 3) if channels_first else (3, 4, 1, 5, 2)
    return [
        make(f"{name}.apart", "reshape", x, shape=(*apart, height, width)),
        make(f"{name}.turned", "transpose", f"{name}.apart", axes=axes),
        make(name, "reshape", f"{name}.turned", shape=(kept, height * size, width * size)),
    ]
