"""Chain specs: strict reading, one canonical text, templates that load."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from eth_account import Account

from consensus.certificate import address_of
from consensus.params import validators_hash
from genesis.alloc import GenesisAccount
from genesis.dev_key import (
    DEV_MNEMONIC,
    DEV_VALIDATOR_ADDRESS,
    DEV_VALIDATOR_KEY,
    DEV_VALIDATOR_PATH,
)
from genesis.errors import InvalidSpec
from genesis.spec import TEMPLATES, ChainSpec, template

MINIMAL = 'name = "x"\nchain_id = 5\n[consensus]\nengine = "none"\n'


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_load_and_round_trip(name: str) -> None:
    spec = template(name)
    assert spec.name == name
    again = ChainSpec.from_text(spec.to_json())
    assert again == spec
    assert again.to_json() == spec.to_json()


def test_unknown_template() -> None:
    with pytest.raises(InvalidSpec, match="no chain spec template 'mainnet'"):
        template("mainnet")


def test_dev_key_is_what_its_path_gives() -> None:
    Account.enable_unaudited_hdwallet_features()
    account = Account.from_mnemonic(DEV_MNEMONIC, account_path=DEV_VALIDATOR_PATH)
    assert bytes(account.key) == DEV_VALIDATOR_KEY
    assert address_of(DEV_VALIDATOR_KEY) == DEV_VALIDATOR_ADDRESS
    assert template("devnet").consensus.validators == (DEV_VALIDATOR_ADDRESS,)


def test_everything_that_can_be_said_round_trips() -> None:
    spec = template("devnet")
    spec = replace(
        spec,
        vm_config=replace(spec.vm_config, transaction_gas_cap=None, inference_gas_limit=7),
        alloc={
            bytes(19) + b"\x01": GenesisAccount(balance=2**256 - 1),
            bytes(19) + b"\x02": GenesisAccount(
                nonce=3, code=b"\x60\x00", storage={0: 1, 2**256 - 1: 2**255}
            ),
        },
    )
    assert ChainSpec.from_text(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("chain_id = 5", "name is missing|name is a text"),
        ('name = "x"', "chain_id is missing"),
        ('name = "x"\nchain_id = 0', "chain_id is at least 1"),
        ('name = "x"\nchain_id = true', "chain_id is an integer"),
        ('name = "x"\nchain_id = -5', "chain_id is an integer"),
        ('name = "x"\nchain_id = 5', "consensus: a chain needs 1 to 256 validators"),
        ('name = "x"\nchain_id = 1.5', "not an integer"),
        (MINIMAL + "colour = 1", "consensus.colour is no key"),
        (MINIMAL + "[rules]\ngas = 1", "rules.gas is no key"),
        (MINIMAL + "[genesis]\nextra_data = '0xzz'", "pairs of hexadecimal digits"),
        (MINIMAL + "[genesis]\nprev_randao = '0x00'", "prev_randao has 32 bytes"),
        (MINIMAL + "[genesis]\ngas_limit = '0x1_0'", "genesis.gas_limit is an integer"),
        (MINIMAL + "[genesis]\ngas_limit = ' 1'", "genesis.gas_limit is an integer"),
        (MINIMAL + "[alloc.0x01]\nbalance = 1", "has 20 bytes, not 1"),
        (
            MINIMAL + f"[alloc.0x{'aa' * 20}]\nbalance = 1\n[alloc.0x{'AA' * 20}]\nbalance = 1",
            "named twice",
        ),
        (MINIMAL + f"[alloc.0x{'aa' * 20}]\nbalance = '1e18'", "balance is an integer"),
        (MINIMAL + f"[alloc.0x{'aa' * 20}]\nmoney = 1", "money is no key"),
        (MINIMAL + f"[alloc.0x{'aa' * 20}.storage]\n0 = 1\n0x0 = 1", "named twice"),
        (MINIMAL + "[genesis", "neither TOML nor JSON"),
        ('{"name": "x", "name": "y"}', "stands twice"),
        ('{"name": NaN}', "not an integer"),
        ('{"name": "x"', "neither TOML nor JSON"),
        ("[" * 5_000, "nested deeper"),
        ("{" + '"a":{' * 5_000, "nested deeper"),
        ("{" + '"a":{' * 200_000, "nested deeper"),  # more than the parser survives
        (
            'name = "x"\nchain_id = 5\n[consensus]\nvalidators = ["0x' + "11" * 20 + '"]\n'
            "[genesis]\nextra_data = '0x'",
            "leave it out",
        ),
    ],
)
def test_bad_specs_get_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(InvalidSpec, match=sentence) as caught:
        ChainSpec.from_text(text)
    assert "\n" not in str(caught.value)


def test_files_are_read_whole_and_named_in_errors(tmp_path: Path) -> None:
    path = tmp_path / "spec.toml"
    path.write_text(MINIMAL)
    assert ChainSpec.from_file(path).vm_config.chain_id == 5
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidSpec, match="not UTF-8"):
        ChainSpec.from_file(path)
    with pytest.raises(InvalidSpec, match="cannot be read"):
        ChainSpec.from_file(tmp_path / "none")


def test_validators_may_stand_in_any_order() -> None:
    one, two = "0x" + "22" * 20, "0x" + "11" * 20
    text = f'name = "x"\nchain_id = 5\n[consensus]\nvalidators = ["{one}", "{two}"]\n'
    validators = ChainSpec.from_text(text).consensus.validators
    assert validators == (b"\x11" * 20, b"\x22" * 20)
    assert validators_hash(validators) == validators_hash(validators[::-1])
