"""Sliding windows over NHWC tensors: what convolution and pooling share."""

from __future__ import annotations

from dataclasses import dataclass

from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import SYMBOLIC, Node, Value
from ai_ops.ops.definition import Field

WINDOW_FIELDS = (
    Field(name="strides", element="u16", count=2),  # rows, columns
    Field(name="padding", element="u16", count=4),  # top, left, bottom, right
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """One position inside a window: which outputs it contributes to, and from which inputs."""

    index: int
    writes: slice
    reads: slice


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One spatial direction of a window.

    Output position o reads input positions ``o*stride - before + tap*dilation`` for each tap.
    """

    size: int
    kernel: int
    stride: int
    dilation: int
    before: int
    after: int

    @property
    def extent(self) -> int:
        """Input positions the window spans, gaps included."""
        return (self.kernel - 1) * self.dilation + 1

    @property
    def output(self) -> int:
        """Positions of the window."""
        return (self.size + self.before + self.after - self.extent) // self.stride + 1

    def taps(self) -> tuple[Tap, ...]:
        """List the taps that read at least one real input position."""
        taps = []
        for tap in range(self.kernel):
            offset = tap * self.dilation - self.before
            first = max(0, -(offset // self.stride))
            stop = min(self.output, (self.size - 1 - offset) // self.stride + 1)
            if first < stop:
                start = first * self.stride + offset
                last = (stop - 1) * self.stride + offset
                reads = slice(start, last + 1, self.stride)
                taps.append(Tap(index=tap, writes=slice(first, stop), reads=reads))
        return tuple(taps)


def axes(
    node: Node, shape: tuple[int, ...], kernel: tuple[int, int], dilations: tuple[int, int]
) -> tuple[Axis, Axis]:
    """Read the window fields of a checked node for an input (N, H, W, C)."""
    strides = node.integers("strides")
    padding = node.integers("padding")
    rows, columns = (
        Axis(
            size=shape[1 + axis],
            kernel=kernel[axis],
            stride=strides[axis],
            dilation=dilations[axis],
            before=padding[axis],
            after=padding[2 + axis],
        )
        for axis in (0, 1)
    )
    return rows, columns


def check_axes(
    node: Node, x: Value, kernel: tuple[int, int], dilations: tuple[int, int] = (1, 1)
) -> tuple[Axis, Axis]:
    """Check the window fields; no window may lie wholly in the padding.

    Raises
    ------
    InvalidModel
        `SHAPE` or `ATTRIBUTE_VALUE`.
    """
    check_image(node, x)
    check_window(node, kernel, dilations)
    both = axes(node, x.type.shape, kernel, dilations)
    for axis in both:
        if axis.extent > axis.size + axis.before + axis.after:
            raise InvalidModel(
                ModelFault.SHAPE,
                f"{node.operator}: the window spans {axis.extent}, the padded input "
                f"{axis.size + axis.before + axis.after}",
            )
    return both


def check_image(node: Node, x: Value) -> None:
    """Require (N, H, W, C) of which only N may be symbolic.

    Raises
    ------
    InvalidModel
        `SHAPE` or `SYMBOLIC`.
    """
    if len(x.type.shape) != 4:
        raise InvalidModel(ModelFault.SHAPE, f"{node.operator}: x must be (N, H, W, C)")
    if SYMBOLIC in x.type.shape[1:]:
        raise InvalidModel(
            ModelFault.SYMBOLIC, f"{node.operator}: only the first dimension may be symbolic"
        )


def check_window(node: Node, kernel: tuple[int, int], dilations: tuple[int, int]) -> None:
    """Check strides, kernel, dilations and padding, whatever the input's size.

    Raises
    ------
    InvalidModel
        `ATTRIBUTE_VALUE`.
    """
    if min(*node.integers("strides"), *kernel, *dilations) < 1:
        raise InvalidModel(
            ModelFault.ATTRIBUTE_VALUE, f"{node.operator}: a stride, kernel or dilation is 0"
        )
    extents = [(size - 1) * gap + 1 for size, gap in zip(kernel, dilations, strict=True)]
    for at, padding in enumerate(node.integers("padding")):
        if padding >= extents[at % 2]:
            raise InvalidModel(
                ModelFault.ATTRIBUTE_VALUE,
                f"{node.operator}: padding reaches the window's extent {extents[at % 2]}",
            )
