"""What a genesis alloc may not do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from genesis.alloc import INFERENCE_ADDRESS, REGISTRY_ADDRESS, STUB_CODE
from genesis.build import build_genesis
from genesis.errors import InvalidSpec
from genesis.spec import template
from vm.transition import Account


@pytest.mark.parametrize("address", [REGISTRY_ADDRESS, INFERENCE_ADDRESS])
def test_the_registrys_words_cannot_be_preset(address: bytes) -> None:
    account = Account(code=STUB_CODE, storage={0: 1})
    with pytest.raises(InvalidSpec, match="its own to write"):
        build_genesis(replace(template("devnet"), alloc={address: account}))


@pytest.mark.parametrize(("second", "legal"), [(2**255 - 1, True), (2**255, False)])
def test_balances_together_fit_a_word(second: int, legal: bool) -> None:
    alloc = {b"\x11" * 20: Account(balance=2**255), b"\x12" * 20: Account(balance=second)}
    spec = replace(template("devnet"), alloc=alloc)
    if legal:
        assert build_genesis(spec).block.header.number == 0
    else:
        with pytest.raises(InvalidSpec, match="more than"):
            build_genesis(spec)
