"""A model present at genesis leaves the words that a deployed one leaves."""

from __future__ import annotations

import pytest
from eth_typing import Address

from ai_ops.errors import InvalidModel
from ai_ops.model import encode_model
from tests.ai_ops.models import lenet, mlp
from tests.support.inference import AUTHOR, deploy, new_state, registry
from vm.registry import calls
from vm.registry.frame import Refusal
from vm.registry.layout import REGISTRY_ADDRESS
from vm.registry.preload import preload

OTHER = b"\xb2" * 20


def test_preloaded_equals_deployed() -> None:
    state = new_state()
    deploy(state, mlp())
    deploy(state, lenet(), OTHER)
    registry(state, calls.PUT_DATA, b"object").raise_if_error()
    models = ((AUTHOR, encode_model(mlp())), (OTHER, encode_model(lenet())))
    made = preload(state.vm_config, models, (b"object",))
    assert made.chunks == state.chunk_store
    assert len(made.storage) > 20
    for slot, value in made.storage.items():
        assert state.get_storage(Address(REGISTRY_ADDRESS), slot) == value


def test_what_the_registry_would_refuse_is_an_error() -> None:
    config = new_state().vm_config
    with pytest.raises(InvalidModel):
        preload(config, ((AUTHOR, b"\xc0" * 40),))
    with pytest.raises(Refusal):
        preload(config, ((AUTHOR, encode_model(mlp())),) * 2)
    with pytest.raises(Refusal):
        preload(config, (), (b"",))
