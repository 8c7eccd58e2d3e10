"""Errors of the tensor engine, by owner.

AiOpsError
├── InvalidModel   verdict: the bytes are no acceptable model, on every machine alike
├── InvalidInput   outcome: this call cannot start; the model is fine
├── BackendFault   local fault: this machine could not compute; never a verdict
└── Cancelled      local event: someone here stopped the run; says nothing about model or input

The numbers reach contracts (`ModelRejected(code)`, `InferenceFailed(code)`): a code is never
reused or renumbered. The table is normative in docs/spec/03-models.md.
"""

from __future__ import annotations

import enum


class ModelFault(enum.IntEnum):
    """Why model bytes are rejected."""

    # The byte encoding.
    TRUNCATED = 101
    NOT_CANONICAL = 102
    MANIFEST_SIZE = 103
    FORMAT = 104
    OPERATOR_SET = 105
    TEXT = 106
    NUMBER = 107
    TENSOR_TYPE = 108
    STRUCTURE = 109
    SIZE_MISMATCH = 110
    # The graph.
    UNKNOWN_OPERATOR = 201
    ATTRIBUTES = 202
    ARITY = 203
    REFERENCE = 204
    DANGLING = 205
    OUTPUT = 206
    SYMBOLIC = 207
    # One operator.
    SHAPE = 301
    DTYPE = 302
    ATTRIBUTE_VALUE = 303
    ACCUMULATOR = 304
    INTERVAL = 305
    # The chain's limits.
    LIMIT_MODEL_BYTES = 401
    LIMIT_OPERATORS = 402
    LIMIT_RANK = 403
    LIMIT_DIMENSION = 404
    LIMIT_LIVE_BYTES = 405
    LIMIT_MACS = 406
    LIMIT_HEAD_BYTES = 407


class InputFault(enum.IntEnum):
    """Why an input is refused before step 0."""

    SIZE = 501
    UNITS = 502
    RANGE = 503


class AiOpsError(Exception):
    """Root of everything the engine raises on purpose."""


class InvalidModel(AiOpsError):
    """The bytes are not an acceptable model; every node says so.

    Parameters
    ----------
    code : int
        A `ModelFault`.
    reason : str
        One sentence for a person.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = int(code)
        self.reason = reason


class InvalidInput(AiOpsError):
    """The input of one call is refused before its first step.

    Parameters
    ----------
    code : int
        An `InputFault`.
    reason : str
        One sentence for a person.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = int(code)
        self.reason = reason


class BackendFault(AiOpsError):
    """A backend could not compute (memory, a failed self test); says nothing about the model."""


class Cancelled(AiOpsError):
    """A run was stopped between two steps because its `Cancellation` was set."""
