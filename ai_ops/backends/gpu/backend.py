"""The `gpu` backend itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from ai_ops.backends.base import Kernel, Program, Runner
from ai_ops.backends.gpu.device import Device, Memory, Place, Prepared, Queue
from ai_ops.backends.gpu.job import Job, Tensor
from ai_ops.backends.gpu.lowering import LOWERINGS
from ai_ops.backends.gpu.products import TILES
from ai_ops.backends.gpu.resident import Cache, Resident
from ai_ops.backends.gpu.runner import GpuRunner, read_tensor
from ai_ops.backends.gpu.schedule import Scheduler, located, prepared, up
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.backends.selftest import check_backend
from ai_ops.dtype import Array
from ai_ops.errors import BackendFault
from ai_ops.graph import SYMBOLIC, Node, Value

DEFAULT_CAPACITY = 8 * 2**30
"""Bytes of the device that models and their runs may take."""


class GpuBackend:
    """Kernels on a device; operators without one run on the host in between.

    Parameters
    ----------
    device : Device
    capacity : int
        Bytes that weights and runs may take; the least recently used models go first.
    tile : int
        Side of the tiles of large products, 64 or 128; 0 to choose for each.
    """

    name = "gpu"

    def __init__(self, device: Device, capacity: int = DEFAULT_CAPACITY, tile: int = 0) -> None:
        self.device = device
        self.tile = tile
        self.cache = Cache(capacity)
        self.reference = ReferenceBackend()

    def compile(self, program: Program) -> Runner:
        """Make a runner of a whole model; its weights go to the device with the first call."""
        return GpuRunner(
            program, self, self.device, self.cache, Scheduler(program, LOWERINGS, self.tile)
        )

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        """Make the kernel of one node: for tracing and for tests."""
        if node.operator not in LOWERINGS:
            return self.reference.prepare(node, inputs, outputs, weights)
        return SingleNode(self.device, node, inputs, outputs, weights, self.tile)


class SingleNode:
    """One node on the device; inputs and outputs travel with every call."""

    def __init__(
        self,
        device: Device,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
        tile: int = 0,
    ) -> None:
        self.tile = tile
        self.node = node
        self.inputs = inputs
        self.outputs = outputs
        self.weights = dict(weights)
        self.resident = Resident(device)
        self.device = device

    def __call__(self, arrays: tuple[Array, ...]) -> tuple[Array, ...]:
        """Compute the node."""
        placed = self.placed(arrays)
        placed.launch()
        return tuple(read_tensor(placed.queue, tensor, 0).copy() for tensor in placed.outputs)

    def placed(self, arrays: tuple[Array, ...]) -> Placed:
        """Bring the inputs to the device and prepare the launches."""
        n = units_of(self.inputs, arrays)
        types = [(array.shape, value) for array, value in zip(arrays, self.inputs, strict=True)]
        types += [(value.type.concrete(n), value) for value in self.outputs]
        sizes = [prod(shape) * value.type.dtype.itemsize for shape, value in types]
        memory = self.device.allocate(sum(up(size) for size in sizes))
        queue = self.device.queue()
        tensors = []
        address = memory.address
        for (shape, value), size in zip(types, sizes, strict=True):
            place = Place(address=address, moving=True)
            tensors.append(Tensor(dtype=value.type.dtype, shape=shape, locate=located(place)))
            address += up(size)
        for tensor, array in zip(tensors, arrays, strict=False):
            queue.upload(tensor.place.address, np.ascontiguousarray(array).data.cast("B"))
        count = len(self.inputs)
        job = Job(
            node=self.node,
            values=self.inputs,
            inputs=tuple(tensors[:count]),
            outputs=tuple(tensors[count:]),
            weights=self.weights,
            keep=self.resident.keep,
            keep_here=Resident(self.device).keep,
            tile=self.tile,
        )
        work = prepared([*LOWERINGS[self.node.operator](job)], memory.size)
        return Placed(
            job=job,
            memory=memory,
            queue=queue,
            work=tuple(action for action in work if isinstance(action, Prepared)),
            outputs=job.outputs,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A node whose inputs are on the device; it may be launched again and again."""

    job: Job  # holds the constants
    memory: Memory
    queue: Queue
    work: tuple[Prepared, ...]
    outputs: tuple[Tensor, ...]

    def launch(self) -> None:
        """Queue its kernels."""
        for item in self.work:
            self.queue.launch(item, 1)

    def wait(self) -> None:
        """Wait until they are done."""
        self.queue.wait()


def units_of(values: tuple[Value, ...], arrays: tuple[Array, ...]) -> int:
    """Return n, as the inputs' shapes tell it."""
    for value, array in zip(values, arrays, strict=True):
        if SYMBOLIC in value.type.shape:
            return int(array.shape[value.type.shape.index(SYMBOLIC)])
    return 1


def start_gpu() -> GpuBackend:
    """Return the backend on this machine's card.

    Raises
    ------
    BackendFault
        CuPy, a card or its driver is missing.
    """
    try:
        from ai_ops.backends.gpu.cuda import CupyDevice
    except ImportError as error:
        raise BackendFault(
            f"the gpu backend needs CuPy ({error}): pip install 'engram-node[gpu]'"
        ) from error
    device = CupyDevice()
    # The caller checks the backend as it is; both sizes of tiles are checked here.
    for tile in TILES:
        check_backend(GpuBackend(device, tile=tile))
    return GpuBackend(device)
