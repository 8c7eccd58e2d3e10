"""A model at one n as launches: where its tensors lie, what runs in which order.

A call's memory is one block: the results that leave the model and all step digests first, so
that one copy brings them to the host; then the planned arena; then the chaining values of the
digests. The calls of a batch lie one block after another, and every kernel covers all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from ai_ops.backends.base import Kernel, Program, ProgramStep
from ai_ops.backends.gpu.device import Launch, Memory, Place, Prepared
from ai_ops.backends.gpu.job import Job, Lowering, Tensor
from ai_ops.backends.gpu.resident import Resident
from ai_ops.backends.reference import ReferenceBackend
from ai_ops.digest import step_header
from ai_ops.dtype import Array
from ai_ops.planner import plan_memory

ALIGNMENT = 256
CHUNK = 1024
DIGEST = 32
HASH_THREADS = 128
MOST_RESULTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStep:
    """A node without a kernel here: its tensors go to the host and back."""

    kernel: Kernel
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    weights: Mapping[int, Array]


Action = Prepared | HostStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A call's memory.

    Parameters
    ----------
    offsets : tuple of int
        Of each value; -1 for weights and their views.
    digests, chaining : int
        Offsets of the step digests and of the chaining values.
    result_bytes : int
        What is copied to the host from offset 0 on.
    stride : int
        Bytes of one call.
    """

    offsets: tuple[int, ...]
    digests: int
    chaining: int
    result_bytes: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Launches for up to `capacity` calls at one n.

    `actions` holds one tuple for each step and a last one that ends the digests.
    """

    n: int
    capacity: int
    layout: Layout
    memory: Memory
    constants: Resident
    actions: tuple[tuple[Action, ...], ...]

    @property
    def bytes(self) -> int:
        """Bytes of the device that go with it."""
        return self.constants.bytes

    @property
    def recordable(self) -> bool:
        """Whether nothing happens on the host."""
        return all(isinstance(action, Prepared) for step in self.actions for action in step)


def up(size: int, multiple: int = ALIGNMENT) -> int:
    """Round up."""
    return -(-size // multiple) * multiple


def chunks_of(program: Program, step: ProgramStep, n: int, header: bytes) -> int:
    """Return the number of BLAKE3 chunks of a step's digest."""
    size = len(header) + sum(value.type.size(n) for value in program.output_values(step))
    return -(-size // CHUNK)


def headers_of(program: Program, n: int) -> list[bytes]:
    """Return each step's digest header."""
    return [
        step_header(
            index,
            step.code,
            tuple(
                (value.type.dtype, value.type.concrete(n)) for value in program.output_values(step)
            ),
        )
        for index, step in enumerate(program.steps)
    ]


def lay_out(program: Program, n: int) -> Layout | None:
    """Place the tensors of a call; None where the planned arena exceeds its bound."""
    plan = plan_memory(program, n)
    if not plan.tight:
        return None
    values = program.facts.values
    results: dict[int, int] = {}
    top = 0
    for value in program.model.graph.outputs:
        root = plan.roots[value]
        if root not in results and plan.offsets[value] >= 0:
            results[root] = top
            top += up(values[value].type.size(n))
    digests = top
    arena = up(digests + DIGEST * len(program.steps))
    offsets = tuple(
        offset if offset < 0 else results.get(plan.roots[value], arena + offset)
        for value, offset in enumerate(plan.offsets)
    )
    chaining = up(arena + plan.arena_bytes)
    headers = headers_of(program, n)
    chunks = sum(
        chunks_of(program, step, n, header)
        for step, header in zip(program.steps, headers, strict=True)
    )
    return Layout(
        offsets=offsets,
        digests=digests,
        chaining=chaining,
        result_bytes=arena,
        stride=up(chaining + DIGEST * chunks),
    )


class Scheduler:
    """Makes schedules of one program.

    Parameters
    ----------
    program : Program
    lowerings : mapping of str to Lowering
    tile : int
        As in `Job`.
    """

    def __init__(self, program: Program, lowerings: Mapping[str, Lowering], tile: int = 0) -> None:
        self.program = program
        self.tile = tile
        self.lowerings = lowerings

    def make(self, resident: Resident, layout: Layout, n: int, capacity: int) -> Schedule:
        """Make the schedule of up to `capacity` calls; the resident has the model's constants."""
        here = Resident(resident.device)
        memory = here.allocate(layout.stride * capacity)
        base = Place(address=memory.address, moving=True)
        headers = headers_of(self.program, n)
        tensors = self._tensors(resident, layout, base, n)
        actions: list[tuple[Action, ...]] = []
        words, table, at = 0, [], 0
        place = here.keep("headers", lambda: joined(headers))
        for index, step in enumerate(self.program.steps):
            launches = self._lowered(resident, here, index, step, tensors)
            chunks = chunks_of(self.program, step, n, headers[index])
            outputs = [tensors[value] for value in step.outputs]
            hashing = hash_step(
                place, at, len(headers[index]), outputs, base.after(layout.chaining), words, chunks
            )
            actions.append(prepared([*launches, hashing], layout.stride))
            table.append((words, chunks))
            words += chunks * DIGEST // 4
            at += up(len(headers[index]), 4)
        ends = here.keep("chunks", lambda: np.array(table, np.int32))
        last = Launch(
            kernel="hash_parents",
            blocks=len(table),
            threads=HASH_THREADS,
            pointers=(ends, base.after(layout.chaining), base.after(layout.digests)),
            integers=(),
        )
        actions.append(prepared([last], layout.stride))
        return Schedule(
            n=n,
            capacity=capacity,
            layout=layout,
            memory=memory,
            constants=here,
            actions=tuple(actions),
        )

    def _tensors(self, resident: Resident, layout: Layout, base: Place, n: int) -> list[Tensor]:
        """Return all values; weights and views of weights are brought when first asked for."""
        tensors = []
        sources = dict(self.program.weights)
        for step in self.program.steps:
            if step.node.operator == "RESHAPE" and step.node.inputs[0] in sources:
                sources[step.outputs[0]] = sources[step.node.inputs[0]]
        for value, facts in enumerate(self.program.facts.values):
            offset = layout.offsets[value]
            locate = (
                located(base.after(offset))
                if offset >= 0
                else bringing(resident, sources[value], value)
            )
            tensors.append(
                Tensor(dtype=facts.type.dtype, shape=facts.type.concrete(n), locate=locate)
            )
        return tensors

    def _lowered(
        self,
        resident: Resident,
        here: Resident,
        index: int,
        step: ProgramStep,
        tensors: list[Tensor],
    ) -> list[Launch | HostStep]:
        inputs = tuple(tensors[value] for value in step.node.inputs)
        outputs = tuple(tensors[value] for value in step.outputs)
        weights = self.program.step_weights(step)
        values = self.program.input_values(step)
        lowering = self.lowerings.get(step.node.operator)
        if lowering is None:
            kernel = ReferenceBackend().prepare(
                step.node, values, self.program.output_values(step), weights
            )
            return [HostStep(kernel=kernel, inputs=inputs, outputs=outputs, weights=weights)]
        job = Job(
            node=step.node,
            values=values,
            inputs=inputs,
            outputs=outputs,
            weights=weights,
            keep=lambda label, make: resident.keep((index, label), make),
            keep_here=lambda label, make: here.keep((index, label), make),
            tile=self.tile,
        )
        return [*lowering(job)]


def located(place: Place) -> Callable[[], Place]:
    """Return a known place when asked."""
    return lambda: place


def bringing(resident: Resident, weight: Array, value: int) -> Callable[[], Place]:
    """Bring a weight to the device when asked where it lies."""
    return lambda: resident.keep(("weight", value), lambda: weight)


def prepared(launches: list[Launch | HostStep], stride: int) -> tuple[Action, ...]:
    """Pack the arguments of launches."""
    return tuple(
        Prepared(
            kernel=launch.kernel,
            blocks=launch.blocks,
            threads=launch.threads,
            arguments=launch.arguments(stride),
        )
        if isinstance(launch, Launch)
        else launch
        for launch in launches
    )


def joined(headers: list[bytes]) -> Array:
    """Join headers, each from a multiple of 4 bytes on."""
    data = b"".join(header + bytes(-len(header) % 4) for header in headers)
    return np.frombuffer(data, np.uint8)


def hash_step(
    headers: Place,
    header_at: int,
    header_bytes: int,
    outputs: list[Tensor],
    chaining: Place,
    words: int,
    chunks: int,
) -> Launch:
    """Launch the hashing of a step's chunks."""
    assert len(outputs) <= MOST_RESULTS
    sizes = [output.size for output in outputs]
    blank = MOST_RESULTS - len(outputs)
    nowhere = Place(address=0)
    return Launch(
        kernel="hash_chunks",
        blocks=-(-chunks // HASH_THREADS),
        threads=HASH_THREADS,
        pointers=(
            headers,
            *(output.place for output in outputs),
            *(nowhere,) * blank,
            chaining,
        ),
        integers=(chunks, header_at, header_bytes, len(outputs), *sizes, *(0,) * blank, words),
    )
