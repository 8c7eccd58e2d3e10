"""What a backend is: it turns one node into one callable, and perhaps a whole graph into one.

A backend decides how, never what: for inputs inside their proved intervals its kernels return the
same integers as `reference`, and its runners the same output and step digests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from ai_ops.dtype import Array
from ai_ops.graph import Model, Node, Value
from ai_ops.inference import Call, Cancellation, Inference
from ai_ops.validate import ModelFacts

Kernel = Callable[[tuple[Array, ...]], tuple[Array, ...]]
"""Takes the node's input arrays (weights included) and returns its output arrays. It keeps no
state between calls and may run in several threads at once."""


class Backend(Protocol):
    """A way to compute operators."""

    @property
    def name(self) -> str:
        """Name in `BACKENDS`."""

    def prepare(
        self,
        node: Node,
        inputs: tuple[Value, ...],
        outputs: tuple[Value, ...],
        weights: Mapping[int, Array],
    ) -> Kernel:
        """Make the kernel of one node; called once when a model is loaded.

        Parameters
        ----------
        node : Node
        inputs, outputs : tuple of Value
            Types and proved intervals.
        weights : mapping of int to array
            The inputs, by position in the node, that are weights.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramStep:
    """One node with the values that it touches.

    Parameters
    ----------
    node : Node
        `node.inputs` are the ids of its operands.
    code : int
        The operator's code, for the step's digest.
    outputs : tuple of int
        Ids of its results.
    dead : tuple of int
        Ids of the values that no later step reads and that do not leave the model.
    """

    node: Node
    code: int
    outputs: tuple[int, ...]
    dead: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A validated model in the form in which it is run; it holds no state of any call.

    Parameters
    ----------
    model : Model
    facts : ModelFacts
        `facts.values` has the type and the proved interval of every value, by id; the model's
        inputs come first, then its weights, then the results of the steps.
    weights : mapping of int to array
        The weight tensors by value id, read-only views of the model's bytes.
    steps : tuple of ProgramStep
        In execution order.
    """

    model: Model
    facts: ModelFacts
    weights: Mapping[int, Array]
    steps: tuple[ProgramStep, ...]

    def input_values(self, step: ProgramStep) -> tuple[Value, ...]:
        """Types and intervals of a step's operands."""
        return tuple(self.facts.values[value] for value in step.node.inputs)

    def output_values(self, step: ProgramStep) -> tuple[Value, ...]:
        """Types and intervals of a step's results."""
        return tuple(self.facts.values[value] for value in step.outputs)

    def step_weights(self, step: ProgramStep) -> dict[int, Array]:
        """Return the operands of a step that are weights, by position in the node."""
        return {
            position: self.weights[value]
            for position, value in enumerate(step.node.inputs)
            if value in self.weights
        }


class Runner(Protocol):
    """A program made ready to run; several threads may run it at once.

    The caller has checked every input (`check_input`) and turns whatever else is raised into a
    `BackendFault`.
    """

    def run(self, data: bytes, n: int, cancellation: Cancellation | None) -> Inference:
        """Compute one inference; raises `Cancelled` before a step once the flag is set."""

    def run_batch(
        self, calls: Sequence[Call], cancellation: Cancellation | None
    ) -> tuple[Inference, ...]:
        """Compute independent inferences; each result is what `run` returns for its call."""


@runtime_checkable
class GraphBackend(Backend, Protocol):
    """A backend that takes a whole graph at once; `prepare` remains for tracing and fuzzing."""

    def compile(self, program: Program) -> Runner:
        """Make a runner; called once when a model is loaded."""
