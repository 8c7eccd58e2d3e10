"""What a lowering is given: a node, its tensors on the device, a place for constants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from ai_ops.backends.gpu.device import Launch, Place
from ai_ops.dtype import Array, DType
from ai_ops.graph import Node, Value

ELEMENT_THREADS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Tensor:
    """A tensor of one run.

    Parameters
    ----------
    dtype : DType
    shape : tuple of int
        Concrete.
    locate : callable
        Returns where it lies; a weight is brought to the device by the first question.
    """

    dtype: DType
    shape: tuple[int, ...]
    locate: Callable[[], Place]

    @property
    def place(self) -> Place:
        """Where it lies."""
        return self.locate()

    @property
    def elements(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.elements * self.dtype.itemsize


Keep = Callable[[str, Callable[[], Array]], Place]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A node to lower at one n.

    Parameters
    ----------
    node : Node
    values : tuple of Value
        Types and proved intervals of the inputs.
    inputs, outputs : tuple of Tensor
    weights : mapping of int to array
        The inputs, by position, that are weights.
    tile : int
        Side of the tiles of large products, 64 or 128; 0 to choose by their number.
    keep : callable
        (label, make) to the place of the array that `make` returns; made once for each model
        and node, so it must not depend on n.
    keep_here : callable
        The same for what depends on n.
    """

    node: Node
    values: tuple[Value, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights: Mapping[int, Array]
    keep: Keep
    keep_here: Keep
    tile: int = 0

    def scales(self, channels: int, turned: Array | None = None) -> Place:
        """Return the table of bias, multiplier and shift, one row for each channel.

        Parameters
        ----------
        channels : int
        turned : array, optional
            Filters, one for each channel, over u8 elements that the kernel makes i8.
        """
        return self.keep("scales", lambda: scale_table(self.node, channels, turned))


Lowering = Callable[[Job], list[Launch]]


def scale_table(node: Node, channels: int, turned: Array | None = None) -> Array:
    """Return int32 (channels, 4): struct Scale of kernels/common.cuh.

    Parameters
    ----------
    node : Node
        Has `multipliers` and `shifts`, perhaps `bias`.
    channels : int
    turned : array, optional
        As in `Job.scales`: x - 128 takes the place of x, and 128 times the sum of each filter
        joins the bias, modulo 2^32 as accumulators are.
    """
    table = np.zeros((channels, 4), np.int32)
    bias = np.zeros(channels, np.int64)
    if "bias" in dict(node.attributes):
        bias[:] = node.integers("bias") or (0,)
    if turned is not None:
        bias += 128 * turned.reshape(channels, -1).sum(axis=1, dtype=np.int64)
    table[:, 0] = (bias & 0xFFFFFFFF).astype(np.uint32).view(np.int32)
    table[:, 1] = node.integers("multipliers")
    table[:, 2] = node.integers("shifts")
    return table


def clamp_of(node: Node) -> tuple[int, int]:
    """Return the fields `minimum` and `maximum`."""
    return node.integer("minimum"), node.integer("maximum")


def blocks_for(elements: int, threads: int = ELEMENT_THREADS) -> int:
    """Return how many blocks give every element a thread."""
    return -(-elements // threads)


def over_elements(
    kernel: str, elements: int, pointers: tuple[Place, ...], integers: tuple[int, ...]
) -> Launch:
    """Launch one thread for each element."""
    return Launch(
        kernel=kernel,
        blocks=blocks_for(elements),
        threads=ELEMENT_THREADS,
        pointers=pointers,
        integers=integers,
    )


def over_rows(
    kernel: str,
    rows: int,
    size: int,
    pointers: tuple[Place, ...],
    integers: tuple[int, ...],
) -> Launch:
    """Launch one block for each row of `size` elements, about four elements a thread."""
    threads = min(max(1 << (-(-size // 4) - 1).bit_length(), 32), ELEMENT_THREADS)
    return Launch(kernel=kernel, blocks=rows, threads=threads, pointers=pointers, integers=integers)
