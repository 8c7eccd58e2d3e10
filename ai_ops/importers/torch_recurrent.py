"""ATen's recurrent layers and cells, with states that start from zeros."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ai_ops.importers.float_graph import FloatNode
from ai_ops.importers.recurrent import MAXIMUM_STEPS, Unrolled, Weights
from ai_ops.importers.torch_calls import Call


def zeros(call: Call) -> list[FloatNode]:
    """Remember a tensor of zeros: the state that a recurrent layer starts from."""
    call.reader.zeros.add(call.name)
    return []


def _weights(call: Call, names: list[str]) -> Weights:
    stored = [call.reader.constants.get(name) for name in names]
    if any(array is None for array in stored):
        raise call.refuse("its weights are computed")
    arrays = [np.asarray(array) for array in stored]
    bias = arrays[2:] or [np.zeros(len(arrays[0]), np.float32)] * 2
    return Weights(inputs=arrays[0], hidden=arrays[1], input_bias=bias[0], hidden_bias=bias[1])


def layers(kind: str) -> Callable[[Call], list[FloatNode]]:
    """Read lstm.input or gru.input: all layers and directions, over a fixed length."""

    def read(call: Call) -> list[FloatNode]:
        states = call.get("hx")
        if any(n not in call.reader.zeros for n in (states if kind == "lstm" else [states])):
            raise call.refuse("its first state is no tensor of zeros; leave it out")
        shape = call.reader.shapes[call.value("input")]
        if not call.get("batch_first", False) or len(shape) != 3:
            raise call.refuse("samples must come first: batch_first=True")
        if not 1 <= shape[1] <= MAXIMUM_STEPS:
            raise call.refuse(f"its length must be fixed, 1 to {MAXIMUM_STEPS} steps")
        each = 4 if call.get("has_biases") else 2
        directions = 2 if call.get("bidirectional", False) else 1
        parameters = list(call.get("params"))
        unrolled = Unrolled(call.name, call.source, call.reader.put)
        x, last = call.value("input"), []
        count = int(call.get("num_layers"))
        for layer in range(count):
            found = []
            for direction in range(directions):
                start = each * (directions * layer + direction)
                weights = _weights(call, parameters[start : start + each])
                hidden, state = unrolled.layer(kind, x, shape[1], weights, backwards=direction == 1)
                found.append(hidden)
                last.append(state)
            width, hidden = weights.size, found[0]
            if directions == 2:
                pairs = zip(*found, strict=True)
                hidden = [unrolled.make("concat", *pair, axis=1) for pair in pairs]
                width *= 2
            x = unrolled.sequence(hidden, width, call.name if layer == count - 1 else "")
        for index, name in enumerate(call.names[1:]):
            call.reader.states[name] = [state[index] for state in last]
        return unrolled.nodes

    return read


def cell(kind: str) -> Callable[[Call], list[FloatNode]]:
    """Read lstm_cell or gru_cell: one step, from zeros or from computed states."""

    def read(call: Call) -> list[FloatNode]:
        states = call.get("hx")
        states = states if kind == "lstm" else [states, states]
        names = [call.get(name) for name in ("w_ih", "w_hh", "b_ih", "b_hh")]
        weights = _weights(call, [name for name in names if name is not None])
        unrolled = Unrolled(call.name, call.source, call.reader.put)
        gates = unrolled.dense(call.value("input"), weights.inputs, weights.input_bias)
        started = not all(name in call.reader.zeros for name in states)
        if started and any(name in call.reader.zeros for name in states):
            raise call.refuse("one of its states is zeros and the other computed")
        advance = unrolled.lstm if kind == "lstm" else unrolled.gru
        state = advance(gates, (states[0], states[1]) if started else None, weights)
        for name, value in zip(call.names, state, strict=False):
            unrolled.make("identity", value, name=name)
        return unrolled.nodes

    return read


def last_state(call: Call) -> FloatNode | None:
    """Read the choice of one layer's last state, whose samples are not along axis 0."""
    states = call.reader.states.get(call.get("self"))
    if states is None:
        return None
    if int(call.get("dim", 0)) != 0:
        raise call.refuse("only one layer's last state, state[-1], is read")
    chosen = states[int(call.get("index"))]
    return call.node("identity", (chosen,))
