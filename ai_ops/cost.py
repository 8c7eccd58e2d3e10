"""Static cost: integer counts per class of work, as polynomials in n.

The engine counts; the chain prices. A class groups work that takes about the same time per unit
on every backend, so that one coefficient per class is enough.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

from ai_ops.dtype import DType
from ai_ops.graph import SYMBOLIC, TensorType

Polynomial = tuple[int, int, int]
"""Counts (c0, c1, c2): c0 + c1*n + c2*n^2."""

COST_CLASSES: tuple[str, ...] = (
    "steps",  # halves of an operator run: dispatch, one digest; operands and inputs to handle
    "rows",  # inner loops begun: a row reduced or scaled, a window, a run of a patch
    "mac_gemm",  # multiply-accumulates of 8 or 16 bits with a weight of 8, dense
    "mac_conv",  # the same of convolutions in one group
    "mac_grouped",  # multiply-accumulates of depthwise convolutions
    "mac_general",  # all others: of two activations, of groups, of wider operands
    "weight_bytes",  # weight bytes streamed once per call
    "element_copy",  # elements moved (gathered patches, transposed, concatenated, reshaped)
    "element_cheap",  # elements compared, clamped, looked up, rescaled in long runs
    "element_heavy",  # sums finished one by one: bias, rescale and clamp, or a division
    "element_wide",  # elements of a norm, an exponential, a scale for each row, a division
    "comparison",  # comparisons of a sort or of pairs of boxes
    "digest_bytes",  # bytes hashed into step digests
)
MAC_CLASSES = ("mac_gemm", "mac_conv", "mac_grouped", "mac_general")

Work = Mapping[str, Polynomial]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Total work of one inference.

    Parameters
    ----------
    counts : mapping of str to (int, int, int)
        A polynomial for each of `COST_CLASSES`.
    """

    counts: Mapping[str, Polynomial]

    def at(self, n: int) -> dict[str, int]:
        """Return the counts per class at `n` units."""
        return {name: evaluate(counts, n) for name, counts in self.counts.items()}

    def macs(self, n: int) -> int:
        """Multiply-accumulates at `n` units."""
        return sum(evaluate(self.counts[name], n) for name in MAC_CLASSES)


def total(works: list[Work]) -> Cost:
    """Sum the work of all nodes."""
    counts = dict.fromkeys(COST_CLASSES, (0, 0, 0))
    for work in works:
        for name, (c0, c1, c2) in work.items():
            a0, a1, a2 = counts[name]
            counts[name] = (a0 + c0, a1 + c1, a2 + c2)
    return Cost(counts=counts)


def evaluate(counts: Polynomial, n: int) -> int:
    """Return the value of a polynomial at `n`."""
    c0, c1, c2 = counts
    return c0 + c1 * n + c2 * n * n


def elements(tensor: TensorType, factor: int = 1) -> Polynomial:
    """Count `factor` units of work for each element of a tensor."""
    count = tensor.unit_elements * factor
    return (0, count, 0) if tensor.symbolic else (count, 0, 0)


def product(*shapes: tuple[int, ...]) -> Polynomial:
    """Count the combinations of an element of each shape; at most two symbolic dimensions."""
    sizes = [size for shape in shapes for size in shape]
    counts = [0, 0, 0]
    counts[sizes.count(SYMBOLIC)] = prod(size for size in sizes if size != SYMBOLIC)
    return counts[0], counts[1], counts[2]


def times(counts: Polynomial, factor: int) -> Polynomial:
    """Count `factor` units of work for each."""
    c0, c1, c2 = counts
    return c0 * factor, c1 * factor, c2 * factor


def rows(tensor: TensorType, factor: int = 1) -> Polynomial:
    """Count `factor` units of work for each row: for every index but the last."""
    return times(product(tensor.shape[:-1]), factor)


def plus(a: Polynomial, b: Polynomial) -> Polynomial:
    """Add two counts."""
    (a0, a1, a2), (b0, b1, b2) = a, b
    return a0 + b0, a1 + b1, a2 + b2


def narrow(x: TensorType, w: TensorType) -> bool:
    """Say whether processors multiply the operands' numbers in groups, by one instruction."""
    return x.dtype.itemsize <= 2 and w.dtype is DType.I8


def dense_macs(result: TensorType, x: TensorType, w: TensorType) -> Work:
    """Count the multiply-accumulates of rows of x with rows of w."""
    macs = elements(result, w.shape[1])
    return {"mac_gemm": macs} if narrow(x, w) else wide_macs(macs, x, w)


def wide_macs(macs: Polynomial, x: TensorType, w: TensorType) -> Work:
    """Count multiply-accumulates that are no groups of bytes: those of 32-bit operands twice."""
    return {"mac_general": times(macs, 2 if 4 in (x.dtype.itemsize, w.dtype.itemsize) else 1)}


def of_activations(work: Work) -> Work:
    """Count a product whose right operand is no weight: it is packed anew in every call."""
    moved = {"mac_gemm": "mac_general", "mac_conv": "mac_general"}
    counts = {moved.get(name, name): count for name, count in work.items()}
    return counts | {"rows": times(work["rows"], 2)}


def constant(count: int) -> Polynomial:
    """Count work that does not depend on n."""
    return (count, 0, 0)
