"""Runs whole models on a device: one call, or several in the same launches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ai_ops.backends.base import Backend, Program
from ai_ops.backends.gpu.device import Device, Prepared, Queue
from ai_ops.backends.gpu.job import Tensor
from ai_ops.backends.gpu.resident import Cache, Resident
from ai_ops.backends.gpu.schedule import DIGEST, HostStep, Layout, Schedule, Scheduler, lay_out
from ai_ops.dtype import Array
from ai_ops.errors import BackendFault
from ai_ops.inference import Call, Cancellation, Inference
from ai_ops.step_loop import StepLoop, split_input

MOST_CALLS = 64
"""Calls of a batch that share launches."""
MOST_IDLE = 8
"""Lanes that a model keeps while nobody uses them; the least recently used go."""
MOST_LAYOUTS = 256
RECORD_AFTER = 2
"""A lane whose n comes again so often is recorded as one graph."""


@dataclass(slots=True, kw_only=True, eq=False)
class Lane:
    """Memory, launches and a queue that one thread uses at a time."""

    schedule: Schedule
    queue: Queue
    runs: int = 0
    replay: Callable[[], None] | None = None


class Plans:
    """What a resident model remembers of its shapes.

    Lanes change hands by single operations of a list, which no other thread can split.
    """

    def __init__(self, resident: Resident) -> None:
        self.resident = resident
        self.layouts: dict[int, Layout | None] = {}
        self.idle: list[Lane] = []

    def take(self, n: int, capacity: int) -> Lane | None:
        """Take an idle lane for these calls, the youngest."""
        for lane in reversed(self.idle.copy()):
            if (lane.schedule.n, lane.schedule.capacity) == (n, capacity):
                try:
                    self.idle.remove(lane)
                except ValueError:  # another thread was faster
                    continue
                return lane
        return None

    def give(self, lane: Lane) -> None:
        """Return a lane after use."""
        self.idle.append(lane)
        self.shrink(MOST_IDLE)

    def shrink(self, most: int) -> None:
        """Drop the oldest idle lanes beyond `most`."""
        while len(self.idle) > most:
            self.resident.adopt(-self.idle.pop(0).schedule.bytes)


class GpuRunner:
    """Implements `ai_ops.backends.base.Runner`.

    Parameters
    ----------
    program : Program
    backend : Backend
        Prepares single kernels where a plan would take too much memory.
    device : Device
    cache : Cache
    scheduler : Scheduler
        Of this program.
    """

    def __init__(
        self,
        program: Program,
        backend: Backend,
        device: Device,
        cache: Cache,
        scheduler: Scheduler,
    ) -> None:
        self.program = program
        self.device = device
        self._backend = backend
        self._cache = cache
        self._scheduler = scheduler
        self._plans: Plans | None = None

    def run(self, data: bytes, n: int, cancellation: Cancellation | None) -> Inference:
        """Compute one inference."""
        return self.run_batch((Call(data=data, n=n),), cancellation)[0]

    def run_batch(
        self, calls: Sequence[Call], cancellation: Cancellation | None
    ) -> tuple[Inference, ...]:
        """Compute calls of the same n together, groups one after another."""
        results: dict[int, Inference] = {}
        groups: dict[int, list[int]] = {}
        for at, call in enumerate(calls):
            groups.setdefault(call.n, []).append(at)
        for n, members in groups.items():
            layout = self._layout(n)
            if layout is None:
                loop = StepLoop(self.program, self._backend)
                results.update((at, loop.run(calls[at].data, n, cancellation)) for at in members)
                continue
            most = max(1, min(MOST_CALLS, self._cache.capacity // (2 * layout.stride)))
            for first in range(0, len(members), most):
                group = members[first : first + most]
                done = self._run_group([calls[at].data for at in group], n, layout, cancellation)
                results.update(zip(group, done, strict=True))
        return tuple(results[at] for at in range(len(calls)))

    def _current(self) -> Plans:
        """Return the plans of the resident model, anew if it was dropped."""
        resident = self._cache.get(self, lambda: Resident(self.device))
        plans = self._plans
        if plans is None or plans.resident is not resident:
            plans = self._plans = Plans(resident)
        return plans

    def _layout(self, n: int) -> Layout | None:
        plans = self._current()
        if n in plans.layouts:
            return plans.layouts[n]
        if len(plans.layouts) >= MOST_LAYOUTS:
            plans.layouts = {}
        layout = plans.layouts[n] = lay_out(self.program, n)
        return layout

    def _run_group(
        self,
        inputs: list[bytes],
        n: int,
        layout: Layout,
        cancellation: Cancellation | None,
    ) -> list[Inference]:
        plans = self._current()
        capacity = 1 << (len(inputs) - 1).bit_length()
        lane = plans.take(n, capacity)
        if lane is None:
            schedule = self._scheduler.make(plans.resident, layout, n, capacity)
            plans.resident.adopt(schedule.bytes)
            lane = Lane(schedule=schedule, queue=self.device.queue())
            self._make_room(plans)
        try:
            for at, data in enumerate(inputs):
                self._bring(lane, data, n, at)
            self._work(lane, len(inputs), cancellation)
            results = [self._result(lane, n, at) for at in range(len(inputs))]
        except BaseException:
            # Not used again; and its memory may not be another's while kernels still write to it.
            plans.resident.adopt(-lane.schedule.bytes)
            lane.queue.wait()
            raise
        plans.give(lane)
        return results

    def _make_room(self, plans: Plans) -> None:
        """Let other models go, then idle lanes of this one, until the bound is kept."""
        if self._cache.trim(self):
            return
        plans.shrink(0)
        if not self._cache.trim(self):
            self._cache.drop(self)
            raise BackendFault(
                f"the model takes {plans.resident.bytes} bytes of the device; "
                f"{self._cache.capacity} are allowed"
            )

    def _bring(self, lane: Lane, data: bytes, n: int, call: int) -> None:
        layout = lane.schedule.layout
        base = lane.schedule.memory.address + call * layout.stride
        view = memoryview(data)
        offset = 0
        for value, tensor in enumerate(split_input(self.program.model.manifest, data, n)):
            lane.queue.upload(base + layout.offsets[value], view[offset : offset + tensor.nbytes])
            offset += tensor.nbytes

    def _work(self, lane: Lane, calls: int, cancellation: Cancellation | None) -> None:
        schedule = lane.schedule
        lane.runs += 1
        if calls == schedule.capacity == 1 and lane.runs >= RECORD_AFTER and schedule.recordable:
            if cancellation is not None:
                cancellation.check()
            if lane.replay is None:
                work = [act for step in schedule.actions for act in step]
                lane.replay = lane.queue.record([act for act in work if isinstance(act, Prepared)])
            lane.replay()
            return
        for step in schedule.actions:
            if cancellation is not None:
                cancellation.check()
            for action in step:
                if isinstance(action, Prepared):
                    lane.queue.launch(action, calls)
                else:
                    for call in range(calls):
                        host_step(lane.queue, action, call * schedule.layout.stride)

    def _result(self, lane: Lane, n: int, call: int) -> Inference:
        layout = lane.schedule.layout
        base = lane.schedule.memory.address + call * layout.stride
        data = lane.queue.download(base, layout.result_bytes)
        parts = []
        for value in self.program.model.graph.outputs:
            at, size = layout.offsets[value], self.program.facts.values[value].type.size(n)
            if at < 0:  # a view of a weight
                root = self._weight_under(value)
                parts.append(self.program.weights[root].tobytes())
            else:
                parts.append(data[at : at + size])
        digests = tuple(
            data[layout.digests + DIGEST * at : layout.digests + DIGEST * (at + 1)]
            for at in range(len(self.program.steps))
        )
        return Inference(output=b"".join(parts), step_digests=digests)

    def _weight_under(self, value: int) -> int:
        """Follow reshapes down to the weight that they view."""
        while value not in self.program.weights:
            step = next(step for step in self.program.steps if value in step.outputs)
            value = step.node.inputs[0]
        return value


def read_tensor(queue: Queue, tensor: Tensor, shift: int) -> Array:
    """Copy a tensor of one call to the host."""
    place = tensor.place
    data = queue.download(place.address + (shift if place.moving else 0), tensor.size)
    return np.frombuffer(data, tensor.dtype.numpy).reshape(tensor.shape)


def host_step(queue: Queue, step: HostStep, shift: int) -> None:
    """Compute a node on the host, for the call that lies `shift` bytes on."""
    arrays = tuple(
        step.weights[at] if at in step.weights else read_tensor(queue, tensor, shift)
        for at, tensor in enumerate(step.inputs)
    )
    for array, tensor in zip(step.kernel(arrays), step.outputs, strict=True):
        data = np.ascontiguousarray(array, tensor.dtype.numpy).tobytes()
        queue.upload(tensor.place.address + shift, data)
