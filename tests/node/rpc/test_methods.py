"""The eth_, net_, web3_ and evm_ methods on a node in memory, method by method."""

from __future__ import annotations

from typing import Any

import pytest

from node.rpc.namespaces import NAMESPACES
from tests.support.rpc import FIRST, SECOND, Rpc, deployment, word

NOBODY = "0x" + "11" * 20
# Runtime: x = calldata[0:32] + 1; store x at slot 0; log it under topic 7; return it.
LOGGER = "60016000350180600055600052600760206000a160206000f3"
# Runtime: revert with Error("no").
REVERTER = (
    "7f08c379a000000000000000000000000000000000000000000000000000000000600052602060045260026024"
    "527f6e6f00000000000000000000000000000000000000000000000000000000000060445260646000fd"
)


@pytest.fixture(scope="module")
def rpc() -> Rpc:
    return Rpc()


@pytest.fixture(scope="module")
def logger(rpc: Rpc) -> str:
    receipt = rpc.send(data=deployment(LOGGER))
    assert receipt["status"] == "0x1"
    return str(receipt["contractAddress"])


def test_every_method_answers_an_empty_call_in_order(rpc: Rpc) -> None:
    """No method may end in an internal error, whatever it is called with."""
    hostile: list[list[Any]] = [
        [], [None], [1], ["0x"], ["latest"], [{}], [[]], [NOBODY], ["0x" + "ab" * 32], [True],
        [{"from": 1}], [{"data": "0x1"}], [NOBODY, {}], [NOBODY, "0x0", []], ["0x1", "0x1"],
        [["0x1"], "latest"], [{"topics": {}}], ["0x" + "ff" * 200_000], ["0x5", "latest", [101]],
        [NOBODY, [1]], [{"to": ["0x"]}], [NOBODY, "0x" + "f" * 64, "0xffffffffffffffff"],
    ]  # fmt: skip
    for space in NAMESPACES.values():
        for method in space:
            for params in hostile:
                answer = rpc.answer(method, *params)
                code = answer.get("error", {}).get("code", 0)
                assert code in {0, 3, -32000, -32602, -32005}, (method, params, answer)


def test_unknown_methods_are_exactly_minus_32601(rpc: Rpc) -> None:
    for method in ("eth_fillTransaction", "anvil_nodeInfo", "debug_traceTransaction", "", "eth_"):
        assert rpc.error(method)["code"] == -32601


def test_the_chain_and_its_client(rpc: Rpc) -> None:
    assert rpc.call("eth_chainId") == "0x7a69"
    assert rpc.call("net_version") == "31337"
    assert rpc.call("eth_accounts")[:2] == [FIRST, SECOND]
    assert rpc.call("eth_syncing") is False
    assert rpc.call("web3_clientVersion").startswith("Engram/v")
    assert rpc.call("web3_sha3", "0x68656c6c6f20776f726c64") == (
        "0x47173285a8d7341e5e972fc677286384f802f8ef42a5ec5f03bbfa254cb01fad"
    )
    assert rpc.call("net_peerCount") == "0x0"
    assert rpc.call("eth_coinbase") not in rpc.call("eth_accounts")


def test_blocks(rpc: Rpc) -> None:
    receipt = rpc.send(to=SECOND, value="0x5")
    block = rpc.call("eth_getBlockByNumber", "latest", True)
    assert block["hash"] == receipt["blockHash"]
    assert block["transactions"][0]["hash"] == receipt["transactionHash"]
    assert block["transactions"][0]["type"] == "0x2"
    assert rpc.call("eth_getBlockByHash", block["hash"], True) == block
    brief = rpc.call("eth_getBlockByNumber", block["number"])
    assert brief["transactions"] == [receipt["transactionHash"]]
    assert rpc.call("eth_getBlockTransactionCountByNumber", "latest") == "0x1"
    assert rpc.call("eth_getBlockTransactionCountByHash", block["hash"]) == "0x1"
    for tag in ("safe", "finalized", "pending"):
        assert rpc.call("eth_getBlockByNumber", tag, True)["hash"] == block["hash"]
    genesis = rpc.call("eth_getBlockByNumber", "earliest")
    assert (genesis["number"], genesis["transactions"]) == ("0x0", [])
    assert rpc.call("eth_getBlockByNumber", "0xffff") is None
    assert rpc.call("eth_getBlockByHash", word(1)) is None
    assert rpc.call("eth_getUncleCountByBlockNumber", "latest") == "0x0"
    assert rpc.call("eth_getUncleByBlockHashAndIndex", block["hash"], "0x0") is None
    assert rpc.call("eth_getBlockReceipts", "latest") == [receipt]
    by_index = rpc.call("eth_getTransactionByBlockNumberAndIndex", "latest", "0x0")
    assert by_index == block["transactions"][0]
    assert rpc.call("eth_getTransactionByBlockHashAndIndex", block["hash"], "0x0") == by_index
    assert rpc.call("eth_getTransactionByBlockHashAndIndex", block["hash"], "0x1") is None
    assert rpc.call("eth_getTransactionByHash", receipt["transactionHash"]) == by_index


def test_the_block_hash_is_the_hash_of_the_standard_header(rpc: Rpc) -> None:
    from rlp import encode

    from vm.crypto import keccak

    block = rpc.call("eth_getBlockByNumber", "latest")
    names = [
        "parentHash",
        "sha3Uncles",
        "miner",
        "stateRoot",
        "transactionsRoot",
        "receiptsRoot",
        "logsBloom",
        "difficulty",
        "number",
        "gasLimit",
        "gasUsed",
        "timestamp",
        "extraData",
        "mixHash",
        "nonce",
        "baseFeePerGas",
        "withdrawalsRoot",
        "blobGasUsed",
        "excessBlobGas",
        "parentBeaconBlockRoot",
        "requestsHash",
    ]
    numbers = {"difficulty", "number", "gasLimit", "gasUsed", "timestamp", "baseFeePerGas",
               "blobGasUsed", "excessBlobGas"}  # fmt: skip
    fields = [
        int(block[name], 16) if name in numbers else bytes.fromhex(block[name][2:])
        for name in names
    ]
    assert "0x" + keccak(encode(fields)).hex() == block["hash"]


def test_state_at_a_block(rpc: Rpc, logger: str) -> None:
    before = rpc.call("eth_blockNumber")
    rpc.send(to=logger, data=word(41))
    assert rpc.call("eth_getStorageAt", logger, "0x0", "latest") == word(42)
    assert rpc.call("eth_getStorageAt", logger, "0x00", before) == word(0)
    assert rpc.call("eth_getCode", logger) == "0x" + LOGGER
    assert rpc.call("eth_getCode", NOBODY) == "0x"
    nonce = int(rpc.call("eth_getTransactionCount", FIRST), 16)
    assert int(rpc.call("eth_getTransactionCount", FIRST, before), 16) == nonce - 1
    block = rpc.call("eth_getBlockByNumber", before)
    by_hash = {"blockHash": block["hash"], "requireCanonical": True}
    assert rpc.call("eth_getStorageAt", logger, "0x0", by_hash) == word(0)
    assert rpc.error("eth_getBalance", FIRST, "0xffff")["message"] == "header not found"
    assert rpc.error("eth_getBalance", FIRST, {"blockHash": word(3)})["code"] == -32000


def test_calls_and_estimates(rpc: Rpc, logger: str) -> None:
    request = {"to": logger, "data": word(1)}
    assert rpc.call("eth_call", request, "latest") == word(2)
    assert rpc.call("eth_call", {**request, "from": FIRST, "gas": "0x186a0"}) == word(2)
    gas = int(rpc.call("eth_estimateGas", {**request, "from": FIRST}), 16)
    used = int(rpc.send(**request, gas=hex(gas))["gasUsed"], 16)
    assert 21_000 < used <= gas
    assert rpc.send(**request, gas=hex(22_000))["status"] == "0x0"
    assert rpc.call("eth_estimateGas", {"from": FIRST, "to": SECOND, "value": "0x1"}) == "0x5208"
    short = rpc.error("eth_call", {**request, "gas": hex(22_000)})
    assert (short["code"], short["message"]) == (-32000, "out of gas")
    poor = rpc.error("eth_call", {"from": NOBODY, "to": SECOND, "value": "0x1"})
    assert poor["code"] == -32000
    assert "insufficient funds" in poor["message"]


def test_reverts_are_code_3_with_data(rpc: Rpc) -> None:
    reverter = rpc.send(data=deployment(REVERTER))["contractAddress"]
    for method in ("eth_call", "eth_estimateGas"):
        error = rpc.error(method, {"from": FIRST, "to": reverter})
        assert (error["code"], error["message"]) == (3, "execution reverted: no")
        assert error["data"].startswith("0x08c379a0")
    assert rpc.error("eth_sendTransaction", {"from": FIRST, "to": reverter})["code"] == 3
    receipt = rpc.send(to=reverter, gas="0x186a0")
    assert receipt["status"] == "0x0"


def test_receipts_and_logs(rpc: Rpc, logger: str) -> None:
    receipt = rpc.send(to=logger, data=word(7), maxFeePerGas=hex(5 * 10**9))
    (log,) = receipt["logs"]
    assert log["topics"] == [word(7)]
    assert log["data"] == word(8)
    assert receipt["authorFee"] == "0x0"
    assert receipt["from"] == FIRST
    number = receipt["blockNumber"]
    span = {"fromBlock": number, "toBlock": number}
    assert rpc.call("eth_getLogs", {**span, "address": logger}) == [log]
    assert rpc.call("eth_getLogs", {"blockHash": receipt["blockHash"]}) == [log]
    assert rpc.call("eth_getLogs", {**span, "topics": [[word(6), word(7)]]}) == [log]
    assert rpc.call("eth_getLogs", {**span, "topics": [word(6)]}) == []
    assert rpc.call("eth_getLogs", {**span, "topics": [None, None]}) == []
    assert rpc.call("eth_getLogs", {**span, "address": NOBODY}) == []
    assert log in rpc.call("eth_getLogs", {"fromBlock": "earliest", "address": [logger, NOBODY]})
    assert rpc.error("eth_getLogs", {"fromBlock": "0x5", "toBlock": "0x1"})["code"] == -32602


def test_filters(rpc: Rpc, logger: str) -> None:
    logs = rpc.call("eth_newFilter", {"address": logger})
    blocks = rpc.call("eth_newBlockFilter")
    pending = rpc.call("eth_newPendingTransactionFilter")
    assert rpc.call("eth_getFilterChanges", logs) == []
    receipt = rpc.send(to=logger, data=word(9))
    assert rpc.call("eth_getFilterChanges", logs) == receipt["logs"]
    assert rpc.call("eth_getFilterChanges", blocks) == [receipt["blockHash"]]
    assert rpc.call("eth_getFilterChanges", pending) == [receipt["transactionHash"]]
    for each in (logs, blocks, pending):
        assert rpc.call("eth_getFilterChanges", each) == []
    assert rpc.call("eth_getFilterLogs", logs) == receipt["logs"]
    assert rpc.call("eth_uninstallFilter", logs) is True
    assert rpc.call("eth_uninstallFilter", logs) is False
    assert rpc.error("eth_getFilterChanges", logs)["message"] == "filter not found"


def test_fees(rpc: Rpc) -> None:
    rpc.send(to=SECOND, value="0x1", maxPriorityFeePerGas=hex(3 * 10**9))
    history = rpc.call("eth_feeHistory", "0x2", "latest", [0, 50, 100])
    assert len(history["baseFeePerGas"]) == 3
    assert history["reward"][-1] == [hex(3 * 10**9)] * 3
    assert 0 < history["gasUsedRatio"][-1] < 1
    head = rpc.call("eth_getBlockByNumber", "latest")
    assert history["baseFeePerGas"][-2] == head["baseFeePerGas"]
    assert int(rpc.call("eth_gasPrice"), 16) == int(history["baseFeePerGas"][-1], 16) + 10**9
    assert rpc.call("eth_maxPriorityFeePerGas") == hex(10**9)
    assert int(rpc.call("eth_blobBaseFee"), 16) >= 1
    assert "reward" not in rpc.call("eth_feeHistory", 1, "latest")
    assert rpc.error("eth_feeHistory", "0x1", "latest", [60, 40])["code"] == -32602


def test_what_the_pool_refuses_is_worded_as_geth_words_it(rpc: Rpc) -> None:
    base = {"from": FIRST, "to": SECOND, "gas": "0x5208"}
    for fields, words in [
        ({"nonce": "0x0"}, "nonce too low"),
        ({"value": hex(10**30)}, "insufficient funds"),
        ({"gas": "0x5207"}, "intrinsic gas too low"),
        ({"gas": hex(2**25)}, "gas"),
    ]:
        error = rpc.error("eth_sendTransaction", {**base, **fields})
        assert error["code"] == -32000
        assert words in error["message"], error
    assert rpc.error("eth_sendTransaction", {**base, "chainId": "0x1"})["code"] == -32602
    assert (
        rpc.error("eth_sendTransaction", {**base, "from": NOBODY})["message"] == "unknown account"
    )
    assert rpc.error("eth_sendRawTransaction", "0x")["code"] == -32000
    assert rpc.error("eth_sendRawTransaction", "0x02c0")["code"] == -32000


def test_a_nonce_gap_waits_in_the_pool(rpc: Rpc) -> None:
    third = rpc.call("eth_accounts")[2]
    base = {"from": third, "to": SECOND, "gas": "0x5208", "value": "0x1"}
    late = rpc.call("eth_sendTransaction", {**base, "nonce": "0x1"})
    waiting = rpc.call("eth_getTransactionByHash", late)
    assert (waiting["blockNumber"], waiting["nonce"]) == (None, "0x1")
    assert rpc.call("eth_getTransactionReceipt", late) is None
    rpc.call("eth_sendTransaction", {**base, "nonce": "0x0"})
    assert rpc.call("eth_getTransactionReceipt", late)["status"] == "0x1"
    assert rpc.call("eth_getTransactionCount", third, "pending") == "0x2"


def test_signing(rpc: Rpc) -> None:
    from eth_account import Account
    from eth_account.messages import encode_defunct

    signature = rpc.call("eth_sign", FIRST, "0x68656c6c6f")
    signer = Account.recover_message(encode_defunct(b"hello"), signature=signature)
    assert signer.lower() == FIRST
    signed = rpc.call("eth_signTransaction", {"from": SECOND, "to": FIRST, "value": "0x1"})
    assert signed["tx"]["from"] == SECOND
    sent = rpc.call("eth_sendRawTransaction", signed["raw"])
    assert sent == signed["tx"]["hash"]
    assert rpc.call("eth_getTransactionReceipt", sent)["status"] == "0x1"
    assert rpc.error("eth_sendRawTransaction", signed["raw"])["code"] == -32000


def test_legacy_and_access_list_transactions(rpc: Rpc, logger: str) -> None:
    legacy = rpc.send(to=SECOND, gasPrice=hex(4 * 10**9))
    assert (legacy["type"], legacy["effectiveGasPrice"]) == ("0x0", hex(4 * 10**9))
    entry = {"address": logger, "storageKeys": [word(0)]}
    listed = rpc.send(to=logger, data=word(1), gasPrice=hex(4 * 10**9), accessList=[entry])
    assert (listed["type"], listed["status"]) == ("0x1", "0x1")
    sent = rpc.call("eth_getTransactionByHash", listed["transactionHash"])
    assert sent["accessList"] == [entry]


def test_many_senders_at_once_from_one_account() -> None:
    from concurrent.futures import ThreadPoolExecutor

    rpc = Rpc()
    request = {"from": SECOND, "to": NOBODY, "value": "0x1"}
    with ThreadPoolExecutor(8) as threads:
        hashes = list(threads.map(lambda _: rpc.call("eth_sendTransaction", request), range(40)))
    assert len(set(hashes)) == 40
    assert rpc.call("eth_getBalance", NOBODY) == hex(40)


def test_a_full_disk_stops_the_chain_and_not_the_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    from node.storage.errors import StoreFailed

    rpc = Rpc()

    def refuse(*_args: object, **_options: object) -> None:
        raise StoreFailed("the disk is full")

    monkeypatch.setattr(rpc.node.chain.reader.store, "write", refuse)
    error = rpc.error("eth_sendTransaction", {"from": SECOND, "to": NOBODY})
    assert (error["code"], error["message"]) == (-32603, "the disk is full")
    assert rpc.node.fault == "the disk is full"
    assert rpc.call("eth_blockNumber") == "0x0"
    assert rpc.call("eth_getBalance", NOBODY) == "0x0"


def test_mining_by_hand(rpc: Rpc) -> None:
    number = int(rpc.call("eth_blockNumber"), 16)
    rpc.call("evm_mine")
    assert int(rpc.call("eth_blockNumber"), 16) == number + 1
    later = int(rpc.call("eth_getBlockByNumber", "latest")["timestamp"], 16) + 1_000
    rpc.call("evm_mine", later)
    assert rpc.call("eth_getBlockByNumber", "latest")["timestamp"] == hex(later)
    rpc.call("evm_mine", {"blocks": 3})
    assert int(rpc.call("eth_blockNumber"), 16) == number + 5
    assert rpc.error("evm_mine", later)["code"] == -32602


def test_proofs_of_presence_and_absence(rpc: Rpc, logger: str) -> None:
    proof = rpc.call("eth_getProof", logger, ["0x0", word(5)], "latest")
    assert proof["address"] == logger
    assert len(proof["accountProof"]) > 0
    present, absent = proof["storageProof"]
    assert int(present["value"], 16) > 0
    assert absent["value"] == "0x0"
    root = rpc.call("eth_getBlockByNumber", "latest")["stateRoot"]
    from vm.crypto import keccak

    assert "0x" + keccak(bytes.fromhex(proof["accountProof"][0][2:])).hex() == root
    assert rpc.call("eth_getProof", NOBODY, [], "latest")["balance"] == "0x0"
