"""What a model must satisfy before anything runs it, and what is then known of every call.

Reads manifest and graph, never a weight: bounds follow from shapes, dtypes and graph constants.
All sizes are Python integers, so no product overflows; nothing is allocated by a declared size;
the walk is a loop, so depth costs nothing. Source: docs/spec/03-models.md M-12 to M-16.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from ai_ops import cost
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Graph, Manifest, ModelHead, Node, Port, TensorType, Value
from ai_ops.limits import DEFAULT_LIMITS, Limits, check_head_bytes
from ai_ops.operators import OPERATORS

__all__ = ["DEFAULT_LIMITS", "Limits", "ModelFacts", "last_uses", "units_from_input", "validate"]

WORK_CLASSES = (
    *cost.MAC_CLASSES,
    "element_copy",
    "element_cheap",
    "element_heavy",
    "element_wide",
    "comparison",
)
# Handling counts in half steps: two for a node and one for every 8 operands that it picks up, one
# for cutting an input out, and one for checking a range narrower than its dtype.
STEPS_PER_PORT = 1
# Where products take what is a weight almost always.
RIGHT_OPERANDS = {"GEMM": 1, "GEMM_DYNAMIC": 2, "CONV2D": 1}
OPERANDS_PER_STEP = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What validation proved.

    Parameters
    ----------
    macs : int
        Multiply-accumulates at n = 1.
    steps : int
        Nodes, hence step digests of an inference.
    input_bytes_fixed, input_bytes_per_unit : int
        An input has ``fixed + per_unit * n`` bytes.
    output_bytes_fixed, output_bytes_per_unit : int
        The same of the output.
    maximum_units : int
        Largest n; 1 when nothing is symbolic.
    live_bytes : int
        Peak of all live tensors at the largest n, weights excluded.
    total_bytes : int
        Manifest, graph and weights.
    cost : Cost
    values : tuple of Value
        Type and interval of every value, by id.
    results : tuple of int
        How many results each node has.
    """

    macs: int
    steps: int
    input_bytes_fixed: int
    input_bytes_per_unit: int
    output_bytes_fixed: int
    output_bytes_per_unit: int
    maximum_units: int
    live_bytes: int
    total_bytes: int
    cost: cost.Cost
    values: tuple[Value, ...]
    results: tuple[int, ...]

    @property
    def symbolic(self) -> bool:
        """Whether n depends on the input."""
        return self.input_bytes_per_unit > 0

    def input_bytes(self, n: int) -> int:
        """Bytes of an input of `n` units."""
        return self.input_bytes_fixed + self.input_bytes_per_unit * n

    def output_bytes(self, n: int) -> int:
        """Bytes of the output for `n` units."""
        return self.output_bytes_fixed + self.output_bytes_per_unit * n


def validate(head: ModelHead, total_bytes: int, limits: Limits) -> ModelFacts:
    """Check a model against the rules and a chain's limits.

    Parameters
    ----------
    head : ModelHead
    total_bytes : int
        Length of the whole model.
    limits : Limits

    Raises
    ------
    InvalidModel
        With the code of the first rule broken.
    """
    manifest, graph = head.manifest, head.graph
    if total_bytes > limits.model_bytes:
        raise InvalidModel(
            ModelFault.LIMIT_MODEL_BYTES,
            f"the model has {total_bytes} bytes; at most {limits.model_bytes} are allowed",
        )
    check_head_bytes(head.head_bytes, limits)
    for count, what in ((len(graph.nodes), "operators"), (len(graph.weights), "weights")):
        if count > limits.operators:
            raise InvalidModel(
                ModelFault.LIMIT_OPERATORS,
                f"the graph has {count} {what}; at most {limits.operators} are allowed",
            )
    if head.head_bytes + graph.weight_bytes != total_bytes:
        raise InvalidModel(
            ModelFault.SIZE_MISMATCH,
            f"head and weights declare {head.head_bytes + graph.weight_bytes} bytes; "
            f"the model has {total_bytes}",
        )
    units = _check_manifest(manifest)
    values, works, first_ids = _infer_nodes(manifest, graph, units, limits)
    _check_use(manifest, graph, first_ids)
    _check_outputs(manifest, graph, values, first_ids)
    total = cost.total(works)
    live = _peak_bytes(manifest, graph, values, first_ids, units)
    _check_totals(total, live, units, limits)
    input_fixed, input_per_unit = _linear_size(manifest.inputs)
    output_fixed, output_per_unit = _linear_size(manifest.outputs)
    return ModelFacts(
        macs=total.macs(1),
        steps=len(graph.nodes),
        input_bytes_fixed=input_fixed,
        input_bytes_per_unit=input_per_unit,
        output_bytes_fixed=output_fixed,
        output_bytes_per_unit=output_per_unit,
        maximum_units=units,
        live_bytes=live,
        total_bytes=total_bytes,
        cost=total,
        values=values,
        results=tuple(after - first for first, after in pairwise(first_ids)),
    )


def units_from_input(facts: ModelFacts, size: int) -> int | None:
    """Return n for an input of `size` bytes, None when no legal n has that size."""
    extra = size - facts.input_bytes_fixed
    if not facts.symbolic:
        return 1 if extra == 0 else None
    if extra <= 0 or extra % facts.input_bytes_per_unit:
        return None
    n = extra // facts.input_bytes_per_unit
    return n if n <= facts.maximum_units else None


def _check_manifest(manifest: Manifest) -> int:
    """Check the ports and return the largest n."""
    for ports, kind in ((manifest.inputs, "input"), (manifest.outputs, "output")):
        if not ports:
            raise InvalidModel(ModelFault.OUTPUT, f"the model has no {kind}")
        names = [port.name for port in ports]
        if len(dict.fromkeys(names)) != len(names):
            raise InvalidModel(ModelFault.TEXT, f"two {kind}s have the same name")
    symbolic = any(port.type.symbolic for port in manifest.inputs)
    if not symbolic and manifest.maximum_units != 1:
        raise InvalidModel(
            ModelFault.SYMBOLIC, "maximum_units is above 1 but no input has a symbolic dimension"
        )
    return manifest.maximum_units


def _infer_nodes(
    manifest: Manifest, graph: Graph, units: int, limits: Limits
) -> tuple[tuple[Value, ...], list[cost.Work], tuple[int, ...]]:
    """Infer every value in order.

    Returns
    -------
    values : tuple of Value
    works : list of Work
        To be summed.
    first_ids : tuple of int
        Id of the first output of each node, then the number of values.
    """
    values = [
        Value(type=port.type, minimum=port.minimum, maximum=port.maximum)
        for port in manifest.inputs
    ]
    for weight in graph.weights:
        if weight.symbolic:
            raise InvalidModel(ModelFault.SYMBOLIC, "a weight has a symbolic dimension")
        low, high = weight.dtype.minimum, weight.dtype.maximum
        values.append(Value(type=weight, minimum=low, maximum=high))
    weights = range(len(manifest.inputs), len(values))
    for value in values:
        _check_limits(value.type, units, limits)
    # The first input is part of what every call costs.
    ranged = sum(
        port.minimum > port.dtype.minimum or port.maximum < port.dtype.maximum
        for port in manifest.inputs
    )
    handled = len(manifest.inputs) - 1 + ranged
    works: list[cost.Work] = [{"steps": cost.constant(STEPS_PER_PORT * handled)}]
    first_ids = []
    for index, node in enumerate(graph.nodes):
        first_ids.append(len(values))
        inputs = _inputs_of(node, index, values)
        operator = OPERATORS[node.operator]
        outputs = operator.infer(node, inputs)
        hashed = [cost.elements(out.type, out.type.dtype.itemsize) for out in outputs]
        for out in outputs:
            _check_limits(out.type, units, limits)
        work = operator.work(node, inputs, outputs)
        at = RIGHT_OPERANDS.get(node.operator)
        if at is not None and node.inputs[at] not in weights:
            work = cost.of_activations(work)
        works.append(work)
        works.append({"steps": cost.constant(_handled(node, outputs))})
        works.extend({"digest_bytes": count} for count in hashed)
        values.extend(outputs)
    return tuple(values), works, (*first_ids, len(values))


def _handled(node: Node, outputs: tuple[Value, ...]) -> int:
    """Count what a node costs whatever its size, in half steps."""
    return 2 + len(node.inputs) // OPERANDS_PER_STEP + len(outputs) - 1


def _inputs_of(node: Node, index: int, values: list[Value]) -> tuple[Value, ...]:
    operator = OPERATORS.get(node.operator)
    if operator is None:
        raise InvalidModel(ModelFault.UNKNOWN_OPERATOR, f"there is no operator {node.operator!r}")
    fewest, most = operator.arity
    if not fewest <= len(node.inputs) <= most:
        raise InvalidModel(
            ModelFault.ARITY,
            f"node {index}: {node.operator} takes {fewest} to {most} inputs, "
            f"not {len(node.inputs)}",
        )
    for value in node.inputs:
        if not 0 <= value < len(values):
            raise InvalidModel(
                ModelFault.REFERENCE,
                f"node {index} ({node.operator}) reads value {value}, which is not computed "
                "before it: the graph has a cycle, is out of order, or names nothing",
            )
    return tuple(values[value] for value in node.inputs)


def _check_limits(tensor: TensorType, units: int, limits: Limits) -> None:
    if len(tensor.shape) > limits.rank:
        raise InvalidModel(
            ModelFault.LIMIT_RANK,
            f"a tensor has {len(tensor.shape)} dimensions; at most {limits.rank} are allowed",
        )
    if tensor.shape.count(-1) > 1:
        raise InvalidModel(ModelFault.SYMBOLIC, "a tensor has two symbolic dimensions")
    if (largest := max(tensor.concrete(units))) > limits.dimension:
        raise InvalidModel(
            ModelFault.LIMIT_DIMENSION,
            f"a dimension has {largest} elements; at most {limits.dimension} are allowed",
        )


def _check_use(manifest: Manifest, graph: Graph, first_ids: tuple[int, ...]) -> None:
    """Every value must be read or leave the model: no step is paid for in vain."""
    used = bytearray(first_ids[-1])
    for node in graph.nodes:
        for value in node.inputs:
            used[value] = 1
    for value in graph.outputs:
        if value < len(used):
            used[value] = 1
    if 0 in used:
        value = used.index(0)
        inputs, weights = len(manifest.inputs), len(graph.weights)
        kind = (
            "input" if value < inputs else "weight" if value < inputs + weights else "node result"
        )
        raise InvalidModel(ModelFault.DANGLING, f"{kind} (value {value}) is never used")


def _check_outputs(
    manifest: Manifest, graph: Graph, values: tuple[Value, ...], first_ids: tuple[int, ...]
) -> None:
    if len(graph.outputs) != len(manifest.outputs):
        raise InvalidModel(
            ModelFault.OUTPUT,
            f"the graph has {len(graph.outputs)} outputs, the manifest {len(manifest.outputs)}",
        )
    if len(dict.fromkeys(graph.outputs)) != len(graph.outputs):
        raise InvalidModel(ModelFault.OUTPUT, "a value is an output twice")
    for value, port in zip(graph.outputs, manifest.outputs, strict=True):
        if not first_ids[0] <= value < len(values):
            raise InvalidModel(ModelFault.OUTPUT, f"output {port.name} is not a node's result")
        known = values[value]
        if known.type != port.type:
            raise InvalidModel(
                ModelFault.OUTPUT,
                f"output {port.name} is declared {port.dtype.name}{list(port.shape)} "
                f"and computed as {known.type.dtype.name}{list(known.type.shape)}",
            )
        if known.minimum < port.minimum or known.maximum > port.maximum:
            raise InvalidModel(
                ModelFault.OUTPUT,
                f"output {port.name} can reach [{known.minimum}, {known.maximum}], outside its "
                f"declared range [{port.minimum}, {port.maximum}]",
            )


def _peak_bytes(
    manifest: Manifest,
    graph: Graph,
    values: tuple[Value, ...],
    first_ids: tuple[int, ...],
    units: int,
) -> int:
    """Return the largest sum of live tensors over all steps.

    A value lives from the step that computes it (inputs: from the start) to the last step that
    reads it; outputs live to the end. Weights do not count.
    """
    last = last_uses(graph, len(values))
    weights = range(len(manifest.inputs), first_ids[0])
    sizes = [value.type.size(units) for value in values]
    leaving = [0] * (len(graph.nodes) + 1)
    for value, step in enumerate(last):
        if value not in weights:
            leaving[step] += sizes[value]
    live = sum(sizes[: len(manifest.inputs)])
    peak = live
    for step in range(len(graph.nodes)):
        live += sum(sizes[first_ids[step] : first_ids[step + 1]])
        peak = max(peak, live)
        live -= leaving[step]
    return peak


def last_uses(graph: Graph, count: int) -> list[int]:
    """Step after which each value is dead; the number of steps for outputs of the model."""
    last = [0] * count
    for step, node in enumerate(graph.nodes):
        for value in node.inputs:
            last[value] = step
    for value in graph.outputs:
        last[value] = len(graph.nodes)
    return last


def _check_totals(total: cost.Cost, live: int, units: int, limits: Limits) -> None:
    performed = total.at(units)
    if (amount := sum(performed[name] for name in WORK_CLASSES)) > limits.macs:
        raise InvalidModel(
            ModelFault.LIMIT_MACS,
            f"the largest call takes {amount} units of work; at most {limits.macs} are allowed",
        )
    if live > limits.live_bytes:
        raise InvalidModel(
            ModelFault.LIMIT_LIVE_BYTES,
            f"the largest call holds {live} bytes at once; at most {limits.live_bytes} are allowed",
        )


def _linear_size(ports: tuple[Port, ...]) -> tuple[int, int]:
    fixed = sum(port.type.size(1) for port in ports if not port.type.symbolic)
    per_unit = sum(port.type.size(1) for port in ports if port.type.symbolic)
    return fixed, per_unit
