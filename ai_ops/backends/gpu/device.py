"""The line between the backend's logic and a card: memory, launches, queues.

`ai_ops.backends.gpu.cuda` implements it with CuPy. The tests implement it with the kernels'
source compiled for the CPU, so that everything above this line runs on every machine.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

# struct Arguments of kernels/common.cuh.
POINTERS = 12
INTEGERS = 48
LAYOUT = struct.Struct(f"<{POINTERS}QQQ{INTEGERS}q")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """An address on the device.

    Parameters
    ----------
    address : int
    moving : bool
        Whether each call of a batch has its own: then this is the first call's.
    """

    address: int
    moving: bool = False

    def after(self, size: int) -> Place:
        """Return the place `size` bytes behind."""
        return Place(address=self.address + size, moving=self.moving)


NOWHERE = Place(address=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """One kernel over a grid.

    Parameters
    ----------
    kernel : str
    blocks, threads : int
        Blocks, and threads in each.
    pointers : tuple of Place
    integers : tuple of int
        What they mean is written above the kernel.
    """

    kernel: str
    blocks: int
    threads: int
    pointers: tuple[Place, ...]
    integers: tuple[int, ...]

    def arguments(self, stride: int) -> bytes:
        """Return the kernel's argument for calls that lie `stride` bytes apart."""
        moving = sum(1 << at for at, place in enumerate(self.pointers) if place.moving)
        addresses = [place.address for place in self.pointers]
        return LAYOUT.pack(
            *addresses,
            *(0,) * (POINTERS - len(addresses)),
            stride,
            moving,
            *self.integers,
            *(0,) * (INTEGERS - len(self.integers)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A launch whose argument is packed."""

    kernel: str
    blocks: int
    threads: int
    arguments: bytes


class Memory(Protocol):
    """Memory on the device, given back when the last reference goes."""

    @property
    def address(self) -> int:
        """A multiple of 256."""

    @property
    def size(self) -> int:
        """Bytes."""


class Queue(Protocol):
    """Work in order; two queues may overlap."""

    def upload(self, address: int, data: bytes | memoryview) -> None:
        """Copy to the device; `data` may change once this returns."""

    def download(self, address: int, size: int) -> bytes:
        """Wait for what was queued and copy from the device."""

    def launch(self, work: Prepared, calls: int) -> None:
        """Queue a kernel for the first `calls` calls of a batch."""

    def wait(self) -> None:
        """Wait until all that was queued is done."""

    def record(self, work: Sequence[Prepared]) -> Callable[[], None]:
        """Turn launches for one call into something that queues them all at once."""


class Device(Protocol):
    """A card, or what stands in for one."""

    @property
    def name(self) -> str:
        """Name for people: the card's model."""

    def allocate(self, size: int) -> Memory:
        """Return memory of any content; raises `BackendFault` when there is none left."""

    def queue(self) -> Queue:
        """Make a queue."""
