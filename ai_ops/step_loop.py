"""The runner of backends that compute one node at a time.

Source: docs/spec/03-models.md M-19 and M-20.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ai_ops.backends.base import Backend, Kernel, Program
from ai_ops.digest import step_digest, step_header
from ai_ops.dtype import Array
from ai_ops.errors import AiOpsError, BackendFault
from ai_ops.graph import Manifest, TensorType
from ai_ops.inference import Call, Cancellation, Inference


@dataclass(frozen=True, slots=True, kw_only=True)
class _StepAt:
    """What a step must produce at some n, and the header of its digest."""

    header: bytes
    results: list[tuple[np.dtype[np.integer], tuple[int, ...]]]


class StepLoop:
    """Runs step after step in Python, dropping each tensor after its last use.

    Parameters
    ----------
    program : Program
    backend : Backend
        Prepares the kernels, now.

    Raises
    ------
    BackendFault
        It could not prepare a node.
    """

    __slots__ = ("_backend", "_moves", "_single", "program")

    def __init__(self, program: Program, backend: Backend) -> None:
        self.program = program
        self._backend = backend.name
        self._moves = tuple(
            (prepared(program, index, backend), step.node.inputs, step.outputs, step.dead)
            for index, step in enumerate(program.steps)
        )
        # The steps at n = 1, the common case.
        self._single = tuple(self._at(index, 1) for index in range(len(program.steps)))

    def run(self, data: bytes, n: int, cancellation: Cancellation | None) -> Inference:
        """Compute one inference."""
        digests = []
        tensors: dict[int, Array] = {}
        for _, digest in self.execute(data, n, cancellation, tensors):
            digests.append(digest)
        outputs = self.program.model.graph.outputs
        return Inference(
            output=b"".join(tensors[value].tobytes() for value in outputs),
            step_digests=tuple(digests),
        )

    def run_batch(
        self, calls: Sequence[Call], cancellation: Cancellation | None
    ) -> tuple[Inference, ...]:
        """Compute one call after another."""
        return tuple(self.run(call.data, call.n, cancellation) for call in calls)

    def execute(
        self, data: bytes, n: int, cancellation: Cancellation | None, tensors: dict[int, Array]
    ) -> Iterator[tuple[tuple[Array, ...], bytes]]:
        """Yield each step's results and digest, leaving the model's outputs in `tensors`."""
        program = self.program
        tensors.update(program.weights)
        tensors.update(enumerate(split_input(program.model.manifest, data, n)))
        # Written for small networks, in which this takes as long as the kernels do.
        for index, (kernel, inputs, results, dead) in enumerate(self._moves):
            if cancellation is not None:
                cancellation.check()
            now = self._single[index] if n == 1 else self._at(index, n)
            try:
                outputs = kernel(tuple([tensors[value] for value in inputs]))
                digest = step_digest(now.header, outputs)
            except AiOpsError:
                raise
            except Exception as error:
                raise self._fault(index, f"failed: {error!r}") from error
            if len(outputs) == 1 == len(results):
                (output,), ((dtype, shape),) = outputs, now.results
                right = output.dtype == dtype and output.shape == shape
                tensors[results[0]] = output
            else:
                right = [(output.dtype, output.shape) for output in outputs] == now.results
                tensors.update(zip(results, outputs, strict=False))
            if not right:
                found = ", ".join(f"{output.dtype}{output.shape}" for output in outputs)
                raise self._fault(index, f"returned {found} instead of {now.results}")
            for value in dead:
                del tensors[value]
            yield outputs, digest

    def _fault(self, index: int, what: str) -> BackendFault:
        operator = self.program.steps[index].node.operator
        return BackendFault(f"{self._backend} in step {index} ({operator}) {what}")

    def _at(self, index: int, n: int) -> _StepAt:
        """Fix what depends on n."""
        step = self.program.steps[index]
        types: list[TensorType] = [value.type for value in self.program.output_values(step)]
        shapes = tuple((tensor.dtype, tensor.concrete(n)) for tensor in types)
        return _StepAt(
            header=step_header(index, step.code, shapes),
            results=[(dtype.numpy, shape) for dtype, shape in shapes],
        )


def prepared(program: Program, index: int, backend: Backend) -> Kernel:
    """Prepare the kernel of a step.

    Raises
    ------
    BackendFault
        With the node that could not be prepared.
    """
    step = program.steps[index]
    try:
        return backend.prepare(
            step.node,
            program.input_values(step),
            program.output_values(step),
            program.step_weights(step),
        )
    except Exception as error:
        raise BackendFault(
            f"{backend.name} could not prepare node {index} ({step.node.operator}): {error!r}"
        ) from error


def split_input(manifest: Manifest, data: bytes, n: int) -> list[Array]:
    """View an input of the right size as its tensors."""
    tensors: list[Array] = []
    offset = 0
    for port in manifest.inputs:
        tensor = port.type
        count = tensor.elements(n)
        flat = np.frombuffer(data, dtype=tensor.dtype.numpy, count=count, offset=offset)
        tensors.append(flat.reshape(tensor.concrete(n)))
        offset += count * tensor.dtype.itemsize
    return tensors
