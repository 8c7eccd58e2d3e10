"""The chain: what is appended is what an importer computes, and nothing else gets in."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from consensus.certificate import make_certificate
from consensus.errors import CertificateMissing, InvalidCertificate, InvalidHeader
from consensus.header_rules import next_prev_randao
from consensus.params import ConsensusParams
from genesis.alloc import (
    BEACON_ROOTS_ADDRESS,
    INFERENCE_ADDRESS,
    REGISTRY_ADDRESS,
    GenesisAccount,
)
from genesis.build import build_genesis
from genesis.dev_key import DEV_VALIDATOR_KEY
from genesis.errors import InvalidSpec
from genesis.spec import template
from node.chain import Chain
from node.chain_errors import ChainMismatch, UnknownParent
from node.logs import LogFilter
from node.storage import keys
from node.storage.errors import StoreCorrupted, StoreFailed
from node.storage.memory import MemoryStore
from node.storage.recovery import recover
from tests.support.chains import (
    ADDRESSES,
    COINBASE,
    ETHER,
    GWEI,
    TestChain,
    around,
    dev_spec,
    make_chain,
    transfer,
)
from vm import world
from vm.blocks import Header
from vm.errors import InvalidBlock

# LOG1 with topic 0x42 over no data, then stop.
LOGGER_CODE = bytes.fromhex("60425f5fa100")
LOGGER = b"\x10" * 20


def busy_chain(blocks: int = 4) -> TestChain:
    spec = dev_spec()
    alloc = {**spec.alloc, LOGGER: GenesisAccount(code=LOGGER_CODE)}
    made = make_chain(spec=replace(spec, alloc=alloc))
    for number in range(blocks):
        made.mine(
            *(transfer(sender, number) for sender in range(3)),
            transfer(3, number, to=LOGGER, gas=60_000),
        )
    return made


def replay(source: Chain, target: Chain, last: int | None = None) -> None:
    for number in range(target.head.number + 1, (last or source.head.number) + 1):
        block = source.block_by_number(number)
        assert block is not None
        target.import_block(
            block,
            source.certificate(block.header.parent_hash),
            source.certificate(block.hash),
            source.sidecar(block.hash),
        )


def test_genesis_carries_the_system_contracts_and_stubs() -> None:
    chain = make_chain().chain
    root = chain.head.state_root
    assert chain.head.number == 0
    assert world.sender(chain.state_store, root, BEACON_ROOTS_ADDRESS).code
    assert world.sender(chain.state_store, root, REGISTRY_ADDRESS).code == b"\xfe"
    assert world.sender(chain.state_store, root, INFERENCE_ADDRESS).code == b"\xfe"
    assert world.sender(chain.state_store, root, ADDRESSES[0]).balance == 1_000 * ETHER
    plain = template("devnet")
    plain = replace(plain, vm_config=replace(plain.vm_config, ai=False))
    other = Chain.create(plain, MemoryStore())
    assert world.sender(other.state_store, other.head.state_root, REGISTRY_ADDRESS).code == b""


def test_a_reserved_address_cannot_be_taken() -> None:
    spec = dev_spec()
    with pytest.raises(InvalidSpec, match="system contract"):
        build_genesis(replace(spec, alloc={REGISTRY_ADDRESS: GenesisAccount(code=b"\x00")}))


def test_sealed_blocks_are_stored_whole() -> None:
    made = busy_chain(2)
    chain = made.chain
    assert chain.head.number == 2
    block = chain.block_by_number(1)
    assert block is not None
    assert len(block.transactions) == 4
    assert block.header.prev_randao == next_prev_randao(bytes(32), chain.genesis_hash)
    assert block.header.coinbase == COINBASE
    receipts = chain.receipts(block.hash)
    assert receipts is not None
    assert [receipt.status for receipt in receipts] == [1, 1, 1, 1]
    for index, transaction in enumerate(block.transactions):
        assert chain.transaction(transaction.hash) == (block.hash, index)
    assert chain.transaction(bytes(32)) is None
    certificate = chain.certificate(block.hash)
    assert certificate is not None
    assert certificate.hash == chain.head.parent_beacon_block_root
    assert chain.header_by_number(3) is None
    assert chain.finalized == chain.head
    assert chain.header_by_hash(chain.head.state_root) is None


def test_an_importer_reaches_the_same_roots_and_entries() -> None:
    source = busy_chain().chain
    store = MemoryStore()
    target = Chain.create(source.spec, store)
    replay(source, target)
    assert target.head == source.head
    assert list(store.scan(b"", b"\xff" * 40)) == list(
        source.reader.store.scan(b"", b"\xff" * 40)  # byte for byte, commit records included
    )


def test_the_chain_opens_where_it_was_left() -> None:
    source = busy_chain().chain
    store = source.reader.store
    assert recover(store) is None
    again = around(Chain.open(store))
    assert again.chain.head == source.head
    again.mine(transfer(0, 4))
    assert again.chain.head.number == 5
    assert recover(store) is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("parent_hash", b"\x01" * 32),
        ("state_root", b"\x01" * 32),
        ("transactions_root", b"\x01" * 32),
        ("receipts_root", b"\x01" * 32),
        ("ommers_hash", b"\x01" * 32),
        ("withdrawals_root", b"\x01" * 32),
        ("parent_beacon_block_root", b"\x01" * 32),
        ("requests_hash", b"\x01" * 32),
        ("prev_randao", b"\x01" * 32),
        ("logs_bloom", b"\x01" * 256),
        ("extra_data", b""),
        ("coinbase", b"\x01" * 20),
        ("nonce", b"\x01" * 8),
        ("difficulty", 1),
        ("number", 3),
        ("gas_limit", 40_000_000),
        ("gas_used", 1),
        ("timestamp", 0),
        ("base_fee", 1),
        ("blob_gas_used", 131_072),
        ("excess_blob_gas", 131_072),
    ],
)
def test_every_altered_header_field_is_refused(field: str, value: bytes | int) -> None:
    source = busy_chain(2).chain
    target = Chain.create(source.spec, MemoryStore())
    replay(source, target, last=1)
    block = source.block_by_number(2)
    assert block is not None
    header: Header = replace(block.header, **{field: value})  # type: ignore[arg-type]
    # Sealed by the validator itself, so that only the rule about the field can refuse it.
    certificate = make_certificate(header.number, 0, header.hash, (DEV_VALIDATOR_KEY,))
    before = list(target.reader.store.scan(b"", b"\xff" * 40))
    with pytest.raises((InvalidBlock, InvalidHeader, CertificateMissing, UnknownParent)):
        target.import_block(
            replace(block, header=header),
            source.certificate(block.header.parent_hash),
            certificate,
            None,
        )
    assert list(target.reader.store.scan(b"", b"\xff" * 40)) == before
    replay(source, target)
    assert target.head == source.head


def test_an_uncertified_block_is_not_a_verdict_and_a_foreign_seal_is() -> None:
    source = busy_chain(1).chain
    target = Chain.create(source.spec, MemoryStore())
    block = source.block_by_number(1)
    assert block is not None
    with pytest.raises(CertificateMissing):
        target.import_block(block, None, None, None)
    foreign = make_certificate(1, 0, block.hash, (b"\x05" * 32,))
    with pytest.raises(InvalidCertificate, match="no validator"):
        target.import_block(block, None, foreign, None)
    assert target.head.number == 0


def test_only_the_next_block_is_taken() -> None:
    source = busy_chain(3).chain
    target = Chain.create(source.spec, MemoryStore())
    for number in (2, 3):
        block = source.block_by_number(number)
        assert block is not None
        with pytest.raises(UnknownParent):
            target.import_block(
                block, source.certificate(block.header.parent_hash),
                source.certificate(block.hash), None,
            )  # fmt: skip


def test_the_head_stays_when_the_disk_refuses() -> None:
    class FullDisk(MemoryStore):
        full = False

        def write(self, batch: object, *, sync: bool = True) -> None:
            if self.full:
                raise StoreFailed("no space")
            super().write(batch, sync=sync)  # type: ignore[arg-type]

    store = FullDisk()
    made = make_chain(store=store)
    made.mine(transfer(0, 0))
    head = made.chain.head
    store.full = True
    made.send(transfer(0, 1))
    with pytest.raises(StoreFailed):
        made.producer.seal()
    assert made.chain.head == head
    assert made.mempool.next_nonce(ADDRESSES[0]) == 2
    assert world.sender(made.chain.state_store, head.state_root, ADDRESSES[0]).nonce == 1


def test_another_chain_is_refused_by_name() -> None:
    store = MemoryStore()
    Chain.create(dev_spec(), store)
    before = list(store.scan(b"", b"\xff" * 40))
    with pytest.raises(ChainMismatch, match="genesis 0x"):
        Chain.open(store, dev_spec(balance=1))
    spec = dev_spec()
    with pytest.raises(ChainMismatch, match="other rules"):
        Chain.open(store, replace(spec, vm_config=replace(spec.vm_config, chain_id=5)))
    with pytest.raises(ChainMismatch, match="already holds"):
        Chain.create(spec, store)
    assert list(store.scan(b"", b"\xff" * 40)) == before
    with pytest.raises(StoreCorrupted, match="no chain"):
        Chain.open(MemoryStore())


def test_logs_are_found_by_address_and_topic() -> None:
    chain = busy_chain(3).chain
    topic = (0x42).to_bytes(32, "big")
    found = list(chain.logs(0, 99, LogFilter()))
    assert [item.header.number for item in found] == [1, 2, 3]
    assert {item.log.address for item in found} == {LOGGER}
    for wanted, count in (
        (LogFilter(addresses=(LOGGER,)), 3),
        (LogFilter(addresses=(b"\x11" * 20,)), 0),
        (LogFilter(topics=((topic,),)), 3),
        (LogFilter(topics=(None,)), 3),
        (LogFilter(topics=((b"\x00" * 32, topic),)), 3),
        (LogFilter(topics=((b"\x00" * 32,),)), 0),
        (LogFilter(topics=(None, None)), 0),
    ):
        assert len(list(chain.logs(0, 3, wanted))) == count
    assert len(list(chain.logs(2, 2, LogFilter()))) == 1
    placed = found[0]
    block = chain.block_by_number(1)
    assert block is not None
    assert block.transactions[placed.transaction_index].hash == placed.transaction_hash
    assert placed.log_index == 0
    assert list(chain.block_logs(block.hash, LogFilter())) == [placed]


def test_subscribers_hear_each_head_in_order() -> None:
    made = make_chain()
    heard: list[int] = []
    stop = made.chain.subscribe(lambda header: heard.append(header.number))
    made.mine()
    made.mine()
    stop()
    made.mine()
    assert heard == [1, 2]


def test_a_subscriber_that_fails_does_not_undo_the_block(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = make_chain()
    heard: list[int] = []

    def fail(_: Header) -> None:
        raise RuntimeError("an observer's bug")

    made.chain.subscribe(fail)
    made.chain.subscribe(lambda header: heard.append(header.number))
    made.mine(transfer(0, 0))
    assert (made.chain.head.number, heard) == (1, [1])
    assert made.mempool.counts() == (0, 0)
    assert "a subscriber failed at block 1" in caplog.text


def test_readers_beside_the_writer_see_whole_blocks() -> None:
    made = make_chain()
    faults: list[str] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            head = made.chain.head
            block = made.chain.block_by_number(head.number)
            if block is None or block.hash != head.hash:
                faults.append(f"block {head.number}")
            if (
                world.sender(made.chain.state_store, head.state_root, ADDRESSES[0]).nonce
                != head.number
            ):
                faults.append(f"state {head.number}")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for nonce in range(15):
        made.mine(transfer(0, nonce))
    done.set()
    for reader in readers:
        reader.join()
    assert faults == []


def test_a_chain_without_consensus_has_plain_headers() -> None:
    spec = dev_spec(consensus=ConsensusParams(engine="none"))
    made = make_chain(spec=spec)
    made.mine(transfer(0, 0))
    head = made.chain.head
    assert (head.extra_data, head.parent_beacon_block_root) == (b"", bytes(32))
    assert made.chain.certificate(head.hash) is None
    target = Chain.create(spec, MemoryStore())
    replay(made.chain, target)
    assert target.head == head


def test_an_index_entry_of_a_removed_block_is_ignored() -> None:
    made = busy_chain(2)
    block = made.chain.block_by_number(2)
    assert block is not None
    made.chain.reader.store.write({keys.commit_key(2): None})
    recover(made.chain.reader.store)
    chain = Chain.open(made.chain.reader.store)
    assert chain.head.number == 1
    assert chain.transaction(block.transactions[0].hash) is None


def test_fees_go_where_they_belong() -> None:
    made = make_chain()
    made.mine(transfer(0, 0, tip=2 * GWEI))
    head = made.chain.head
    got = world.sender(made.chain.state_store, head.state_root, COINBASE).balance
    assert got == 21_000 * 2 * GWEI
