"""What stays on the device between calls, bounded in bytes.

A model's constants (weights in the form its kernels want, scale tables) and the plans that point
at them are one `Resident`; the least recently used ones go when room is needed. There is no lock:
each change is one operation of a dict or a list, and two threads that make the same thing at once
make it twice and keep one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

import numpy as np

from ai_ops.backends.gpu.device import Device, Memory, Place
from ai_ops.dtype import Array


class Resident:
    """Constants of one model, and whatever memory its runs keep.

    Parameters
    ----------
    device : Device
    """

    def __init__(self, device: Device) -> None:
        self.device = device
        self.bytes = 0
        self._queue = device.queue()
        self._constants: dict[Hashable, Memory] = {}

    def keep(self, label: Hashable, make: Callable[[], Array]) -> Place:
        """Return the place of a constant, bringing it to the device at the first call."""
        memory = self._constants.get(label)
        if memory is None:
            memory = self._constants.setdefault(label, self._brought(make()))
        return Place(address=memory.address)

    def allocate(self, size: int) -> Memory:
        """Allocate memory that counts as this model's."""
        self.bytes += size
        return self.device.allocate(size)

    def adopt(self, size: int) -> None:
        """Count bytes that something of this model holds; fewer when `size` is negative."""
        self.bytes += size

    def _brought(self, array: Array) -> Memory:
        data = np.ascontiguousarray(array)
        memory = self.allocate(max(data.nbytes, 1))
        self._queue.upload(memory.address, data.data.cast("B"))
        self._queue.wait()  # other queues read it
        return memory


class Cache:
    """The residents of all models, least recently used first.

    Parameters
    ----------
    capacity : int
        Bytes; the resident in use may fill all of it.
    """

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._residents: OrderedDict[object, Resident] = OrderedDict()

    @property
    def bytes(self) -> int:
        """Bytes of all residents."""
        return sum(resident.bytes for resident in list(self._residents.values()))

    def get(self, owner: object, make: Callable[[], Resident]) -> Resident:
        """Return the owner's resident, made anew if it had to go, as the most recent one."""
        resident = self._residents.get(owner)
        if resident is None:
            resident = self._residents.setdefault(owner, make())
        try:
            self._residents.move_to_end(owner)
        except KeyError:  # another thread dropped it just now; this call keeps its own reference
            self._residents[owner] = resident
        return resident

    def trim(self, owner: object) -> bool:
        """Drop the residents of others until all fit; returns whether they do."""
        while self.bytes > self.capacity:
            others = [other for other in list(self._residents) if other is not owner]
            if not others:
                return False
            self._residents.pop(others[0], None)
        return True

    def drop(self, owner: object) -> None:
        """Forget an owner."""
        self._residents.pop(owner, None)
