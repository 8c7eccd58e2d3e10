"""Run a validated model: bytes in, bytes and one digest for each step out.

Source: docs/spec/03-models.md M-17 to M-21.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from ai_ops.backends import OPTIONAL_BACKENDS, select_backend
from ai_ops.backends.base import Backend, GraphBackend, Program, ProgramStep, Runner
from ai_ops.backends.footprint import held_bytes
from ai_ops.dtype import Array
from ai_ops.errors import AiOpsError, BackendFault, Cancelled, InputFault, InvalidInput
from ai_ops.graph import Manifest, Model, ModelHead
from ai_ops.inference import Call, Cancellation, Inference, StepTrace
from ai_ops.model import decode_model
from ai_ops.operators import OPERATORS
from ai_ops.step_loop import StepLoop, split_input
from ai_ops.validate import ModelFacts, last_uses

__all__ = [
    "Call",
    "Cancellation",
    "Cancelled",
    "Inference",
    "LoadedModel",
    "StepTrace",
    "check_input",
    "load",
    "run_exact",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model made ready by a backend; it holds no state of any call.

    Use `load` to make one. Runs may happen in several threads at once.
    """

    program: Program
    backend: Backend
    runner: Runner

    @property
    def model(self) -> Model:
        """The model as data."""
        return self.program.model

    @property
    def facts(self) -> ModelFacts:
        """What validation proved of it."""
        return self.program.facts

    @property
    def held_bytes(self) -> int:
        """Bytes of this machine's memory that it holds while nothing runs.

        The model's own bytes and graph, and what the backend made of them: packed weights,
        tables, plans. Counted anew each time, in 10 microseconds an operator. Memory of a device
        is the backend's to bound.
        """
        return held_bytes(self.program, self.runner)

    def run(self, data: bytes, n: int, cancellation: Cancellation | None = None) -> Inference:
        """Compute one inference.

        Parameters
        ----------
        data : bytes
            The input tensors one after another, little-endian, row-major.
        n : int
            Units; 1 for a model without a symbolic dimension.
        cancellation : Cancellation, optional
            Ends the run before its next step when another thread sets it.

        Raises
        ------
        InvalidInput
            The input is refused before step 0.
        BackendFault
            This machine could not compute it.
        Cancelled
            It was stopped.
        """
        check_input(self.model.manifest, data, n)
        result = self._guarded(lambda: self.runner.run(data, n, cancellation))
        self._check_result(result, n)
        return result

    def run_batch(
        self, calls: Sequence[Call], cancellation: Cancellation | None = None
    ) -> tuple[Inference, ...]:
        """Compute independent inferences, together where the backend can.

        Parameters
        ----------
        calls : sequence of Call
            Each is checked as by `run`; one that is refused stops all of them.
        cancellation : Cancellation, optional

        Returns
        -------
        tuple of Inference
            One for each call, equal to what `run` returns for it.

        Raises
        ------
        InvalidInput, BackendFault, Cancelled
            As `run`.
        """
        for call in calls:
            check_input(self.model.manifest, call.data, call.n)
        results = self._guarded(lambda: self.runner.run_batch(calls, cancellation))
        if len(results) != len(calls):
            raise BackendFault(
                f"{self.backend.name} returned {len(results)} results for {len(calls)} calls"
            )
        for call, result in zip(calls, results, strict=True):
            self._check_result(result, call.n)
        return results

    def trace(
        self, data: bytes, n: int, cancellation: Cancellation | None = None
    ) -> tuple[StepTrace, ...]:
        """Compute one inference node by node and keep every step; parameters as `run`.

        A runner of whole graphs keeps no tensors to look at: the backend's single kernels are
        prepared for this call.
        """
        check_input(self.model.manifest, data, n)
        loop = self.runner
        if not isinstance(loop, StepLoop):
            loop = StepLoop(self.program, self.backend)
        traces = []
        for index, (outputs, digest) in enumerate(loop.execute(data, n, cancellation, {})):
            step = self.program.steps[index]
            first = outputs[0]
            traces.append(
                StepTrace(
                    index=index,
                    operator=step.node.operator,
                    dtype=self.facts.values[step.outputs[0]].type.dtype.name.lower(),
                    shape=first.shape,
                    digest=digest,
                    minimum=int(first.min()),
                    maximum=int(first.max()),
                    tensor=first.tobytes(),
                )
            )
        return tuple(traces)

    def _guarded(self, compute: Callable[[], T]) -> T:
        try:
            return compute()
        except AiOpsError:
            raise
        except Exception as error:
            raise BackendFault(f"{self.backend.name} failed: {error!r}") from error

    def _check_result(self, result: Inference, n: int) -> None:
        sizes = (len(result.output), len(result.step_digests))
        if sizes != (self.facts.output_bytes(n), self.facts.steps):
            raise BackendFault(
                f"{self.backend.name} returned {sizes[0]} bytes and {sizes[1]} digests instead of "
                f"{self.facts.output_bytes(n)} and {self.facts.steps}"
            )


def load(model: bytes | Model, facts: ModelFacts, backend: Backend) -> LoadedModel:
    """Prepare a validated model for running.

    Parameters
    ----------
    model : bytes or Model
    facts : ModelFacts
        From `validate` of this very model.
    backend : Backend

    Raises
    ------
    InvalidModel
        The bytes do not decode.
    BackendFault
        The backend could not prepare an operator.
    """
    if isinstance(model, bytes):
        model = decode_model(model)
    program = program_of(model, facts)
    runner: Runner
    if isinstance(backend, GraphBackend):
        try:
            runner = backend.compile(program)
        except AiOpsError:
            raise
        except Exception as error:
            raise BackendFault(f"{backend.name} could not compile the model: {error!r}") from error
    else:
        runner = StepLoop(program, backend)
    return LoadedModel(program=program, backend=backend, runner=runner)


def program_of(model: Model, facts: ModelFacts) -> Program:
    """Lay a validated model out as steps over numbered values."""
    graph = model.graph
    first_weight = len(model.manifest.inputs)
    weights = _weights(model, first_weight)
    dead: list[list[int]] = [[] for _ in range(len(graph.nodes) + 1)]
    for value, step in enumerate(last_uses(graph, len(facts.values))):
        if value not in weights:
            dead[step].append(value)
    steps = []
    next_value = first_weight + len(graph.weights)
    for index, node in enumerate(graph.nodes):
        count = facts.results[index]
        steps.append(
            ProgramStep(
                node=node,
                code=OPERATORS[node.operator].code,
                outputs=tuple(range(next_value, next_value + count)),
                dead=tuple(dead[index]),
            )
        )
        next_value += count
    return Program(model=model, facts=facts, weights=MappingProxyType(weights), steps=tuple(steps))


def run_exact(
    loaded: LoadedModel,
    data: bytes,
    n: int,
    cancellation: Cancellation | None = None,
    on_fault: Callable[[str], None] | None = None,
) -> Inference:
    """Run, and on a fault of the backend run again on `reference`; a card's on `cpu` before that.

    Parameters
    ----------
    loaded, data, n, cancellation
        As `LoadedModel.run`.
    on_fault : callable, optional
        Told why a backend was given up.

    Raises
    ------
    InvalidInput
        The input is refused before step 0.
    BackendFault
        The reference failed too: this machine must abstain.
    Cancelled
        It was stopped.
    """
    try:
        return loaded.run(data, n, cancellation)
    except BackendFault as fault:
        if loaded.backend.name == "reference":
            raise
        if on_fault is not None:
            on_fault(str(fault))
        name = "cpu" if loaded.backend.name in OPTIONAL_BACKENDS else "reference"
        again = load(loaded.model, loaded.facts, select_backend(name))
        return run_exact(again, data, n, cancellation, on_fault)


def check_input(manifest: Manifest | ModelHead, data: bytes, n: int) -> None:
    """Check size and range of an input, as is done before step 0.

    Parameters
    ----------
    manifest : Manifest or ModelHead
    data : bytes
    n : int

    Raises
    ------
    InvalidInput
        `UNITS`, `SIZE` or `RANGE`, in this order.
    """
    if isinstance(manifest, ModelHead):
        manifest = manifest.manifest
    if not 1 <= n <= manifest.maximum_units:
        raise InvalidInput(
            InputFault.UNITS, f"{n} units were asked for; 1 to {manifest.maximum_units} are allowed"
        )
    expected = sum(port.type.size(n) for port in manifest.inputs)
    if len(data) != expected:
        raise InvalidInput(
            InputFault.SIZE, f"the input has {len(data)} bytes; {n} units take {expected}"
        )
    narrow = [
        port.minimum > port.dtype.minimum or port.maximum < port.dtype.maximum
        for port in manifest.inputs
    ]
    if not any(narrow):
        return
    tensors = split_input(manifest, data, n)
    for port, tensor in compress(zip(manifest.inputs, tensors, strict=True), narrow):
        low, high = int(tensor.min()), int(tensor.max())
        if low < port.minimum or high > port.maximum:
            raise InvalidInput(
                InputFault.RANGE,
                f"input {port.name} holds {low if low < port.minimum else high}, outside "
                f"{port.minimum} to {port.maximum}",
            )


def _weights(model: Model, first_weight: int) -> dict[int, Array]:
    """View the weight region as tensors, by value id."""
    weights: dict[int, Array] = {}
    offset = 0
    for value, weight in enumerate(model.graph.weights, first_weight):
        flat = np.frombuffer(
            model.weights, dtype=weight.dtype.numpy, count=weight.elements(1), offset=offset
        )
        weights[value] = flat.reshape(weight.shape)
        offset += weight.size(1)
    return weights
