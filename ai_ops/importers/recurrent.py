"""LSTM and GRU written out: every step of a fixed length as dense layers, tables and sums.

The gates are those of PyTorch: i, f, g, o of an LSTM, r, z, n of a GRU, stacked along the rows of
the weights. The cell state and the gates' sums are linear residual streams, hence 16 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ai_ops.importers.float_graph import FloatArray, FloatNode

MAXIMUM_STEPS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Of one layer in one direction: input and hidden weights [gates * H, ...] and their biases."""

    inputs: FloatArray
    hidden: FloatArray
    input_bias: FloatArray
    hidden_bias: FloatArray

    @property
    def size(self) -> int:
        """Size H of the hidden state."""
        return int(self.hidden.shape[1])


class Unrolled:
    """The nodes of recurrent layers; names start with the node they stand for."""

    def __init__(
        self, name: str, source: str, put: Callable[[str, FloatArray], str], rank: int = 2
    ) -> None:
        self.name, self.source, self.put, self.rank = name, source, put, rank
        self.nodes: list[FloatNode] = []

    def make(self, operator: str, *inputs: str, name: str = "", **attributes: object) -> str:
        """Append a node and return its name."""
        name = name or f"{self.name}.{len(self.nodes)}.{operator}"
        self.nodes.append(
            FloatNode(
                operator=operator,
                name=name,
                inputs=inputs,
                attributes=attributes,
                source=self.source,
            )
        )
        return name

    def dense(self, x: str, weight: FloatArray, bias: FloatArray | None) -> str:
        """Append a dense layer."""
        stored = None if bias is None else self.put(self.name, bias)
        return self.make("dense", x, weight=self.put(self.name, weight), bias=stored)

    def affine(self, x: str, scale: FloatArray, shift: FloatArray) -> str:
        """Append a map of the features of (N, features)."""
        put = self.put
        return self.make(
            "affine", x, scale=put(self.name, scale), shift=put(self.name, shift), rank=2
        )

    def gate(self, x: str, index: int, size: int, function: str) -> str:
        """Append the function of one gate's part of (N, gates * size)."""
        part = self.part(x, index, size)
        return self.make("unary", part, function=function, parameter=0.0)

    def part(self, x: str, index: int, size: int) -> str:
        """Append the slice of one gate."""
        return self.make("slice", x, starts=(index * size,), sizes=(size,), strides=(1,))

    def steps(self, x: str, length: int, weights: Weights) -> list[str]:
        """Append what the gates get from each step of (N, T, features): one product for all."""
        whole = self.dense(x, weights.inputs, weights.input_bias)
        width = len(weights.inputs)
        found = []
        for step in range(length):
            one = self.make("slice", whole, starts=(step, 0), sizes=(1, width), strides=(1, 1))
            found.append(self.make("reshape", one, shape=(width,)))
        return found

    def lstm(self, gates: str, state: tuple[str, str] | None, weights: Weights) -> tuple[str, str]:
        """Append one step of an LSTM from (hidden, cell), or from zeros; return the next."""
        size = weights.size
        if state is None:
            total = self.affine(gates, np.ones(1), weights.hidden_bias)
        else:
            total = self.make(
                "add", gates, self.dense(state[0], weights.hidden, weights.hidden_bias)
            )
        new = self.gate(total, 0, size, "sigmoid")
        candidate = self.gate(total, 2, size, "tanh")
        cell = self.make("multiply", new, candidate)
        if state is not None:
            keep = self.gate(total, 1, size, "sigmoid")
            cell = self.make("add", self.make("multiply", keep, state[1]), cell)
        shown = self.make("unary", cell, function="tanh", parameter=0.0)
        return self.make("multiply", self.gate(total, 3, size, "sigmoid"), shown), cell

    def gru(self, gates: str, state: tuple[str, str] | None, weights: Weights) -> tuple[str, str]:
        """Append one step of a GRU from its hidden state, or from zeros; return the next twice."""
        size, bias = weights.size, weights.hidden_bias
        if state is None:
            open_bias = bias.copy()
            open_bias[2 * size :] = 0
            total = self.affine(gates, np.ones(1), open_bias)
            reset, update = (self.gate(total, index, size, "sigmoid") for index in (0, 1))
            memory = self.affine(reset, bias[2 * size :], np.zeros(1))
            inner = self.make("add", self.part(gates, 2, size), memory)
            new = self.make("unary", inner, function="tanh", parameter=0.0)
            hidden = self.make("subtract", new, self.make("multiply", update, new))
            return hidden, hidden
        past = self.dense(state[0], weights.hidden, bias)
        total = self.make("add", gates, past)
        reset, update = (self.gate(total, index, size, "sigmoid") for index in (0, 1))
        memory = self.make("multiply", reset, self.part(past, 2, size))
        inner = self.make("add", self.part(gates, 2, size), memory)
        new = self.make("unary", inner, function="tanh", parameter=0.0)
        change = self.make("multiply", update, self.make("subtract", state[0], new))
        hidden = self.make("add", new, change)
        return hidden, hidden

    def layer(
        self, kind: str, x: str, length: int, weights: Weights, *, backwards: bool = False
    ) -> tuple[list[str], tuple[str, str]]:
        """Append a layer over a sequence (N, T, features).

        Returns
        -------
        the hidden state (N, H) of each step in the order of the input, and the last state
        """
        advance = self.lstm if kind == "lstm" else self.gru
        order = range(length)[::-1] if backwards else range(length)
        gates = self.steps(x, length, weights)
        state: tuple[str, str] | None = None
        hidden = [""] * length
        for step in order:
            state = advance(gates[step], state, weights)
            hidden[step] = state[0]
        assert state is not None, "a sequence has at least one step"
        return hidden, state

    def sequence(self, hidden: list[str], size: int, name: str = "") -> str:
        """Append the join of steps (N, H) to (N, T, H)."""
        rows = [self.make("reshape", step, shape=(1, size)) for step in hidden]
        return self.make("concat", *rows, name=name, axis=1)
