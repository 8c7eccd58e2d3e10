"""The encoding is a bijection on what it accepts and refuses everything else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ai_ops.dtype import DType
from ai_ops.errors import InvalidModel, ModelFault
from ai_ops.graph import Model
from ai_ops.model import (
    build_model,
    decode_head,
    decode_model,
    encode_model,
    head_of,
    head_size,
)
from tests.ai_ops.models import lenet, mlp, port


@pytest.mark.parametrize("model", [mlp(), lenet()], ids=["mlp", "lenet"])
def test_round_trip(model: Model) -> None:
    data = encode_model(model)
    assert decode_model(data) == model
    assert encode_model(decode_model(data)) == data
    size = head_size(data)
    assert decode_head(data[:size]) == head_of(model)
    assert size + len(model.weights) == len(data)


def test_every_truncation_and_extension_is_refused() -> None:
    data = encode_model(mlp())
    for size in range(len(data)):
        with pytest.raises(InvalidModel):
            decode_model(data[:size])
    with pytest.raises(InvalidModel) as caught:
        decode_model(data + b"\x00")
    assert caught.value.code == ModelFault.SIZE_MISMATCH


def test_every_flipped_head_bit_is_refused_or_another_model() -> None:
    model = mlp()
    data = encode_model(model)
    for at in range(head_size(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            try:
                decoded = decode_model(bytes(changed))
            except InvalidModel:
                continue
            assert encode_model(decoded) == bytes(changed)
            assert decoded != model


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": ""}, ModelFault.TEXT),
        ({"name": "x" * 65}, ModelFault.TEXT),
        ({"name": "new\nline"}, ModelFault.TEXT),
        ({"name": "naïve"}, ModelFault.TEXT),
        ({"maximum_units": 0}, ModelFault.NUMBER),
        ({"graph_bytes": 1}, ModelFault.SIZE_MISMATCH),
        ({"operator_set": 2}, ModelFault.OPERATOR_SET),
        ({"inputs": (port("x", DType.I8, ()),)}, ModelFault.TENSOR_TYPE),
        ({"inputs": (port("x", DType.I8, (0,)),)}, ModelFault.TENSOR_TYPE),
        ({"inputs": (port("x", DType.I8, (2**31,)),)}, ModelFault.TENSOR_TYPE),
        ({"inputs": (port("x", DType.I8, (-1, -1)),)}, ModelFault.TENSOR_TYPE),
        ({"inputs": (port("x", DType.I8, (1,) * 9),)}, ModelFault.TENSOR_TYPE),
        ({"inputs": (port("x", DType.I8, (1,), 5, 4),)}, ModelFault.NUMBER),
        ({"inputs": (port("x", DType.I8, (1,), -129, 4),)}, ModelFault.NUMBER),
        (
            {"inputs": tuple(port(f"x{i}" + "y" * 50, DType.I8, (1,)) for i in range(999))},
            ModelFault.MANIFEST_SIZE,
        ),
    ],
)
def test_manifest_fields_are_checked(change: dict[str, object], code: ModelFault) -> None:
    model = mlp()
    with pytest.raises(InvalidModel) as caught:
        encode_model(replace(model, manifest=replace(model.manifest, **change)))  # type: ignore[arg-type]
    assert caught.value.code == code


def test_weights_have_exactly_the_declared_size() -> None:
    model = mlp()
    with pytest.raises(InvalidModel) as caught:
        encode_model(replace(model, weights=model.weights + b"\x00"))
    assert caught.value.code == ModelFault.SIZE_MISMATCH


def test_build_model_counts_the_graph() -> None:
    model = mlp()
    manifest = model.manifest
    again = build_model(
        name=manifest.name,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        graph=model.graph,
        weights=model.weights,
        maximum_units=manifest.maximum_units,
    )
    assert again == model
