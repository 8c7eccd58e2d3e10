"""Runs the published Ethereum block tests (EEST) through our importer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vm.blocks import Block, Header
from vm.config import VmConfig
from vm.errors import InvalidBlock
from vm.results import Account
from vm.transition import genesis_block, import_block

MAINNET = VmConfig(chain_id=1, ai=False, transaction_gas_cap=None)


def load_tests(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            entry = json.loads(line)
            yield entry["name"], entry["test"]


def unhex(text: str) -> bytes:
    digits = text.removeprefix("0x")
    return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)


def number(text: str) -> int:
    return int(text, 16)


def alloc_of(accounts: dict[str, Any]) -> dict[bytes, Account]:
    return {
        unhex(address): Account(
            balance=number(account["balance"]),
            nonce=number(account["nonce"]),
            code=unhex(account["code"]),
            storage={number(slot): number(word) for slot, word in account["storage"].items()},
        )
        for address, account in accounts.items()
    }


def header_of(fields: dict[str, str]) -> Header:
    return Header(
        parent_hash=unhex(fields["parentHash"]),
        ommers_hash=unhex(fields["uncleHash"]),
        coinbase=unhex(fields["coinbase"]),
        state_root=unhex(fields["stateRoot"]),
        transactions_root=unhex(fields["transactionsTrie"]),
        receipts_root=unhex(fields["receiptTrie"]),
        logs_bloom=unhex(fields["bloom"]),
        difficulty=number(fields["difficulty"]),
        number=number(fields["number"]),
        gas_limit=number(fields["gasLimit"]),
        gas_used=number(fields["gasUsed"]),
        timestamp=number(fields["timestamp"]),
        extra_data=unhex(fields["extraData"]),
        prev_randao=unhex(fields["mixHash"]),
        nonce=unhex(fields["nonce"]),
        base_fee=number(fields["baseFeePerGas"]),
        withdrawals_root=unhex(fields["withdrawalsRoot"]),
        blob_gas_used=number(fields["blobGasUsed"]),
        excess_blob_gas=number(fields["excessBlobGas"]),
        parent_beacon_block_root=unhex(fields["parentBeaconBlockRoot"]),
        requests_hash=unhex(fields["requestsHash"]),
    )


def run_test(test: dict[str, Any]) -> str | None:
    """Import every block of a test; return what is wrong, or None."""
    genesis = header_of(test["genesisBlockHeader"])
    state = genesis_block(genesis, alloc_of(test["pre"]))
    if state.block.header != genesis:
        return "genesis state root differs"
    store = dict(state.writes)
    chain = [genesis]
    for entry in test["blocks"]:
        expected = entry.get("expectException")
        try:
            block = Block.decode(unhex(entry["rlp"]))
            hashes = {header.number: header.hash for header in chain}
            result = import_block(MAINNET, store, chain[-1], block, block_hash_of=hashes.get)
        except InvalidBlock as error:
            if expected is None:
                return f"valid block refused: {error}"
            continue
        if expected is not None:
            return f"invalid block accepted, expected {expected}"
        store.update(result.writes)
        chain.append(block.header)
    if chain[-1].hash != unhex(test["lastblockhash"]):
        return "the last block is another one"
    return None
