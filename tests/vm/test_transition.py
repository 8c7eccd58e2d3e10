"""Building and importing on a plain chain: what goes in comes out, what is altered is named."""

from __future__ import annotations

import threading
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from eth_account import Account as EthAccount

from tests.support.chain import ADDRESSES, COINBASE, KEYS, RICH, Chain
from tests.support.inference import asm
from vm import rlp
from vm.blocks import Block, Header, Withdrawal
from vm.crypto import keccak
from vm.errors import InvalidBlock, LocalFault
from vm.results import Account, CallRequest
from vm.system_contracts import BEACON_ROOTS_ADDRESS, HISTORY_ADDRESS
from vm.transactions import Transaction, decode_transaction
from vm.transition import call
from vm.trie import ordered_root

OTHER = bytes.fromhex("11" * 20)
CONTRACT = b"\xc0" * 20


def plain(alloc: dict[bytes, Account] | None = None, **changes: Any) -> Chain:
    return Chain(alloc, ai=False, **changes)


def test_transfers_move_wei_and_pay_fees() -> None:
    chain = plain()
    legacy = chain.transaction(0, value=5, gas=21_000, gasPrice=2 * 10**9)
    dynamic = chain.transaction(1, value=7, gas=50_000)
    result = chain.must_mine(legacy, dynamic)
    base_fee = result.block.header.base_fee
    assert [receipt.gas_used for receipt in result.receipts] == [21_000, 21_000]
    assert [r.effective_gas_price for r in result.receipts] == [2 * 10**9, base_fee + 10**9]
    assert chain.balance(OTHER) == 12
    assert chain.balance(ADDRESSES[0]) == RICH - 5 - 21_000 * 2 * 10**9
    assert chain.balance(ADDRESSES[1]) == RICH - 7 - 21_000 * (base_fee + 10**9)
    assert chain.balance(COINBASE) == 21_000 * (2 * 10**9 - base_fee) + 21_000 * 10**9
    assert result.block.header.gas_used == 42_000


def test_the_header_commits_to_what_any_library_recomputes() -> None:
    chain = plain()
    result = chain.must_mine(chain.transaction(0, gasPrice=2 * 10**9), chain.transaction(1))
    header = result.block.header
    assert header.transactions_root == ordered_root(t.raw for t in result.block.transactions)
    assert header.receipts_root == ordered_root(r.encode() for r in result.receipts)
    assert header.hash == keccak(rlp.encode(header.as_rlp()))
    assert header.parent_hash == chain.headers[-2].hash
    assert (header.difficulty, header.nonce) == (0, bytes(8))


def test_creation_stores_code_and_names_the_contract() -> None:
    chain = plain()
    runtime = asm(1, 0, "SSTORE")
    # Copy the rest of the initcode (from byte 10) to memory and return it.
    initcode = bytes.fromhex(f"60{len(runtime):02x}80600a5f395ff300") + runtime
    result = chain.must_mine(chain.transaction(0, to=b"", data=initcode, gas=200_000))
    (receipt,) = result.receipts
    assert receipt.contract_address == keccak(rlp.encode((ADDRESSES[0], b"")))[12:]
    chain.must_mine(chain.transaction(0, to=receipt.contract_address))
    assert chain.slot(receipt.contract_address, 0) == 1


def test_system_contracts_see_the_parent() -> None:
    chain = plain()
    chain.must_mine()
    header, parent = chain.head, chain.headers[-2]
    assert chain.slot(HISTORY_ADDRESS, parent.number) == int.from_bytes(parent.hash, "big")
    index = header.timestamp % 8191
    assert chain.slot(BEACON_ROOTS_ADDRESS, index) == header.timestamp
    root = int.from_bytes(header.parent_beacon_block_root, "big")
    assert chain.slot(BEACON_ROOTS_ADDRESS, index + 8191) == root


def test_blockhash_reads_the_history_contract() -> None:
    number_minus = asm(0, "CALLDATALOAD") + b"\x43\x03\x40" + asm(0, "SSTORE")
    chain = plain({CONTRACT: Account(nonce=1, code=number_minus)})
    for _ in range(4):
        chain.must_mine()
    for depth in (1, 2, 4):
        data = depth.to_bytes(32, "big")
        chain.must_mine(chain.transaction(0, to=CONTRACT, data=data))
        expected = chain.headers[-1 - depth].hash
        assert chain.slot(CONTRACT, 0) == int.from_bytes(expected, "big")
    for depth in (0, 257, 10_000):
        data = depth.to_bytes(32, "big")
        chain.must_mine(chain.transaction(0, to=CONTRACT, data=data))
        assert chain.slot(CONTRACT, 0) == 0


def test_withdrawals_are_paid_in_gwei() -> None:
    chain = plain()
    withdrawals = (
        Withdrawal(index=0, validator_index=1, address=OTHER, amount=3),
        Withdrawal(index=1, validator_index=1, address=b"\x77" * 20, amount=0),
    )
    chain.mine(withdrawals=withdrawals)
    assert chain.balance(OTHER) == 3 * 10**9
    assert chain.head.withdrawals_root != chain.headers[0].withdrawals_root


def test_rejected_candidates_say_why_and_leave_no_trace() -> None:
    chain = plain()
    poor = b"\x77" * 32
    fund = {"to": "0x" + "11" * 20, "gas": 21_000, "chainId": 31_337, "nonce": 0, "value": 0}
    unfunded = EthAccount.sign_transaction({**fund, "gasPrice": 10**10}, poor)
    candidates: list[tuple[Transaction, str, bool]] = [
        (chain.transaction(0, nonce=1), "nonce too high", False),
        (decode_transaction(bytes(unfunded.raw_transaction)), "insufficient funds", False),
        (chain.transaction(0, gas=20_999), "intrinsic gas too low", True),
        (chain.transaction(0, data=b"\x01" * 1000, gas=37_100), "floor data gas", True),
        (chain.transaction(0, chainId=1), "invalid chain id", True),
        (chain.transaction(0, gasPrice=1), "less than block base fee", False),
        (chain.transaction(0, gas=2**24 + 1), "gas limit too high", True),
    ]
    built = chain.mine(*(candidate for candidate, _, _ in candidates))
    assert built.result.block.transactions == ()
    assert len(built.rejected) == len(candidates)
    for rejection, (candidate, reason, permanent) in zip(built.rejected, candidates, strict=True):
        assert rejection.transaction == candidate
        assert reason in rejection.reason
        assert rejection.permanent is permanent


def test_a_full_block_leaves_the_rest_for_later() -> None:
    burner = Account(nonce=1, code=b"\xfe")
    chain = plain({CONTRACT: burner}, transaction_gas_cap=None)
    first = chain.transaction(0, to=CONTRACT, gas=29_990_000)
    second = chain.transaction(1, gas=21_000)
    built = chain.mine(first, second)
    assert built.result.block.transactions == (first,)
    assert built.result.receipts[0].status == 0
    assert built.result.block.header.gas_used == 29_990_000
    assert built.rejected == ()


def test_the_candidate_iterator_is_not_read_beyond_the_end() -> None:
    chain = plain({CONTRACT: Account(nonce=1, code=b"\xfe")}, transaction_gas_cap=None)
    read: list[int] = []

    def candidates() -> Any:
        for index in range(3):
            read.append(index)
            yield chain.transaction(index, to=CONTRACT, gas=29_990_000)

    chain.build(candidates())
    assert read == [0]


FIELDS: list[tuple[str, Any, str]] = [
    ("parent_hash", b"\x01" * 32, "parent_hash mismatch"),
    ("ommers_hash", b"\x01" * 32, "ommers_hash mismatch"),
    ("state_root", b"\x01" * 32, "state_root mismatch"),
    ("transactions_root", b"\x01" * 32, "transactions_root mismatch"),
    ("receipts_root", b"\x01" * 32, "receipts_root mismatch"),
    ("logs_bloom", b"\x01" * 256, "logs_bloom mismatch"),
    ("difficulty", 1, "difficulty mismatch: header 1, expected 0"),
    ("number", 5, "number mismatch: header 5, expected 1"),
    ("gas_limit", 40_000_000, "gas_limit 40000000 is outside the bounds"),
    ("gas_used", 1, "gas_used mismatch: header 1, execution 21000"),
    ("gas_used", 31_000_000, "gas_used 31000000 exceeds gas_limit"),
    ("timestamp", 1_000, "timestamp 1000 is not after the parent's 1000"),
    ("extra_data", bytes(33), "extra_data has 33 bytes"),
    ("nonce", b"\x01" * 8, "nonce mismatch"),
    ("base_fee", 1, "base_fee mismatch"),
    ("withdrawals_root", b"\x01" * 32, "withdrawals_root mismatch"),
    ("blob_gas_used", 1, "blob_gas_used mismatch"),
    ("excess_blob_gas", 1, "excess_blob_gas mismatch"),
    ("parent_beacon_block_root", b"\x02" * 32, "state_root mismatch"),
    ("requests_hash", b"\x01" * 32, "requests_hash mismatch"),
]


@pytest.mark.parametrize(("name", "value", "reason"), FIELDS)
def test_every_altered_header_field_is_named(name: str, value: Any, reason: str) -> None:
    chain = plain()
    block = chain.build([chain.transaction(0, gas=21_000, value=1)]).result.block
    chain.import_block(block)
    altered = replace(block, header=replace(block.header, **{name: value}))
    with pytest.raises(InvalidBlock) as error:
        chain.import_block(altered)
    assert error.value.reason.startswith(reason)


def test_an_invalid_transaction_is_named_by_its_index() -> None:
    chain = plain()
    good, bad = chain.transaction(0), chain.transaction(1, nonce=9)
    block = chain.build([good]).result.block
    transactions = (good, bad)
    header = replace(block.header, transactions_root=ordered_root(t.raw for t in transactions))
    with pytest.raises(InvalidBlock, match="nonce too high") as error:
        chain.import_block(Block(header=header, transactions=transactions))
    assert error.value.transaction == 1


def test_the_store_is_never_written_and_a_missing_node_is_no_verdict() -> None:
    chain = plain()
    before = dict(chain.store)
    block = chain.build([chain.transaction(0, value=1)]).result.block
    assert chain.store == before
    del chain.store[chain.head.state_root]
    with pytest.raises(LocalFault, match="missing from the database"):
        chain.import_block(block)


def test_a_chain_without_the_system_contracts_has_no_valid_block() -> None:
    chain = plain({bytes.fromhex("00000961ef480eb55e80d19ad83579a64c007002"): Account(balance=1)})
    with pytest.raises(InvalidBlock, match="has no code"):
        chain.build([])


def test_delegated_accounts_create_contracts_at_the_ordinary_price() -> None:
    """An inner frame whose sender is the origin is not the outermost frame."""
    # CREATE of two bytes of initcode, from the delegated code of the sender itself.
    creator = asm(0x5F5F, 0, "MSTORE") + bytes.fromhex("6002601e5ff05f5500")
    chain = plain({CONTRACT: Account(nonce=1, code=creator)})
    authorization = EthAccount.sign_authorization(
        {"chainId": 31_337, "address": "0x" + CONTRACT.hex(), "nonce": 1}, KEYS[0]
    )
    own = "0x" + ADDRESSES[0].hex()
    result = chain.must_mine(
        chain.transaction(0, type=4, to=own, gas=300_000, authorizationList=[authorization])
    )
    gas = result.receipts[0].gas_used
    other = plain({CONTRACT: Account(nonce=1, code=creator)})
    direct = other.must_mine(other.transaction(0, to=CONTRACT, gas=300_000)).receipts[0].gas_used
    execution, delegated = direct - 21_000, 21_000 + 25_000 + direct - 21_000
    refund = min(12_500, delegated // 5)
    assert execution > 32_000
    assert gas == delegated - refund


def test_headers_decode_from_what_was_built() -> None:
    chain = plain()
    chain.must_mine(chain.transaction(0))
    assert Header.decode(chain.head.encode()) == chain.head


def test_a_thousand_nested_calls_fit_on_a_threads_stack() -> None:
    """The depth limit of 1,024 frames is reached, in the main thread and in a small one."""
    address = int.from_bytes(CONTRACT, "big")
    # Count the frames in transient storage, call again, and return the count.
    count = asm(0) + b"\x5c" + asm(1, "ADD", 0, "TSTORE")
    again = asm(0, 0, 0, 0, 0, address, "GAS", "CALL", "POP")
    code = count + again + asm(0) + b"\x5c" + asm(0, "MSTORE", 32, 0, "RETURN")
    chain = plain({CONTRACT: Account(nonce=1, code=code)}, transaction_gas_cap=None)
    request = CallRequest(to=CONTRACT)
    depths: list[int] = []

    def measure() -> None:
        result = call(chain.config, chain.store, chain.head, request, 10**15)
        depths.append(int.from_bytes(result.output, "big"))

    measure()
    thread = threading.Thread(target=measure)
    thread.start()
    thread.join()
    assert depths == [1_025, 1_025]


def test_the_precompiles_kept_from_py_evm_work() -> None:
    chain = plain()
    ripemd = chain.call(to=bytes(19) + b"\x03", data=b"abc").output
    assert ripemd.hex() == "00" * 12 + "8eb208f7e05d987a9b044a8e98c6b087f15a0bfc"
    # EIP-152, test vector 5: twelve rounds, state, message "abc", offset 3, last block.
    start = bytes.fromhex(
        "48c9bdf267e6096a3ba7ca8485ae67bb2bf894fe72f36e3cf1361d5f3af54fa5"
        "d182e6ad7f520e511f6c3e2b8c68059b6bbd41fbabd9831f79217e1319cde05b"
    )
    message, offset = b"abc".ljust(128, b"\x00"), b"\x03".ljust(16, b"\x00")
    blake = bytes((0, 0, 0, 12)) + start + message + offset + b"\x01"
    output = chain.call(to=bytes(19) + b"\x09", data=blake).output
    assert output.hex().startswith(
        "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
    )
    assert chain.call(to=bytes(19) + b"\x02", data=b"abc").output == sha256(b"abc").digest()
    assert chain.call(to=bytes(19) + b"\x04", data=b"abc").output == b"abc"
