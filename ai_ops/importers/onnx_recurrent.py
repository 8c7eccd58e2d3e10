"""ONNX LSTM and GRU over a fixed length, with states that start from zeros.

ONNX puts time first: what PyTorch's exporter writes around such a node is a transposition of
samples and time before it, and after it a Squeeze of the directions and the transposition back.
Values between the two transpositions are kept samples first here, and remembered as time first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatNode
from ai_ops.importers.onnx_nodes import OnnxNode
from ai_ops.importers.recurrent import MAXIMUM_STEPS, Unrolled, Weights

# The order of the gates in the file, as rows of PyTorch's order.
GATES = {"lstm": (0, 2, 3, 1), "gru": (1, 0, 2)}
TIME_FIRST = frozenset({"LSTM", "GRU", "Transpose"})
"""What may read a value that the file has with time first."""
ACTIVATIONS = {"lstm": ["Sigmoid", "Tanh", "Tanh"], "gru": ["Sigmoid", "Tanh"]}


def layer(kind: str) -> Callable[[OnnxNode], list[FloatNode]]:
    """Read an LSTM or GRU node."""

    def read(node: OnnxNode) -> list[FloatNode]:
        x = node.value()
        shape = node.reader.fixed_shapes.get(x)
        if shape is None or x not in node.reader.time_first or node.get("layout", 0):
            raise node.refuse("its input must be (samples, time, features) transposed for it")
        if not 1 <= shape[1] <= MAXIMUM_STEPS:
            raise node.refuse(f"its length must be 1 to {MAXIMUM_STEPS} steps")
        _check(node, kind)
        directions = 2 if node.get("direction", "forward") == "bidirectional" else 1
        backwards = node.get("direction", "forward") == "reverse"
        unrolled = Unrolled(node.name, node.source, node.reader.put)
        found, last = [], []
        for index in range(directions):
            weights = _weights(node, kind, index)
            hidden, state = unrolled.layer(
                kind, x, shape[1], weights, backwards=backwards or index == 1
            )
            found.append(hidden)
            last.append(state)
        steps = found[0]
        if directions == 2:
            steps = [unrolled.make("concat", *pair, axis=1) for pair in zip(*found, strict=True)]
        if node.outputs[0]:
            unrolled.sequence(steps, weights.size * directions, node.outputs[0])
            node.reader.directions[node.outputs[0]] = directions
        for index, name in enumerate(node.outputs[1:]):
            if name:
                node.reader.states[name] = [state[index] for state in last]
        return unrolled.nodes

    return read


def _check(node: OnnxNode, kind: str) -> None:
    """Refuse what changes the result and is not read."""
    wanted = ACTIVATIONS[kind]
    functions = node.get("activations", [])
    names = [f.decode() if isinstance(f, bytes) else f for f in functions]
    if names and names != wanted * (len(names) // len(wanted)):
        raise node.refuse("only sigmoid and tanh are read")
    if node.get("clip") is not None or node.get("input_forget", 0):
        raise node.refuse("a clip or coupled gates are not read")
    if kind == "gru" and not node.get("linear_before_reset", 0):
        raise node.refuse("only linear_before_reset=1, as PyTorch exports it, is read")
    if len(node.arguments) > 4 and node.arguments[4]:
        raise node.refuse("sequence lengths are not read; the length is fixed")
    for index in (5, 6, 7):
        if index < len(node.arguments) and node.arguments[index]:
            state = node.constant(index)
            if state is None or np.any(state):
                raise node.refuse("its first state is no zeros and its peepholes are not read")


def _weights(node: OnnxNode, kind: str, index: int) -> Weights:
    inputs, hidden = (node.required(at, "weights")[index] for at in (1, 2))
    size, gates = hidden.shape[1], len(GATES[kind])
    stored = node.constant(3)
    bias = np.zeros(2 * gates * size, np.float32) if stored is None else stored[index]

    def ordered(array: FloatArray) -> FloatArray:
        apart = array.reshape(gates, size, *array.shape[1:])
        return np.concatenate([apart[gate] for gate in GATES[kind]])

    return Weights(
        inputs=ordered(inputs),
        hidden=ordered(hidden),
        input_bias=ordered(bias[: gates * size]),
        hidden_bias=ordered(bias[gates * size :]),
    )


def turn(node: OnnxNode) -> FloatNode | None:
    """Read a transposition of samples and time as a note about the value; None for any other."""
    reader, x = node.reader, node.value()
    if list(node.get("perm", [])) != [1, 0, 2] or len(reader.fixed_shapes.get(x, [])) != 3:
        return None
    recurrent = {"LSTM", "GRU"} & reader.consumers.get(node.name, set())
    if x in reader.lifted or (x not in reader.time_first and not recurrent):
        return None
    if x not in reader.time_first:
        reader.time_first.add(node.name)
    return node.node("identity")


def drop_directions(node: OnnxNode) -> FloatNode | None:
    """Read what joins the directions of a recurrent node's result: they are joined already."""
    reader, x = node.reader, node.value()
    if x in reader.states and node.operator == "Squeeze":
        if len(reader.states[x]) != 1:
            raise node.refuse("the last states of two directions are not joined here")
        return replace(node.node("identity"), inputs=(reader.states[x][0],))
    if x in reader.states and node.operator == "Gather" and not node.get("axis", 0):
        index = node.required(1, "position")
        if index.ndim == 0:
            return replace(node.node("identity"), inputs=(reader.states[x][int(index)],))
    directions = reader.directions.get(x)
    if directions is None:
        return None
    if node.operator == "Transpose" and list(node.get("perm", [])) == [0, 2, 1, 3]:
        reader.directions[node.name] = directions
        return node.node("identity")
    if (node.operator == "Squeeze" and directions == 1) or node.operator == "Reshape":
        reader.time_first.add(node.name)
        return node.node("identity")
    raise node.refuse("the directions of a recurrent node are only joined as PyTorch exports it")
