"""chain export, import and verify: equal chains, and every altered byte named and refused."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from ai_ops.model import encode_model
from consensus.certificate import make_certificate
from consensus.header_rules import next_prev_randao
from genesis.dev_key import DEV_VALIDATOR_KEY
from node import cli
from node.chain import Chain, write_genesis
from node.chain_errors import ChainMismatch
from node.chain_transfer import BlockRefused, export_chain, import_export, spec_of_export
from node.chain_verify import NotVerified, verify_chain
from node.export_file import ExportReader, ExportStart, ExportWriter, MalformedExport
from node.storage.directory import create_directory, open_directory
from node.storage.memory import MemoryStore
from tests.ai_ops.models import mlp
from tests.support.chains import (
    TestChain,
    around,
    dev_spec,
    inference,
    make_chain,
    model_deployment,
    transfer,
)
from vm.blocks import Block
from vm.records import Sidecar

MODEL = encode_model(mlp())
INPUT = bytes(range(8))


def fill(made: TestChain) -> None:
    """Deploy a model, run five inferences in two blocks, and some transfers."""
    model, deployment = model_deployment(0, 0, MODEL)
    made.mine(*deployment, transfer(1, 0))
    made.mine(inference(2, 0, model, INPUT), inference(3, 0, model, INPUT * 2))
    made.mine()
    made.mine(*(inference(2, nonce, model, bytes(8)) for nonce in (1, 2, 3)), transfer(1, 1))


@pytest.fixture(scope="module")
def source() -> Chain:
    made = make_chain()
    fill(made)
    sidecar = made.chain.sidecar(made.chain.head.hash)
    assert sidecar is not None
    assert len(sidecar.records) == 3
    return made.chain


def exported(chain: Chain, first: int = 1, last: int | None = None) -> bytes:
    file = io.BytesIO()
    export_chain(chain, file, first, chain.head.number if last is None else last, print)
    return file.getvalue()


def imported(content: bytes, into: Chain | None = None) -> Chain:
    reader = ExportReader(io.BytesIO(content))
    chain = into or Chain.create(spec_of_export(reader.start), MemoryStore())
    import_export(reader, chain, lambda _: None)
    return chain


def everything(chain: Chain) -> list[tuple[bytes, bytes]]:
    return list(chain.reader.store.scan(b"", b"\xff" * 40))


def test_an_import_equals_its_source_byte_for_byte(source: Chain) -> None:
    chain = imported(exported(source))
    assert chain.head == source.head
    assert everything(chain) == everything(source)
    assert exported(chain) == exported(source)


def test_parts_join_and_known_blocks_are_skipped(source: Chain) -> None:
    chain = imported(exported(source, 1, 2))
    assert chain.head.number == 2
    with pytest.raises(ChainMismatch, match="import the blocks between first"):
        imported(exported(source, 4), chain)
    imported(exported(source, 2), chain)
    assert everything(chain) == everything(source)
    empty = imported(exported(source, 1, 0))
    assert empty.head.number == 0


def test_another_chain_is_refused(source: Chain) -> None:
    other = Chain.create(dev_spec(balance=5), MemoryStore())
    with pytest.raises(ChainMismatch, match="is of the chain with genesis"):
        imported(exported(source), other)
    start = ExportReader(io.BytesIO(exported(source))).start
    with pytest.raises(ChainMismatch, match="the chain spec gives"):
        spec_of_export(start, dev_spec(balance=5))


def test_another_branch_is_refused(source: Chain) -> None:
    other = make_chain()
    other.mine(transfer(5, 0))
    with pytest.raises(BlockRefused, match="another final block at that height"):
        imported(exported(source), other.chain)


# ---------------------------------------------------------------- altered records


def rewritten(source: Chain, number: int, alter: Callable[[Sidecar], Sidecar]) -> bytes:
    """The export with the sidecar of one block altered and the checksum made to fit."""
    file = io.BytesIO()
    start = ExportStart(
        genesis_hash=source.genesis_hash,
        first=1,
        last=source.head.number,
        spec_text=source.spec.to_json(),
    )
    writer = ExportWriter(file, start)
    for height in range(1, source.head.number + 1):
        block = source.block_by_number(height)
        assert block is not None
        sidecar = source.sidecar(block.hash)
        assert sidecar is not None
        writer.block(
            block,
            source.certificate(block.header.parent_hash),
            alter(sidecar) if height == number else sidecar,
        )
    writer.finish(source.certificate(source.head.hash))
    return file.getvalue()


def flip(content: bytes, index: int = 0) -> bytes:
    return content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :]


def with_record(sidecar: Sidecar, call: int, **changes: object) -> Sidecar:
    records = list(sidecar.records)
    records[call] = replace(records[call], **changes)  # type: ignore[arg-type]
    return replace(sidecar, records=tuple(records))


def with_step(sidecar: Sidecar, call: int, step: int) -> Sidecar:
    calls = [list(digests) for digests in sidecar.step_digests]
    calls[call][step] = flip(calls[call][step])
    return replace(sidecar, step_digests=tuple(tuple(digests) for digests in calls))


@pytest.mark.parametrize(
    ("alter", "place"),
    [
        (
            lambda s: with_record(s, 1, output_digest=flip(s.records[1].output_digest)),
            "transaction 1, call 0",
        ),
        (lambda s: with_record(s, 2, gas=s.records[2].gas + 1), "transaction 2, call 0"),
        (lambda s: with_record(s, 0, steps_root=bytes(32)), "transaction 0, call 0"),
        (lambda s: with_step(s, 1, 0), "transaction 1, call 0, step 0"),
        (lambda s: with_step(s, 2, 1), "transaction 2, call 0, step 1"),
        (lambda _: Sidecar(), "transaction 0, call 0"),
    ],
)
def test_altered_records_are_refused_and_named(
    source: Chain, alter: Callable[[Sidecar], Sidecar], place: str
) -> None:
    reader = ExportReader(io.BytesIO(rewritten(source, 4, alter)))
    chain = Chain.create(source.spec, MemoryStore())
    with pytest.raises(BlockRefused) as caught:
        import_export(reader, chain, lambda _: None)
    assert caught.value.code == "E-CHAIN-005"
    assert "block 4 is valid" in str(caught.value)
    assert place in str(caught.value)
    assert "blocks up to 3 were kept" in str(caught.value)
    assert chain.head.number == 3


# ---------------------------------------------------------------- altered blocks, sealed again


def sealed_again(source: Chain, number: int, alter: Callable[[Block], Block]) -> bytes:
    """The export with one block altered, it and all later ones linked and sealed anew."""
    file = io.BytesIO()
    start = ExportStart(
        genesis_hash=source.genesis_hash,
        first=1,
        last=source.head.number,
        spec_text=source.spec.to_json(),
    )
    writer = ExportWriter(file, start)
    parent = source.header_by_number(0)
    certificate = None
    assert parent is not None
    for height in range(1, source.head.number + 1):
        block = source.block_by_number(height)
        assert block is not None
        header = replace(
            block.header,
            parent_hash=parent.hash,
            prev_randao=next_prev_randao(parent.prev_randao, parent.hash),
            parent_beacon_block_root=certificate.hash if certificate else bytes(32),
        )
        sidecar = source.sidecar(block.hash)
        changed = replace(block, header=header)
        changed = alter(changed) if height == number else changed
        writer.block(changed, certificate, sidecar)
        parent = changed.header
        certificate = make_certificate(height, 0, parent.hash, (DEV_VALIDATOR_KEY,))
    writer.finish(certificate)
    return file.getvalue()


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("gas_used", "gas_used mismatch"),
        ("receipts_root", "receipts_root mismatch"),
        ("state_root", "state_root mismatch"),
        ("requests_hash", "requests_hash mismatch"),
    ],
)
def test_a_lying_header_is_refused_though_it_is_sealed(
    source: Chain, field: str, sentence: str
) -> None:
    def alter(block: Block) -> Block:
        value = getattr(block.header, field)
        lie = value + 1 if isinstance(value, int) else flip(value)
        return replace(block, header=replace(block.header, **{field: lie}))  # type: ignore[arg-type]

    chain = Chain.create(source.spec, MemoryStore())
    reader = ExportReader(io.BytesIO(sealed_again(source, 4, alter)))
    with pytest.raises(BlockRefused, match=f"block 4 is refused: {sentence}") as caught:
        import_export(reader, chain, lambda _: None)
    assert caught.value.code == "E-CHAIN-004"
    assert chain.head.number == 3


def test_nothing_altered_passes_the_same_path(source: Chain) -> None:
    """The control of the tests above: sealing again alone is no reason for refusal."""
    content = sealed_again(source, 0, lambda block: block)
    assert imported(content).head.state_root == source.head.state_root


# ---------------------------------------------------------------- damaged files


def test_a_file_cut_anywhere_keeps_the_good_prefix(source: Chain) -> None:
    content = exported(source)
    for size in range(0, len(content), max(1, len(content) // 60)):
        chain = Chain.create(source.spec, MemoryStore())
        with pytest.raises(MalformedExport) as caught:
            imported(content[:size], chain)
        assert caught.value.code in {"E-CHAIN-002", "E-CHAIN-003"}
        for number in range(chain.head.number + 1):
            assert chain.hash_by_number(number) == source.hash_by_number(number)


def test_a_flipped_bit_anywhere_is_refused(source: Chain) -> None:
    content = exported(source)
    for index in range(0, len(content), max(1, len(content) // 60)):
        chain = Chain.create(source.spec, MemoryStore())
        with pytest.raises((MalformedExport, BlockRefused, ChainMismatch)):
            imported(flip(content, index), chain)
        for number in range(chain.head.number + 1):
            assert chain.hash_by_number(number) == source.hash_by_number(number)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not a chain export"),
        (b"engram chain", "cut short"),
        (b"PK\x03\x04 something else", "not a chain export"),
        (b"engram chain\x02" + bytes(40), "format version 2, this program reads 1"),
        (b"engram chain\x01\x02\x00\x00\x00\x00", "start frame"),
        (b"engram chain\x01\x01\xff\xff\xff\xff", "exceeds the limit"),
        (b"engram chain\x01\x01\x00\x00\x00\x01\xc0", "start frame is malformed"),
    ],
)
def test_foreign_files_get_one_sentence(content: bytes, sentence: str) -> None:
    with pytest.raises(MalformedExport, match=sentence):
        ExportReader(io.BytesIO(content))


def test_trailing_bytes_are_refused(source: Chain) -> None:
    with pytest.raises(MalformedExport, match="followed by other bytes"):
        imported(exported(source) + b"\x00")


# ---------------------------------------------------------------- the commands


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("source") / "data"
    opened = create_directory(path, partial(write_genesis, dev_spec()))
    fill(around(Chain.open(opened.store, mark=opened.mark_head)))
    opened.close()
    return path


def engram(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    code = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_export_import_verify_from_the_command_line(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, target = tmp_path / "chain.engram", tmp_path / "target"
    code, out, err = engram(capsys, "chain", "export", "--datadir", directory, "-o", file)
    assert (code, err) == (0, "")
    assert "exported blocks 1 to 4" in out
    code, out, err = engram(capsys, "chain", "import", file, "--datadir", target)
    assert (code, err) == (0, "")
    assert "imported 4 blocks: 10 transactions and 5 inferences executed" in out
    code, out, err = engram(capsys, "chain", "import", file, "--datadir", target)
    assert "imported 0 blocks (4 were there already)" in out
    code, out, err = engram(capsys, "chain", "verify", "--datadir", target)
    assert (code, err) == (0, "")
    assert "verified 5 blocks" in out
    assert "5 inferences executed" in out
    assert "(2 weight chunks)" in out


def snapshot(path: Path) -> list[tuple[str, bytes]]:
    """The content of a data directory, LevelDB's own housekeeping aside."""
    if not (path / "chain").exists():
        return sorted((str(item), item.read_bytes()) for item in path.rglob("*") if item.is_file())
    opened = open_directory(path)
    entries = [(key.hex(), value) for key, value in opened.store.scan(b"", b"\xff" * 40)]
    opened.close()
    return entries


def test_refusals_of_the_commands(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, other = tmp_path / "chain.engram", tmp_path / "other"
    engram(capsys, "chain", "export", "--datadir", directory, "-o", file)
    create_directory(other, partial(write_genesis, dev_spec(balance=3))).close()
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "keep").write_text("me")
    spec = tmp_path / "spec.toml"
    spec.write_text("name = 5")
    cut = tmp_path / "cut.engram"
    cut.write_bytes(file.read_bytes()[:-1])
    before = [snapshot(path) for path in (directory, other, foreign)]
    for words, exit_code, sentence in (
        (("export", "--datadir", directory, "-o", file), 3, "E-CHAIN-007: .* exists"),
        (("export", "--datadir", directory, "-o", tmp_path / "x", "--from", 9), 3, "E-CHAIN-008"),
        (("export", "--datadir", directory, "-o", tmp_path / "x", "--to", 9), 3, "E-CHAIN-008"),
        (("export", "--datadir", directory, "-o", tmp_path / "no" / "x"), 3, "E-CHAIN-009"),
        (("export", "--datadir", tmp_path / "none", "-o", tmp_path / "x"), 3, "E-STORE-008"),
        (("export", "--datadir", foreign, "-o", tmp_path / "x"), 3, "E-STORE-009"),
        (("import", tmp_path / "none", "--datadir", directory), 3, "E-CHAIN-009"),
        (("import", spec, "--datadir", directory), 3, "E-CHAIN-002: .*not a chain export"),
        (("import", file, "--datadir", other), 3, "E-CHAIN-001: .*genesis 0x"),
        (("import", file, "--datadir", foreign), 3, "E-STORE-009"),
        (("import", file, "--datadir", directory, "--spec", spec), 3, "E-GENESIS-001"),
        (("import", cut, "--datadir", directory), 3, "E-CHAIN-003"),
        (("verify", "--datadir", foreign), 3, "E-STORE-009"),
    ):
        code, out, err = engram(capsys, "chain", *words)
        assert (code, out) == (exit_code, ""), words
        assert err.count("\n") == 1
        assert re.search(sentence, err, re.IGNORECASE), err
    assert [snapshot(path) for path in (directory, other, foreign)] == before
    assert not (tmp_path / "x").exists()


ALTERATIONS = [
    (b"chunk:", -1, "the chunk entry 0x|does not verify"),
    (b"receipts:", -1, "the receipts entry 0x"),
    (b"sidecar:", 60, "does not verify|the sidecar entry 0x"),
    (b"tx:", -1, "the tx entry 0x"),
    (b"block:", -1, "does not verify"),
    (b"certificate:", -1, "does not verify"),
    (b"number:", -1, "the number entry 0x"),
]


def altered_copy(directory: Path, copy: Path, prefix: bytes, place: int) -> None:
    shutil.copytree(directory, copy)
    opened = open_directory(copy)
    key, value = next(iter(opened.store.scan(prefix, prefix + b"\xff" * 33)))
    opened.store.write({key: flip(value, place % len(value))})
    opened.close()


@pytest.mark.parametrize(("prefix", "place", "sentence"), ALTERATIONS)
def test_verify_finds_every_kind_of_alteration(
    source: Chain, prefix: bytes, place: int, sentence: str
) -> None:
    store = MemoryStore()
    store.write(dict(everything(source)))
    key, value = next(iter(store.scan(prefix, prefix + b"\xff" * 33)))
    store.write({key: flip(value, place % len(value))})
    with pytest.raises(NotVerified, match=sentence):
        verify_chain(Chain.open(store), MemoryStore(), lambda _: None)


def test_verify_changes_nothing_and_a_start_keeps_a_copy(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    altered_copy(directory, copy, b"chunk:", -1)
    for _ in range(2):
        code, _, err = engram(capsys, "chain", "verify", "--datadir", copy)
        assert code == 4
        assert (
            "E-STORE-003: A start would mend the database: rolled back from block 4 to block 0"
            in err
        )
    code, _, err = engram(
        capsys, "chain", "export", "--datadir", copy, "-o", tmp_path / "x", "--to", 1
    )
    assert code == 3
    assert "rolled back from block 4 to block 0" in err
    assert (copy / "chain.damaged-1" / "CURRENT").exists()


def test_a_running_owner_is_named(
    directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    opened = open_directory(directory)
    code, _, err = engram(capsys, "chain", "export", "--datadir", directory, "-o", tmp_path / "x")
    opened.close()
    assert code == 3
    assert "in use by another process" in err
