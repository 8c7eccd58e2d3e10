"""Models for tests of the chain, and what the engine says they answer."""

from __future__ import annotations

import dataclasses

from ai_ops.backends.reference import ReferenceBackend
from ai_ops.executor import Inference, load
from ai_ops.graph import Model
from ai_ops.model import build_model, encode_model, head_of
from ai_ops.validate import DEFAULT_LIMITS, ModelFacts, validate
from tests.ai_ops.models import mlp

# The model `mlp()` takes n rows of 8 bytes, n up to 4, and answers n rows of 4 bytes.
ROW = 8
MAXIMUM_UNITS = 4


def ranged(low: int = -10, high: int = 10) -> Model:
    """`mlp` with a declared input range, as token ids have."""
    model = mlp()
    (port,) = model.manifest.inputs
    return build_model(
        name="ranged",
        inputs=(dataclasses.replace(port, minimum=low, maximum=high),),
        outputs=model.manifest.outputs,
        graph=model.graph,
        weights=model.weights,
        maximum_units=MAXIMUM_UNITS,
    )


def facts_of(model: Model) -> ModelFacts:
    return validate(head_of(model), len(encode_model(model)), DEFAULT_LIMITS)


def answer(model: Model, data: bytes, n: int = 1) -> Inference:
    return load(model, facts_of(model), ReferenceBackend()).run(data, n)
