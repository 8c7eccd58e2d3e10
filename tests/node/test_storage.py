"""Stores: one behaviour for memory and LevelDB, and a data directory that refuses what is not its."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.storage import keys
from node.storage.commit import KEY_LISTS_KEPT, seal_batch
from node.storage.directory import create_directory, is_data_directory, open_directory
from node.storage.errors import StoreClosed, StoreCorrupted, StoreFailed, StoreRefused
from node.storage.leveldb import LevelDbStore
from node.storage.memory import MemoryStore
from node.storage.recovery import recover
from node.storage.store import Store
from vm.crypto import keccak


@pytest.fixture(params=["memory", "leveldb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = (
        MemoryStore() if request.param == "memory" else LevelDbStore.create(tmp_path / "db")
    )
    yield made
    made.close()


def test_batches_put_delete_and_scan_in_order(store: Store) -> None:
    store.write({b"b": b"2", b"a": b"1", b"c": b"", b"\xff": b"4"})
    assert store.get(b"a") == b"1"
    assert store.get(b"c") == b""
    assert store.get(b"d") is None
    assert list(store.scan(b"a", b"c")) == [(b"a", b"1"), (b"b", b"2")]
    store.write({b"a": None, b"b": b"3", b"none": None})
    assert list(store.scan(b"", b"\xff\xff")) == [(b"b", b"3"), (b"c", b""), (b"\xff", b"4")]


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreClosed):
        store.get(b"a")
    with pytest.raises(StoreClosed):
        store.write({b"a": b"1"})


def test_creating_over_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "000005.ldb").write_bytes(b"precious")
    with pytest.raises(StoreRefused, match="not empty"):
        LevelDbStore.create(tmp_path / "db")
    with pytest.raises(StoreCorrupted, match="CURRENT"):
        LevelDbStore.open(tmp_path / "db")
    assert [path.name for path in (tmp_path / "db").iterdir()] == ["000005.ldb"]


def test_after_a_refused_write_the_handle_writes_no_more(tmp_path: Path) -> None:
    # A file size limit stands in for a full disk: LevelDB sees the same failed write.
    script = """
import resource, signal, sys
from pathlib import Path
from node.storage.errors import StoreFailed
from node.storage.leveldb import LevelDbStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = LevelDbStore.create(Path(sys.argv[1]))
store.write({b"kept": b"1"})
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, resource.RLIM_INFINITY))
for attempt in range(2):
    try:
        store.write({b"big": bytes(200000)})
    except StoreFailed as error:
        print(error)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(store.get(b"kept"), store.get(b"big"))
store.close()
"""
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "db")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    first, second, read = run.stdout.splitlines()
    assert first == second
    assert "free space" in first
    assert read == "b'1' None"
    reopened = LevelDbStore.open(tmp_path / "db")
    assert reopened.get(b"kept") == b"1"
    reopened.write({b"big": b"2"})
    reopened.close()


# ---------------------------------------------------------------- the data directory


def header(number: int, salt: bytes = b"") -> bytes:
    return b"header %d" % number + salt


def add_block(store: Store, number: int, size: int = 40) -> None:
    block_hash = keccak(header(number))
    batch = {
        block_hash: header(number),
        keys.number_key(number): block_hash,
        keys.block_key(block_hash): b"body" * size,
        keccak(b"node %d" % number): b"node %d" % number,
        keys.HEAD: number.to_bytes(8, "big") + block_hash,
    }
    parent = keccak(header(number - 1)) if number else bytes(32)
    store.write(seal_batch(batch, number, block_hash, parent), sync=True)


def genesis(store: Store) -> None:
    add_block(store, 0)


def contents(path: Path) -> dict[str, bytes]:
    return {
        str(item.relative_to(path)): item.read_bytes() for item in path.rglob("*") if item.is_file()
    }


def test_create_close_open(tmp_path: Path) -> None:
    directory = create_directory(tmp_path / "d", genesis)
    add_block(directory.store, 1)
    directory.mark_head(1, keccak(header(1)))
    directory.close()
    directory = open_directory(tmp_path / "d")
    assert directory.recovery is None
    assert directory.store.get(keys.number_key(1)) == keccak(header(1))
    directory.close()


def test_an_interrupted_creation_starts_over(tmp_path: Path) -> None:
    def fail(store: Store) -> None:
        store.write({b"half": b"1"})
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        create_directory(tmp_path / "d", fail)
    assert not is_data_directory(tmp_path / "d")
    with pytest.raises(StoreRefused, match="no chain"):
        open_directory(tmp_path / "d")
    directory = create_directory(tmp_path / "d", genesis)
    assert directory.store.get(b"half") is None
    directory.close()


@pytest.mark.parametrize("written", [b"", b"engram"])
def test_a_creation_interrupted_in_its_first_word_starts_over(
    tmp_path: Path, written: bytes
) -> None:
    (tmp_path / "LOCK").touch()
    (tmp_path / "FORMAT.new").write_bytes(written)
    create_directory(tmp_path, genesis).close()
    open_directory(tmp_path).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FORMAT", "LOCK", "chain", "head"]


def test_a_chain_folder_that_vanished_is_not_made_anew(tmp_path: Path) -> None:
    create_directory(tmp_path / "d", genesis).close()
    shutil.rmtree(tmp_path / "d" / "chain")
    assert is_data_directory(tmp_path / "d")
    with pytest.raises(StoreCorrupted, match="the folder chain is missing"):
        open_directory(tmp_path / "d")
    with pytest.raises(StoreRefused, match="already holds a chain"):
        create_directory(tmp_path / "d", genesis)


def test_what_is_not_ours_is_refused_and_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "geth"
    (foreign / "chaindata").mkdir(parents=True)
    (foreign / "chaindata" / "CURRENT").write_text("MANIFEST-000001\n")
    other = tmp_path / "newer"
    other.mkdir()
    (other / "FORMAT").write_text("engram-data 9\n")
    gone = tmp_path / "gone"
    gone.mkdir()
    (gone / "FORMAT").write_text("engram-data 1\n")
    file = tmp_path / "file"
    file.write_text("x")
    before = contents(tmp_path)
    for path, sentence, code in (
        (foreign, "not a data directory of Engram", "E-STORE-009"),
        (other, "'engram-data 9'", "E-STORE-010"),
        (gone, "no chain", "E-STORE-008"),
        (tmp_path / "none", "no data directory", "E-STORE-008"),
        (file, "no data directory|is a file", "E-STORE-008"),
    ):
        with pytest.raises(StoreRefused, match=sentence) as caught:
            open_directory(path)
        assert caught.value.code == code
    for path in (foreign, other, file):
        with pytest.raises(StoreRefused):
            create_directory(path, genesis)
    assert contents(tmp_path) == before


def test_a_chain_is_never_created_over_another(tmp_path: Path) -> None:
    create_directory(tmp_path / "d", genesis).close()
    before = contents(tmp_path)
    with pytest.raises(StoreRefused, match="already holds a chain"):
        create_directory(tmp_path / "d", genesis)
    assert contents(tmp_path) == before


def test_two_owners_are_refused(tmp_path: Path) -> None:
    directory = create_directory(tmp_path / "d", genesis)
    for _ in range(2):
        with pytest.raises(StoreRefused, match="in use by another process"):
            open_directory(tmp_path / "d")
    script = (
        "import sys; from pathlib import Path; from node.storage.directory import open_directory\n"
        "try: open_directory(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "d")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert run.stdout.startswith("StoreRefused")
    add_block(directory.store, 1)
    directory.close()
    open_directory(tmp_path / "d").close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_a_local_fault(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StoreFailed):
            create_directory(tmp_path / "d", genesis)
    finally:
        tmp_path.chmod(0o700)


def test_a_folder_that_may_not_be_read_is_a_local_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(StoreFailed, match=r"cannot be read \(Permission denied\); it must be"):
        is_data_directory(tmp_path)


# ---------------------------------------------------------------- the commit scan


def filled(blocks: int) -> MemoryStore:
    store = MemoryStore()
    for number in range(blocks + 1):
        add_block(store, number)
    return store


def test_a_whole_chain_needs_no_recovery() -> None:
    store = filled(KEY_LISTS_KEPT + 20)
    assert recover(store) is None
    assert recover(store, expected_head=(KEY_LISTS_KEPT + 20, b"")) is None
    assert store.get(keys.batch_keys_key(20)) is None
    assert store.get(keys.batch_keys_key(21)) is not None


@pytest.mark.parametrize("missing", [1, 7, 19, 20])
def test_a_missing_batch_is_a_hole(missing: int) -> None:
    store = filled(20)
    block_hash = keccak(header(missing))
    store.write({keys.commit_key(missing): None, block_hash: None})
    recovery = recover(store)
    assert recovery is not None
    assert (recovery.number, recovery.previous) == (missing - 1, 20)
    assert f"rolled back from block 20 to block {missing - 1}" in str(recovery)
    assert store.get(keys.number_key(missing + 1)) is None
    assert recover(store) is None
    add_block(store, missing)
    assert recover(store) is None


@pytest.mark.parametrize(
    "damage",
    [
        {keccak(b"node 18"): None},
        {keccak(b"node 18"): b"node 17"},
        {keys.block_key(keccak(header(18))): b"another body"},
        {keys.batch_keys_key(18): b"\xc0"},
        {keys.batch_keys_key(18): b"junk"},
        {keys.commit_key(18): b"junk"},
        {keccak(header(18)): None},
    ],
)
def test_an_incomplete_batch_is_rolled_back(damage: dict[bytes, bytes | None]) -> None:
    store = filled(20)
    store.write(damage)
    recovery = recover(store)
    assert recovery is not None
    assert recovery.number == 17
    assert recover(store) is None


def test_a_stale_head_moves_forward_to_the_newest_complete_block() -> None:
    store = filled(20)
    store.write({keys.HEAD: (12).to_bytes(8, "big") + keccak(header(12))})
    recovery = recover(store)
    assert recovery is not None
    assert recovery.number == recovery.previous == 20
    assert "nothing is lost" in str(recovery)


def test_a_shortened_database_is_not_silent() -> None:
    recovery = recover(filled(20), expected_head=(25, keccak(header(25))))
    assert recovery is not None
    assert (recovery.number, recovery.previous) == (20, 25)
    assert "block 25 was stored once" in str(recovery)


def test_another_branch_above_is_cut_off() -> None:
    store = filled(20)
    foreign = seal_batch({keccak(b"x"): b"x"}, 21, keccak(b"x"), keccak(b"not block 20"))
    store.write(foreign)
    recovery = recover(store)
    assert recovery is not None
    assert recovery.number == 20
    assert "does not follow" in recovery.reason


def test_nothing_complete_is_refused() -> None:
    with pytest.raises(StoreCorrupted, match="no complete block"):
        recover(MemoryStore())
    store = filled(0)
    store.write({keccak(b"node 0"): None})
    with pytest.raises(StoreCorrupted, match="no complete block is left"):
        recover(store)


def test_a_hole_below_the_window_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.storage.recovery.WINDOW_BLOCKS", 5)
    store = filled(20)
    assert recover(store) is None
    store.write({keys.commit_key(15): None})
    recovery = recover(store)
    assert recovery is not None
    assert recovery.number == 14
