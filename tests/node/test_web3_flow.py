"""web3.py drives the devnet as it drives any Ethereum node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from node import demo
from tests.support.devnet import Devnet, devnet

web3 = pytest.importorskip("web3")


@pytest.fixture(scope="module")
def net() -> Iterator[Devnet]:
    with devnet("--demo") as running:
        yield running


@pytest.fixture(scope="module")
def w3(net: Devnet) -> Iterator[Any]:
    provider = web3.HTTPProvider(net.url)
    yield web3.Web3(provider)
    provider._request_session_manager.session_cache.clear()


@pytest.fixture(scope="module")
def digits(w3: Any, net: Devnet) -> Any:
    return w3.eth.contract(net.ready["demoContract"], abi=demo.artifact()["abi"])


def test_connection_accounts_and_blocks(w3: Any) -> None:
    assert w3.is_connected()
    assert w3.eth.chain_id == 31337
    assert w3.client_version.startswith("Engram/")
    assert len(w3.eth.accounts) == 10
    assert w3.eth.get_balance(w3.eth.accounts[3]) == 10_000 * 10**18
    assert w3.eth.get_block("latest", full_transactions=True)["number"] == w3.eth.block_number
    assert w3.eth.get_block("pending")["hash"]
    assert w3.eth.fee_history(2, "latest", [50])["oldestBlock"] >= 0
    assert w3.eth.gas_price > 0
    assert w3.net.version == "31337"


def test_a_locally_signed_transfer(w3: Any) -> None:
    account = w3.eth.account.create()
    first = w3.eth.accounts[0]
    funded = w3.eth.send_transaction({"from": first, "to": account.address, "value": 10**18})
    w3.eth.wait_for_transaction_receipt(funded)
    fields = {
        "to": first, "value": 5, "nonce": w3.eth.get_transaction_count(account.address),
        "gas": w3.eth.estimate_gas({"from": account.address, "to": first, "value": 5}),
        "maxFeePerGas": 10**10, "maxPriorityFeePerGas": 10**9, "chainId": w3.eth.chain_id,
    }  # fmt: skip
    sent = w3.eth.send_raw_transaction(account.sign_transaction(fields).raw_transaction)
    receipt = w3.eth.wait_for_transaction_receipt(sent)
    assert (receipt["status"], receipt["gasUsed"]) == (1, 21_000)
    assert w3.eth.get_transaction(sent)["from"] == account.address


def test_contract_call_event_and_filter(w3: Any, digits: Any) -> None:
    image = demo.samples()[5]
    assert digits.functions.classify(image).call()[0] == 5
    watching = digits.events.DigitRead.create_filter(from_block="latest")
    sent = digits.functions.submit(image).transact({"from": w3.eth.accounts[1]})
    receipt = w3.eth.wait_for_transaction_receipt(sent)
    (event,) = digits.events.DigitRead().process_receipt(receipt)
    assert event["args"]["digit"] == 5
    assert digits.functions.digitOf(w3.eth.accounts[1]).call() == 5
    assert [entry["transactionHash"] for entry in watching.get_new_entries()] == [sent]
    assert len(digits.events.DigitRead.get_logs(from_block=0)) == 1


def test_a_revert_carries_its_reason(w3: Any, digits: Any) -> None:
    from web3.exceptions import ContractCustomError, ContractLogicError

    with pytest.raises((ContractCustomError, ContractLogicError)) as caught:
        digits.functions.classify(b"123").call()
    assert "bf66fbf0" in str(caught.value)  # InputSize(uint256,uint256)


def test_errors_are_errors(w3: Any) -> None:
    from web3.exceptions import Web3RPCError

    with pytest.raises(Web3RPCError, match="nonce too low"):
        w3.eth.send_transaction(
            {"from": w3.eth.accounts[0], "to": w3.eth.accounts[1], "nonce": 0, "gas": 21_000}
        )
    assert not w3.provider.make_request("eth_nope", []).get("result")
