"""The `native` backend's runner: a whole graph in one call of C (src/program.h).

Steps for which there is no kernel in C split the program: they run in Python on views of the same
arena, and C makes their digest too.

Memory of a run: the arena of `ai_ops.planner`, whose bound follows from the peak that validation
proved, and the scratch of the step that wants most of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ai_ops.backends.base import Kernel, Program, ProgramStep
from ai_ops.backends.native_site import elements_of
from ai_ops.digest import step_header
from ai_ops.dtype import Array
from ai_ops.errors import AiOpsError, BackendFault
from ai_ops.inference import Call, Cancellation, Inference
from ai_ops.native.library import NativeKernel, Variant, address_of, given
from ai_ops.native.memory import POOL, Arena
from ai_ops.native.steps import Step, make_step
from ai_ops.planner import ALIASES, Plan

MAXIMUM_INPUTS = 1_024
MAXIMUM_OUTPUTS = 8
"""MAX_INPUTS and MAX_OUTPUTS of src/program.h."""

DIGEST = 32
HEADER_PREFIX = 8  # 0x02, index, operator, count
HEADER_TENSOR = 2  # dtype, rank

RunProgram = ctypes.CFUNCTYPE(
    ctypes.c_int64,
    ctypes.c_void_p,  # program
    ctypes.c_int64,  # first
    ctypes.c_int64,  # stop
    ctypes.c_int64,  # n
    ctypes.c_void_p,  # arena
    ctypes.c_void_p,  # scratch
    ctypes.c_void_p,  # cancelled
    ctypes.c_void_p,  # digests
)


Segment = tuple[int, int, bool]
"""First step, the step after the last, whether the (only) one is computed in Python."""


def runs_in_c(program: Program) -> bool:
    """Say whether a program's nodes fit the C runner's tables."""
    return all(
        len(step.node.inputs) <= MAXIMUM_INPUTS and len(step.outputs) <= MAXIMUM_OUTPUTS
        for step in program.steps
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A program's table for C with the offsets of one plan.

    Parameters
    ----------
    plan : Plan
    address : int
        Of the `struct program`.
    keeps : tuple
        What the table points into.
    """

    plan: Plan
    address: int
    keeps: tuple[object, ...]


class NativeRunner:
    """Runs one program; several threads may use it at once.

    Parameters
    ----------
    program : Program
    variant : Variant
    kernels : sequence of Kernel or None
        One for each step; None for a view, which only has a digest.
    plans : sequence of Plan
        Tight ones, by rising n; the last is for the largest n.
    """

    __slots__ = ("_kernels", "_layouts", "_program", "_run", "_segments", "_weights")

    def __init__(
        self,
        program: Program,
        variant: Variant,
        kernels: Sequence[Kernel | None],
        plans: Sequence[Plan],
    ) -> None:
        self._program = program
        self._kernels = tuple(kernels)
        self._weights = {value: given(array) for value, array in program.weights.items()}
        self._run = RunProgram(variant.address("run_program"))
        self._segments = tuple(_segments(self._kernels))
        self._layouts = tuple(self._layout(plan) for plan in plans)

    def arena_bytes(self, n: int) -> int:
        """Bytes of the arena and of the scratch behind it that a run of `n` units takes."""
        return self._plan_at(n).plan.arena_bytes + self.scratch_bytes(n)

    def scratch_bytes(self, n: int) -> int:
        """Bytes of the largest scratch among the steps."""
        return max((k.scratch(n) for k in self._kernels if isinstance(k, NativeKernel)), default=0)

    def run(self, data: bytes, n: int, cancellation: Cancellation | None) -> Inference:
        """Compute one inference."""
        layout = self._plan_at(n)
        arena = POOL.take(self.arena_bytes(n))
        try:
            self._put_inputs(layout.plan, arena, data, n)
            digests = self._compute(layout, arena, n, cancellation)
            outputs = [
                self._view(layout.plan, arena, value, n).tobytes()
                for value in self._program.model.graph.outputs
            ]
        finally:
            POOL.give(arena)
        return Inference(
            output=b"".join(outputs),
            step_digests=tuple(digests[at : at + DIGEST] for at in range(0, len(digests), DIGEST)),
        )

    def run_batch(
        self, calls: Sequence[Call], cancellation: Cancellation | None
    ) -> tuple[Inference, ...]:
        """Compute one call after another."""
        return tuple(self.run(call.data, call.n, cancellation) for call in calls)

    def _plan_at(self, n: int) -> Layout:
        return next(layout for layout in self._layouts if n <= layout.plan.n)

    def step_by_step(self, data: bytes, n: int) -> Iterator[int]:
        """Run one step at a time and yield its number after it: for measuring."""
        layout = self._plan_at(n)
        arena = Arena(self.arena_bytes(n))
        digests = ctypes.create_string_buffer(DIGEST * len(self._kernels))
        self._put_inputs(layout.plan, arena, data, n)
        for index in range(len(self._kernels)):
            in_python = any(first == index and python for first, _, python in self._segments)
            self._run_segment(layout, arena, n, (index, index + 1, in_python), None, digests)
            yield index

    def _compute(
        self, layout: Layout, arena: Arena, n: int, cancellation: Cancellation | None
    ) -> bytes:
        """Run all segments and return the digests, one after another."""
        digests = ctypes.create_string_buffer(DIGEST * len(self._kernels))
        for segment in self._segments:
            self._run_segment(layout, arena, n, segment, cancellation, digests)
        return digests.raw

    def _run_segment(
        self,
        layout: Layout,
        arena: Arena,
        n: int,
        segment: Segment,
        cancellation: Cancellation | None,
        digests: ctypes.Array[ctypes.c_char],
    ) -> None:
        first, stop, in_python = segment
        if in_python:
            if cancellation is not None:
                cancellation.check()
            self._step_in_python(layout.plan, arena, first, n)
        flag = None if cancellation is None else address_of(cancellation.flag)
        # Both the arena and the scratch behind it begin at multiples of 64.
        scratch = arena.address + layout.plan.arena_bytes
        reached = self._run(layout.address, first, stop, n, arena.address, scratch, flag, digests)
        if reached != stop:
            assert cancellation is not None
            cancellation.check()

    def _put_inputs(self, plan: Plan, arena: Arena, data: bytes, n: int) -> None:
        offset = 0
        for value, port in enumerate(self._program.model.manifest.inputs):
            size = port.type.size(n)
            place = plan.offsets[value]
            arena.memory[place : place + size] = np.frombuffer(data, np.uint8, size, offset)
            offset += size

    def _view(self, plan: Plan, arena: Arena, value: int, n: int) -> Array:
        """View a value's memory as its tensor."""
        tensor = self._program.facts.values[value].type
        place = plan.offsets[value]
        if place < 0:
            return self._weights[plan.roots[value]].reshape(tensor.shape)
        memory = arena.memory[place : place + tensor.size(n)]
        return memory.view(tensor.dtype.numpy).reshape(tensor.concrete(n))

    def _step_in_python(self, plan: Plan, arena: Arena, index: int, n: int) -> None:
        """Compute a step that has no kernel in C and put its results into the arena."""
        step, kernel = self._program.steps[index], self._kernels[index]
        assert kernel is not None
        try:
            results = kernel(
                tuple([self._view(plan, arena, value, n) for value in step.node.inputs])
            )
        except AiOpsError:
            raise
        except Exception as error:
            raise BackendFault(f"step {index} ({step.node.operator}) failed: {error!r}") from error
        for value, result in zip(step.outputs, results, strict=True):
            place = self._view(plan, arena, value, n)
            if result.shape != place.shape or result.dtype != place.dtype:
                raise BackendFault(
                    f"step {index} ({step.node.operator}) returned {result.dtype}{result.shape} "
                    f"instead of {place.dtype}{place.shape}"
                )
            place[...] = result

    def _layout(self, plan: Plan) -> Layout:
        steps = [
            self._table_row(plan, index, step) for index, step in enumerate(self._program.steps)
        ]
        rows = np.array([step.values for step in steps], np.int64)
        whole = make_step("program", {"steps": rows})
        return Layout(plan=plan, address=address_of(whole.values), keeps=(whole, *steps))

    def _table_row(self, plan: Plan, index: int, step: ProgramStep) -> Step:
        kernel = self._kernels[index]
        in_c = kernel if isinstance(kernel, NativeKernel) else None
        types = [value.type for value in self._program.output_values(step)]
        operands = [self._operand(plan, value) for value in (*step.node.inputs, *step.outputs)]
        sizes = []
        for tensor in types:
            fixed, unit = elements_of(tensor)
            sizes += [fixed * tensor.dtype.itemsize, unit * tensor.dtype.itemsize]
        header = step_header(index, step.code, [(t.dtype, t.concrete(0)) for t in types])
        places, at = [], HEADER_PREFIX
        for tensor in types:
            at += HEADER_TENSOR
            places += [at + 8 * axis for axis, size in enumerate(tensor.shape) if size < 0]
            at += 8 * len(tensor.shape)
        return make_step(
            "program_step",
            {
                "function": in_c.address if in_c else 0,
                "constants": in_c.step if in_c else None,
                "inputs": len(step.node.inputs),
                "outputs": len(step.outputs),
                "operands": np.array(operands, np.int64),
                "sizes": np.array(sizes, np.int64),
                "header": np.frombuffer(header, np.uint8).copy(),
                "header_bytes": len(header),
                "holes": len(places),
                "places": np.array(places, np.int64),
            },
        )

    def _operand(self, plan: Plan, value: int) -> tuple[int, int]:
        if plan.offsets[value] < 0:
            return 0, address_of(self._weights[plan.roots[value]])
        return 1, plan.offsets[value]


def _segments(kernels: Sequence[Kernel | None]) -> Iterator[Segment]:
    """Cut the steps where one runs in Python; C makes its digest."""
    first = 0
    for index, kernel in enumerate(kernels):
        if kernel is not None and not isinstance(kernel, NativeKernel):
            if first < index:
                yield first, index, False
            yield index, index + 1, True
            first = index + 1
    if first < len(kernels):
        yield first, len(kernels), False


def is_view(step: ProgramStep) -> bool:
    """Say whether a step's result is its operand's bytes."""
    return step.node.operator in ALIASES
