"""Run a validated model: bytes in, bytes and one digest for each step out.

Source: docs/spec/03-models.md M-17 to M-21.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from ai_ops.backends import select_backend
from ai_ops.backends.base import Backend, Kernel
from ai_ops.digest import step_digest, step_header
from ai_ops.dtype import Array
from ai_ops.errors import AiOpsError, BackendFault, InputFault, InvalidInput
from ai_ops.graph import Manifest, Model, ModelHead, TensorType
from ai_ops.model import decode_model
from ai_ops.operators import OPERATORS
from ai_ops.validate import ModelFacts, last_uses


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference:
    """The result of one call.

    Parameters
    ----------
    output : bytes
        The output tensors one after another, little-endian, row-major.
    step_digests : tuple of bytes
        32 bytes for each node, in order.
    """

    output: bytes
    step_digests: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTrace:
    """One step, opened up for a person.

    Parameters
    ----------
    index : int
    operator : str
    dtype : str
        Of the (first) output.
    shape : tuple of int
        Of the (first) output.
    digest : bytes
    minimum, maximum : int
        Range of the values that occurred.
    tensor : bytes
        The (first) output's bytes.
    """

    index: int
    operator: str
    dtype: str
    shape: tuple[int, ...]
    digest: bytes
    minimum: int
    maximum: int
    tensor: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """A node made ready: its kernel and where its tensors are kept."""

    operator: str
    code: int
    kernel: Kernel
    inputs: tuple[int, ...]
    first_output: int
    types: tuple[TensorType, ...]
    dead: tuple[int, ...]  # values no later step reads

    def at(self, index: int, n: int) -> _StepAt:
        """Fix what depends on n."""
        shapes = tuple((tensor.dtype, tensor.concrete(n)) for tensor in self.types)
        return _StepAt(
            header=step_header(index, self.code, shapes),
            results=tuple((dtype.numpy, shape) for dtype, shape in shapes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _StepAt:
    """What a step must produce at some n, and the header of its digest."""

    header: bytes
    results: tuple[tuple[np.dtype[np.integer], tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model whose kernels are prepared; it holds no state of any call.

    Use `load` to make one. Runs may happen in several threads at once.
    """

    model: Model
    facts: ModelFacts
    backend: Backend
    weights: Mapping[int, Array]
    steps: tuple[_Step, ...]
    single: tuple[_StepAt, ...]  # the steps at n = 1, the common case

    def run(self, data: bytes, n: int) -> Inference:
        """Compute one inference.

        Parameters
        ----------
        data : bytes
            The input tensors one after another, little-endian, row-major.
        n : int
            Units; 1 for a model without a symbolic dimension.

        Raises
        ------
        InvalidInput
            The input is refused before step 0.
        BackendFault
            This machine could not compute it.
        """
        digests = []
        tensors: dict[int, Array] = {}
        for _, _, digest in self._execute(data, n, tensors):
            digests.append(digest)
        output = b"".join(tensors[value].tobytes() for value in self.model.graph.outputs)
        return Inference(output=output, step_digests=tuple(digests))

    def trace(self, data: bytes, n: int) -> tuple[StepTrace, ...]:
        """Compute one inference and keep every step; parameters as `run`."""
        traces = []
        for index, outputs, digest in self._execute(data, n, {}):
            step = self.steps[index]
            first = outputs[0]
            traces.append(
                StepTrace(
                    index=index,
                    operator=step.operator,
                    dtype=step.types[0].dtype.name.lower(),
                    shape=first.shape,
                    digest=digest,
                    minimum=int(first.min()),
                    maximum=int(first.max()),
                    tensor=first.tobytes(),
                )
            )
        return tuple(traces)

    def _execute(
        self, data: bytes, n: int, tensors: dict[int, Array]
    ) -> Iterator[tuple[int, tuple[Array, ...], bytes]]:
        """Run step after step, leaving the model's outputs in `tensors`."""
        check_input(self.model.manifest, data, n)
        tensors.update(self.weights)
        tensors.update(enumerate(_split_input(self.model.manifest, data, n)))
        for index, step in enumerate(self.steps):
            now = self.single[index] if n == 1 else step.at(index, n)
            try:
                outputs = step.kernel(tuple([tensors[value] for value in step.inputs]))
                digest = step_digest(now.header, outputs)
            except AiOpsError:
                raise
            except Exception as error:
                raise BackendFault(
                    f"{self.backend.name} failed in step {index} ({step.operator}): {error!r}"
                ) from error
            for output, (dtype, shape) in zip(outputs, now.results, strict=True):
                if output.shape != shape or output.dtype != dtype:
                    raise BackendFault(
                        f"{self.backend.name} returned {output.dtype}{output.shape} in step "
                        f"{index} ({step.operator}) instead of {dtype}{shape}"
                    )
            for value in step.dead:
                del tensors[value]
            tensors.update(enumerate(outputs, step.first_output))
            yield index, outputs, digest


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
    graph, values = model.graph, facts.values
    first_weight = len(model.manifest.inputs)
    weights = _weights(model, first_weight)
    last = last_uses(graph, len(values))
    dead: list[list[int]] = [[] for _ in range(len(graph.nodes) + 1)]
    for value, step in enumerate(last):
        if value not in weights:
            dead[step].append(value)
    steps = []
    next_value = first_weight + len(graph.weights)
    for index, node in enumerate(graph.nodes):
        inputs = tuple(values[value] for value in node.inputs)
        count = len(OPERATORS[node.operator].infer(node, inputs))
        outputs = values[next_value : next_value + count]
        given = {at: weights[v] for at, v in enumerate(node.inputs) if v in weights}
        try:
            kernel = backend.prepare(node, inputs, outputs, given)
        except Exception as error:
            raise BackendFault(
                f"{backend.name} could not prepare node {index} ({node.operator}): {error!r}"
            ) from error
        steps.append(
            _Step(
                operator=node.operator,
                code=OPERATORS[node.operator].code,
                kernel=kernel,
                inputs=node.inputs,
                first_output=next_value,
                types=tuple(output.type for output in outputs),
                dead=tuple(dead[index]),
            )
        )
        next_value += len(outputs)
    return LoadedModel(
        model=model,
        facts=facts,
        backend=backend,
        weights=MappingProxyType(weights),
        steps=tuple(steps),
        single=tuple(step.at(index, 1) for index, step in enumerate(steps)),
    )


def run_exact(loaded: LoadedModel, data: bytes, n: int) -> Inference:
    """Run, and on a fault of the backend run again on `reference`.

    Raises
    ------
    InvalidInput
        The input is refused before step 0.
    BackendFault
        The reference failed too: this machine must abstain.
    """
    try:
        return loaded.run(data, n)
    except BackendFault:
        if loaded.backend.name == "reference":
            raise
        return load(loaded.model, loaded.facts, select_backend("reference")).run(data, n)


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
    if all(
        port.minimum == port.dtype.minimum and port.maximum == port.dtype.maximum
        for port in manifest.inputs
    ):
        return
    for port, tensor in zip(manifest.inputs, _split_input(manifest, data, n), strict=True):
        low, high = int(tensor.min()), int(tensor.max())
        if low < port.minimum or high > port.maximum:
            raise InvalidInput(
                InputFault.RANGE,
                f"input {port.name} holds {low if low < port.minimum else high}, outside "
                f"{port.minimum} to {port.maximum}",
            )


def _split_input(manifest: Manifest, data: bytes, n: int) -> list[Array]:
    tensors: list[Array] = []
    offset = 0
    for port in manifest.inputs:
        tensor = port.type
        count = tensor.elements(n)
        flat = np.frombuffer(data, dtype=tensor.dtype.numpy, count=count, offset=offset)
        tensors.append(flat.reshape(tensor.concrete(n)))
        offset += count * tensor.dtype.itemsize
    return tensors


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
